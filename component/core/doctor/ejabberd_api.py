"""Check: ejabberd has the commands of its HTTP API, and lets Muniment run them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import urlsplit

from component.core.doctor.finding import Finding, Severity, ok
from component.core.ejabberd_options import Options

ID = "ejabberd-api"


class ApiState(StrEnum):
    """The state of mod_http_api, as Muniment's requests find it."""

    UNCONFIGURED = "unconfigured"  #: no option says where it is
    UNREACHABLE = "unreachable"
    DISALLOWED = "disallowed"  #: it does not let Muniment run commands
    FAILING = "failing"  #: it answers otherwise than any release does
    ANSWERING = "answering"


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiFacts:
    """Facts about mod_http_api."""

    state: ApiState
    url: str = ""
    account: str | None = None  #: by which Muniment authenticates
    release: str = ""  #: of ejabberd, "" if it is not known
    error: str = ""  #: what a failing one says
    missing: tuple[str, ...] = ()  #: commands that it does not have


def check(facts: ApiFacts) -> Finding:
    """Return the finding."""
    at = f"mod_http_api at {facts.url}"
    match facts.state:
        case ApiState.UNCONFIGURED:
            return _error(
                "ejabberd's API: no option says where mod_http_api is",
                "Set accounts.api_url to the address of mod_http_api",
            )
        case ApiState.UNREACHABLE:
            return _error(
                f"{at} does not answer: most commands of ejabberd's API fail with 502",
                "ejabberd has to run, and a listener of ejabberd.yml has to serve mod_http_api at "
                "this address",
                {"listen": [{"module": "ejabberd_http", "request_handlers": _handlers(facts)}]},
            )
        case ApiState.DISALLOWED if facts.account:
            return _error(
                f"{at} does not let {facts.account} run commands",
                "The account and its password (accounts.api_user, accounts.api_password) have to "
                "be right, and api_permissions has to admit them; since 26.07 the access rule "
                "configure has to allow the account too",
                _permissions({"user": facts.account}),
            )
        case ApiState.DISALLOWED:
            return _error(
                f"{at} does not let Muniment run commands",
                "api_permissions of ejabberd.yml has to admit Muniment's address, such as",
                _permissions({"ip": "127.0.0.1/32"}),
            )
        case ApiState.FAILING:
            return _error(f"{at}: {facts.error}", "See the log of ejabberd")
    if facts.missing:
        return _error(
            f"{at} has not the commands {', '.join(facts.missing)}",
            "ejabberd.yml has to load these modules",
            {"modules": {"mod_admin_extra": {}, "mod_muc_admin": {}}},
        )
    return ok(ID, f"{at} answers: ejabberd {facts.release}, all commands")


def _error(seen: str, change: str, options: Options | None = None) -> Finding:
    return Finding(id=ID, severity=Severity.ERROR, seen=seen, change=change, options=options or {})


def _handlers(facts: ApiFacts) -> Options:
    return {urlsplit(facts.url).path or "/": "mod_http_api"}


def _permissions(who: object) -> Options:
    return {
        "api_permissions": {
            "commands for Muniment": {"from": "mod_http_api", "who": who, "what": "*"}
        }
    }
