"""Checks across sections: options that are valid alone and contradict each other."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from component.config.backfill import Backfill
from component.config.chat import BpoChat, Chat, CondorChat
from component.config.messages import Problem, unknown
from component.config.network import Http, PublicHttp, Xmpp
from component.config.push import Push
from component.config.sections import (
    Accounts,
    Archive,
    Gateway,
    Handlers,
    Operator,
    Sessions,
    Storage,
    Tokens,
)
from component.config.tables import Table
from component.config.types import Section
from component.core.access.principals import SERVER
from component.core.unix_sockets import UNIX

#: A listener on one of these addresses uses its port on all addresses of the machine.
_ANY_ADDRESS = {"0.0.0.0", "::"}  # noqa: S104 - compared, not listened on

#: Seconds for a request that signs a user of another server in.
SIGN_IN_SECONDS = 7

_OPERATOR = re.compile(r"[A-Za-z0-9_-]+")


def contradictions(tables: Sequence[Table], valid: Mapping[str, Section]) -> Iterator[Problem]:
    """Yield a problem for each option or section that contradicts another one.

    `valid` maps the titles of the sections without mistakes to the sections.
    """
    xmpp, archive = valid.get("xmpp"), valid.get("archive")
    if isinstance(xmpp, Xmpp):
        yield from _hosts(tables, xmpp)
        yield from _processes(valid, xmpp)
        if isinstance(archive, Archive):
            yield from _room_services(archive, xmpp)
        yield from _user_name_hosts(valid, xmpp)
    yield from _chat(valid)
    yield from _listeners(valid)
    yield from _other_servers(valid)
    yield from _backfill(valid)
    yield from _operator_names(tables)
    yield from _shared_identities(valid)


def cross_warnings(valid: Mapping[str, Section]) -> Iterator[str]:
    """Yield a sentence for each option that is valid but probably has no intended effect."""
    yield from _sign_in_warnings(valid)
    yield from _operator_warnings(valid)


def _sign_in_warnings(valid: Mapping[str, Section]) -> Iterator[str]:
    public, tokens = valid.get("public_http"), valid.get("tokens")
    if not isinstance(public, PublicHttp) or not isinstance(tokens, Tokens):
        return
    yield from _gateway_warnings(valid, public, tokens)
    yield from _chat_api_warnings(valid, public, tokens)
    yield from _sign_up_warnings(valid)
    if tokens.key_file is None:
        if public.enabled:
            yield "public_http.enabled: nobody can sign in there while tokens.key_file is not set"
        push, sessions = valid.get("push"), valid.get("sessions")
        if isinstance(push, Push) and push.key_file is not None:
            yield "push.key_file has no effect while tokens.key_file is not set"
        if isinstance(sessions, Sessions) and sessions.servers:
            yield "sessions.servers has no effect while tokens.key_file is not set"
        return
    backfill = valid.get("backfill")
    if not public.enabled:
        if isinstance(backfill, Backfill) and backfill.source == "mam":
            return
        yield "tokens.key_file has no effect while public_http.enabled is false"
    accounts, handlers = valid.get("accounts"), valid.get("handlers")
    if (
        isinstance(accounts, Accounts)
        and isinstance(handlers, Handlers)
        and accounts.source == "ejabberd"
        and not (accounts.asks_ejabberd or handlers.module)
    ):
        yield (
            "tokens.key_file: nobody can sign in, because Muniment cannot check passwords: "
            "set accounts.api_url or accounts.login_address"
        )


def _sign_up_warnings(valid: Mapping[str, Section]) -> Iterator[str]:
    chat, accounts, handlers = (valid.get(name) for name in ("chat", "accounts", "handlers"))
    if not (isinstance(chat, Chat) and chat.sign_up and isinstance(accounts, Accounts)):
        return
    checks_passwords = isinstance(handlers, Handlers) and handlers.module
    if accounts.source == "ejabberd" and accounts.api_url is None and not checks_passwords:
        yield (
            "chat.sign_up has no effect, because Muniment cannot create accounts in ejabberd: set "
            "accounts.api_url"
        )


def _operator_warnings(valid: Mapping[str, Section]) -> Iterator[str]:
    http = valid.get("http")
    for title, section in valid.items():
        if not isinstance(section, Operator) or section.secret is None:
            continue
        if isinstance(http, Http) and not http.enabled:
            yield f"{title}.secret has no effect while http.enabled is false"
        elif isinstance(http, Http) and http.authentication == "network":
            yield (
                f'{title}.secret protects nothing while http.authentication is "network": '
                "callers without a secret have all rights"
            )


def _gateway_warnings(
    valid: Mapping[str, Section], public: PublicHttp, tokens: Tokens
) -> Iterator[str]:
    """Yield a sentence for each option without which there is no gateway."""
    gateway, sessions = valid.get("gateway"), valid.get("sessions")
    if not isinstance(gateway, Gateway) or not gateway.enabled:
        return
    if not public.enabled:
        yield "gateway.enabled has no effect while public_http.enabled is false"
    if tokens.key_file is None:
        yield "gateway.enabled has no effect while tokens.key_file is not set"
    if isinstance(sessions, Sessions) and not sessions.enabled:
        yield "gateway.enabled has no effect while sessions.enabled is false"


def _chat_api_warnings(
    valid: Mapping[str, Section], public: PublicHttp, tokens: Tokens
) -> Iterator[str]:
    """Yield a sentence for each option without which there are no APIs over chat."""
    chat = valid.get("chat")
    for title in ("condor_chat", "bpo_chat"):
        api = valid.get(title)
        if not isinstance(api, CondorChat | BpoChat) or not api.enabled:
            continue
        if not public.enabled:
            yield f"{title}.enabled has no effect while public_http.enabled is false"
        if tokens.key_file is None:
            yield f"{title}.enabled has no effect while tokens.key_file is not set"
        if isinstance(chat, Chat) and not chat.enabled:
            yield f"{title}.enabled has no effect while chat.enabled is false"


def _user_name_hosts(valid: Mapping[str, Section], xmpp: Xmpp) -> Iterator[Problem]:
    for title in ("condor_chat", "bpo_chat"):
        api = valid.get(title)
        if isinstance(api, CondorChat | BpoChat) and api.host not in (None, *xmpp.hosts):
            text = unknown("virtual host", api.host or "", xmpp.hosts)
            yield Problem(f"{title}.host", f"{text} (see xmpp.hosts)")


def _hosts(tables: Sequence[Table], xmpp: Xmpp) -> Iterator[Problem]:
    for table in tables:
        if table.section == "hosts" and table.name is not None and table.name not in xmpp.hosts:
            text = unknown("virtual host", table.name, xmpp.hosts)
            yield Problem(table.title, f"{text} (see xmpp.hosts)")


def _processes(valid: Mapping[str, Section], xmpp: Xmpp) -> Iterator[Problem]:
    storage = valid.get("storage")
    if xmpp.processes and isinstance(storage, Storage) and not storage.is_postgresql:
        yield Problem(
            "xmpp.processes", "several processes need PostgreSQL: set storage.url to postgresql://"
        )


def _room_services(archive: Archive, xmpp: Xmpp) -> Iterator[Problem]:
    for service in archive.room_services:
        if service in xmpp.hosts:
            yield Problem("archive.room_services", f"{service} is a virtual host (xmpp.hosts)")
        if service in (xmpp.jid, *xmpp.processes):
            yield Problem("archive.room_services", f"{service} is the component itself (xmpp.jid)")


def _chat(valid: Mapping[str, Section]) -> Iterator[Problem]:
    chat, archive = valid.get("chat"), valid.get("archive")
    if not isinstance(chat, Chat):
        return
    service = chat.room_service
    services = archive.room_services if isinstance(archive, Archive) else ()
    if service and services and service not in services:
        text = unknown("room service", service, services)
        yield Problem("chat.room_service", f"{text} (see archive.room_services)")
    if chat.password_min > chat.password_max:
        yield Problem("chat.password_min", "greater than chat.password_max")


def _other_servers(valid: Mapping[str, Section]) -> Iterator[Problem]:
    sessions, xmpp, public = valid.get("sessions"), valid.get("xmpp"), valid.get("public_http")
    if not isinstance(sessions, Sessions) or not sessions.servers:
        return
    if isinstance(xmpp, Xmpp):
        for server in sessions.servers:
            if server in (xmpp.jid, *xmpp.processes, *xmpp.hosts):
                yield Problem(
                    "sessions.servers", f"{server} is served here, and is no other server"
                )
    if isinstance(public, PublicHttp) and public.request_timeout_seconds < SIGN_IN_SECONDS:
        yield Problem(
            "public_http.request_timeout_seconds",
            f"expected at least {SIGN_IN_SECONDS}, because a refused sign-in takes that long with "
            "sessions.servers",
        )


def _backfill(valid: Mapping[str, Section]) -> Iterator[Problem]:
    backfill, tokens = valid.get("backfill"), valid.get("tokens")
    if not isinstance(backfill, Backfill) or not isinstance(tokens, Tokens):
        return
    if backfill.source == "mam" and tokens.key_file is None:
        yield Problem(
            "backfill.source",
            "mam needs tokens that ejabberd accepts: set tokens.key_file, and jwt_key in"
            " ejabberd.yml",
        )


def _listeners(valid: Mapping[str, Section]) -> Iterator[Problem]:
    http, public = valid.get("http"), valid.get("public_http")
    if not (isinstance(http, Http) and isinstance(public, PublicHttp)):
        return
    if not (http.enabled and public.enabled):
        return
    addresses = {http.address, public.address}
    if len(addresses) == 1 and http.address.startswith(UNIX):
        yield Problem(
            "public_http.address",
            "is the same as http.address: the listeners need different addresses",
        )
    elif http.port == public.port and (len(addresses) == 1 or addresses & _ANY_ADDRESS):
        yield Problem(
            "public_http.port", "is the same as http.port: the listeners need different ports"
        )


def _operator_names(tables: Sequence[Table]) -> Iterator[Problem]:
    for table in tables:
        if table.section == "operators" and table.name is not None:
            if not _OPERATOR.fullmatch(table.name):
                yield Problem(table.title, "expected a name of letters, digits, - and _")
            if table.name == SERVER.name:
                yield Problem(table.title, "reserved for callers with http.secret")


def _shared_identities(valid: Mapping[str, Section]) -> Iterator[Problem]:
    """Yield a problem for each JID or secret that two operators share: it must identify one."""
    first: dict[object, str] = {}
    http = valid.get("http")
    if isinstance(http, Http) and http.secret is not None:
        first[http.secret] = "http.secret"
    for title, section in valid.items():
        if isinstance(section, Operator):
            for key, value in (("jid", section.jid), ("secret", section.secret)):
                option = f"{title}.{key}"
                if value is not None and first.setdefault(value, option) != option:
                    yield Problem(option, f"the same as {first[value]}")
