"""The options of ejabberd.yml that go with a configuration of Muniment, by release of ejabberd.

`muniment ejabberd-config` prints them. Tests compare them with ejabberd.yml.example, and start
each release of ejabberd with them.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from itertools import groupby
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from component.config.sections import Config
from component.config.types import PLACEHOLDER
from component.core.ejabberd_options import (
    NAME,
    NS_DISCO_INFO,
    NS_MAM,
    NS_PUBSUB,
    QUERIES,
    component_domains,
    component_servers,
    lines,
    query_access,
    query_servers,
)

#: The commands of ejabberd that check and change accounts.
ACCOUNT_COMMANDS = (
    "check_password",
    "check_account",
    "registered_users",
    "register",
    "change_password",
    "unregister",
)

#: The commands that disable and enable accounts.
BAN_COMMANDS = ("get_ban_details", "ban_account", "unban_account")

_VERSION = re.compile(r"(\d\d)\.(\d\d)(?:[-.+~].*)?")
_WIDTH = 99


class Version(NamedTuple):
    """A release of ejabberd: the year and the month of its name."""

    year: int
    month: int

    def __str__(self) -> str:
        return f"{self.year}.{self.month:02}"


OLDEST, NEWEST = Version(23, 1), Version(26, 7)

#: The first release that changes rosters by privilege, and that does not ask extauth alone whether
#: an account exists.
_ROSTER_CHANGES = _EXISTS_CHECK = Version(23, 10)
#: The first tested release that tells over its API whether an account is banned.
_BANS = Version(26, 7)
#: The first release that accepts IQs by privilege, and drops other IQs of components.
_IQ_PRIVILEGE = Version(24, 10)
#: The first release that answers IQs of users to their own accounts by privilege.
_USER_IQ_PRIVILEGE = Version(25, 3)
#: The first release that demands the access rule `configure` for an account of the API.
_CONFIGURE_RULE = Version(26, 7)


class Unprintable(Exception):
    """There are no blocks for this release or configuration; the message says what to change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """An option of ejabberd.yml, and a comment that says what it is for."""

    place: tuple[str, ...]  #: the keys from the top of the file to the option or its list
    value: Any  #: texts, numbers, booleans, and lists and mappings of them
    comment: str = ""


@dataclass(frozen=True, slots=True)
class Source:
    """The configuration, and the places of its secrets; the secrets are never printed."""

    config: Config
    component_secret: str  #: such as "the content of /etc/muniment/xmpp-secret"
    extauth_program: str | None = None  #: the command line of extauth; None: not used


def version(text: str) -> Version:
    """Return a release from its name, such as 26.07 or 24.12-3+deb13u2. Raises Unprintable."""
    match = _VERSION.fullmatch(text)
    if match is None or not 1 <= int(match[2]) <= 12:
        raise Unprintable(f"expected a release of ejabberd, such as {NEWEST}, given {text!r}")
    release = Version(int(match[1]), int(match[2]))
    if release < OLDEST:
        raise Unprintable(f"ejabberd {release} is too old: Muniment needs {OLDEST} or newer")
    if release > NEWEST:
        raise Unprintable(
            f"Muniment does not know ejabberd {release}: try it with the options for {NEWEST}, "
            "the newest that Muniment is tested with"
        )
    return release


def blocks(release: Version, source: Source) -> tuple[Block, ...]:
    """Return the blocks that ejabberd.yml needs, in the order of its keys. Raises Unprintable."""
    config = source.config
    rules = [*_component_rules(config), *_api_rules(release, config)]
    return (
        *_listeners(source),
        *_external_authentication(release, source),
        *(block for block in rules if block.place[0] == "acl"),
        *(block for block in rules if block.place[0] == "access_rules"),
        *_api(release, config),
        *_modules(release, config),
    )


def notes(release: Version, source: Source) -> tuple[str, ...]:
    """Return notes about the file as a whole, for which no block has a place."""
    config = source.config
    lines = [
        f"Options of ejabberd.yml for ejabberd {release} with Muniment. Add each block below the "
        "key of this name; if the file has no such key, add the key too.",
        f"The virtual hosts of Muniment are {', '.join(config.xmpp.hosts)}. If ejabberd has other "
        "virtual hosts too, put the modules below append_host_config of each host that has "
        "archives.",
        "Remove mod_mam, except to archive rooms by ejabberd itself."
        if config.backfill.source == "none"
        else "Keep mod_mam with default: always, because Muniment fills gaps from it.",
    ]
    if release >= _IQ_PRIVILEGE:
        lines.append(
            f"Beside mod_privilege, ejabberd {release} drops IQs of all other components, such as "
            "transports."
        )
    if config.accounts.source == "store" and source.extauth_program is None:
        lines.append(
            'accounts.source is "store": ejabberd has to ask Muniment who may log in, such as by '
            "the options that --extauth adds."
        )
    if config.tokens.key_file is not None and source.extauth_program is None:
        lines.append(
            "tokens.key_file is set: muniment token-key prints the options by which ejabberd "
            "accepts access tokens."
        )
    return tuple(lines)


def merged(parts: Sequence[Block]) -> dict[str, Any]:
    """Return the blocks as one mapping: the content of an ejabberd.yml of these options."""
    tree: dict[str, Any] = {}
    for block in parts:
        *parents, last = block.place
        mapping = tree
        for key in parents:
            mapping = mapping.setdefault(key, {})
        if isinstance(block.value, list):
            mapping.setdefault(last, []).extend(block.value)
        else:
            mapping[last] = block.value
    return tree


def text(parts: Sequence[Block], introduction: Sequence[str]) -> str:
    """Return the blocks as YAML with their comments, behind an introduction of comments."""
    lines = [line for sentence in introduction for line in _comment(sentence, 0)]
    for key, group in groupby(parts, key=lambda block: block.place[0]):
        members = list(group)
        if _is_nested(parts, key):
            lines += ["", f"{key}:"]
        elif members[0].comment:
            lines.append("")
        for block in members:
            lines += _block_lines(block)
    return "\n".join(lines) + "\n"


def _is_nested(parts: Sequence[Block], key: str) -> bool:
    """Whether a key of the top level holds more than one scalar."""
    return any(
        block.place[0] == key and (len(block.place) > 1 or isinstance(block.value, list | Mapping))
        for block in parts
    )


def _block_lines(block: Block) -> Iterator[str]:
    if len(block.place) == 1 and isinstance(block.value, list | Mapping):
        yield from _comment(block.comment, 1)
        yield from lines(block.value, 1)
    else:
        depth = len(block.place) - 1
        yield from _comment(block.comment, depth)
        yield from lines({block.place[-1]: block.value}, depth)


def _comment(words: str, depth: int) -> Iterator[str]:
    start = "  " * depth + "## "
    return iter(
        textwrap.wrap(
            words,
            _WIDTH,
            initial_indent=start,
            subsequent_indent=start,
            break_long_words=False,
            break_on_hyphens=False,
        )
    )


def _listeners(source: Source) -> Iterator[Block]:
    xmpp = source.config.xmpp
    yield Block(
        place=("listen",),
        comment="The port on which the component connects (XEP-0114). Loopback or a private "
        "network only: the protocol has no encryption of its own. Replace the password by "
        f"{source.component_secret}; Muniment refuses this placeholder. Without "
        "global_routes: false ejabberd would send the stanzas of every host listed here to one "
        "connection; a traffic shaper would slow down the archive.",
        value=[
            {
                "port": xmpp.port,
                "ip": _listening_address(xmpp.address),
                "module": "ejabberd_service",
                "global_routes": False,
                "shaper": "none",
                "hosts": {
                    jid: {"password": PLACEHOLDER}
                    for jid in component_domains(xmpp.jid, xmpp.processes)
                },
            }
        ],
    )
    url = source.config.accounts.api_url
    if _has_api(source.config) and url is not None:
        parts = urlsplit(url)
        is_encrypted = parts.scheme == "https"
        yield Block(
            place=("listen",),
            comment="Muniment asks here for accounts (accounts.api_url). If the file has a "
            "listener on this port, add only the request handler to it.",
            value=[
                {
                    "port": parts.port or (443 if is_encrypted else 80),
                    "ip": _listening_address(parts.hostname or ""),
                    "module": "ejabberd_http",
                    **({"tls": True} if is_encrypted else {}),
                    "request_handlers": {parts.path.rstrip("/") or "/": "mod_http_api"},
                }
            ],
        )


def _listening_address(host: str) -> str:
    """Return the address that ejabberd has to listen on, for Muniment to connect to `host`."""
    if host == "localhost":
        return "127.0.0.1"
    try:
        return str(ip_address(host))
    except ValueError:
        # The placeholder is no address: ejabberd refuses it, so it cannot listen on a wrong one.
        return f"the IP address of {host}"


def _component_rules(config: Config) -> Iterator[Block]:
    xmpp = config.xmpp
    yield Block(
        place=("acl", NAME),
        comment="The component, so that the rules below can name it.",
        value={"server": component_servers(xmpp.jid, xmpp.processes)},
    )
    if xmpp.processes:
        yield Block(
            place=("acl", QUERIES),
            comment="The connections for queries. One process at a time has one.",
            value={"server": query_servers(xmpp.processes)},
        )
    yield Block(
        place=("access_rules", NAME),
        comment="The rule that only the component fulfils.",
        value={"allow": NAME},
    )
    if xmpp.processes:
        yield Block(
            place=("access_rules", QUERIES),
            comment="The rule that only the connections for queries fulfil: ejabberd delegates a "
            "namespace to one connection, and another one must not keep it.",
            value={"allow": QUERIES},
        )


def _has_api(config: Config) -> bool:
    return config.accounts.source == "ejabberd" and config.accounts.api_url is not None


def _api_rules(release: Version, config: Config) -> Iterator[Block]:
    user = config.accounts.api_user
    if not _has_api(config) or user is None or release < _CONFIGURE_RULE:
        return
    yield Block(
        place=("acl", f"{NAME}_api"),
        comment="The account by which Muniment asks for accounts (accounts.api_user).",
        value={"user": [user]},
    )
    yield Block(
        place=("access_rules", "configure"),
        comment="Since 26.07 the API demands this rule, by which the account may also administer "
        "ejabberd in other ways. If the file has the rule, add this line to it.",
        value=[{"allow": f"{NAME}_api"}],
    )


def _api(release: Version, config: Config) -> Iterator[Block]:
    if not _has_api(config):
        return
    user = config.accounts.api_user
    host = urlsplit(config.accounts.api_url or "").hostname or ""
    yield Block(
        place=("api_permissions", "accounts for Muniment"),
        comment="Muniment checks and changes accounts by these commands.",
        value={
            "from": ["mod_http_api"],
            "who": {"user": user} if user else {"ip": _calling_address(host)},
            "what": [*ACCOUNT_COMMANDS, *(BAN_COMMANDS if release >= _BANS else ())],
        },
    )
    yield Block(
        place=("hide_sensitive_log_data",),
        comment="Without this line ejabberd logs every password that Muniment checks.",
        value=True,
    )


def _calling_address(host: str) -> str:
    """Return the network from which Muniment calls an ejabberd at `host`."""
    address = _listening_address(host)
    try:
        parsed = ip_address(address)
    except ValueError:
        parsed = None
    if parsed is not None and parsed.is_loopback:
        return f"{parsed}/{parsed.max_prefixlen}"
    return "the IP address of Muniment"


def _external_authentication(release: Version, source: Source) -> Iterator[Block]:
    if source.extauth_program is None:
        return
    if source.config.accounts.source != "store" and not source.config.handlers.module:
        raise Unprintable(
            'accounts.source is "ejabberd", so Muniment would refuse every login: set '
            'accounts.source = "store", or handlers.module'
        )
    if not source.config.http.enabled:
        raise Unprintable(
            "http.enabled is false, so muniment extauth cannot ask the running program"
        )
    yield Block(
        place=("auth_method",),
        comment="Muniment says who may log in. Let the user of ejabberd read the configuration of "
        "Muniment, and set starttls_required: clients send passwords in clear text.",
        value="external",
    )
    yield Block(place=("extauth_program",), value=source.extauth_program)
    yield Block(place=("extauth_pool_name",), value=NAME)
    yield Block(place=("extauth_pool_size",), value=2)
    yield Block(
        place=("auth_use_cache",),
        comment="With its cache ejabberd accepts old passwords and disabled accounts for an hour.",
        value=False,
    )
    if release >= _EXISTS_CHECK:
        yield Block(
            place=("auth_external_user_exists_check",),
            comment="Without this line ejabberd keeps offline messages for disabled accounts.",
            value=False,
        )


def _modules(release: Version, config: Config) -> Iterator[Block]:
    if _has_api(config):
        yield Block(
            place=("modules", "mod_admin_extra"),
            comment="It has the commands that check accounts.",
            value={},
        )
    yield Block(
        place=("modules", "mod_service_log"),
        comment="Copies of all stanzas that users send and receive, for the archive.",
        value={"loggers": list(config.xmpp.processes or (config.xmpp.jid,))},
    )
    yield Block(
        place=("modules", "mod_delegation"),
        comment="The component answers archive queries (XEP-0313) that users send to their own "
        "addresses, or to the domain of their server.",
        value={"namespaces": {NS_MAM: {"access": query_access(config.xmpp.processes)}}},
    )
    yield Block(
        place=("modules", "mod_privilege"),
        comment=" ".join(_privileges_explained(release, config)),
        value=_privileges(release, config),
    )


def _privileges(release: Version, config: Config) -> dict[str, Any]:
    privileges: dict[str, Any] = {"message": {"outgoing": NAME}}
    if config.rosters.source == "ejabberd":
        privileges["roster"] = {"get": NAME}
    if payloads := _iqs_by_privilege(release, config):
        privileges["iq"] = payloads
    return privileges


def _iqs_by_privilege(release: Version, config: Config) -> dict[str, Any]:
    """Return the payloads of IQs that Muniment sends as a virtual host or as its users."""
    payloads = {}
    if release >= _IQ_PRIVILEGE and config.archive.room_services:
        payloads[NS_DISCO_INFO] = {"get": NAME}
    if release >= _USER_IQ_PRIVILEGE:
        payloads[NS_PUBSUB] = {"get": NAME}
    return payloads


def _privileges_explained(release: Version, config: Config) -> Iterator[str]:
    yield "The component may send the results of queries from the users' own addresses."
    if config.rosters.source == "ejabberd":
        yield (
            "It may read rosters, so that users can choose to archive only messages with their "
            "contacts."
        )
        if release >= _ROSTER_CHANGES:
            yield '"both" in the place of "get" lets programs change rosters over HTTP.'
    payloads = _iqs_by_privilege(release, config)
    if NS_DISCO_INFO in payloads:
        yield "It may ask rooms whether a user may read their archives (archive.room_services)."
    if NS_PUBSUB in payloads:
        yield "It may ask for the messages that the clients of a user have displayed (XEP-0490)."
