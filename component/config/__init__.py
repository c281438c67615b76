"""The configuration: one TOML file, overridden by the environment, checked before anything starts.

Only `component.cli`, `component.extauth` and `component.wiring` read it; `wiring.settings` makes
the values for all other parts from it.
"""

from __future__ import annotations

from component.config.chat import Chat
from component.config.loader import load, load_http
from component.config.messages import ConfigError
from component.config.network import Http, PublicHttp, Xmpp
from component.config.push import Push
from component.config.sections import (
    NAMED_SECTIONS,
    SECTIONS,
    Accounts,
    Archive,
    Config,
    EjabberdApi,
    Handlers,
    Host,
    Log,
    Operator,
    RemoteData,
    Retention,
    Rosters,
    Storage,
    Tokens,
)

__all__ = [
    "NAMED_SECTIONS",
    "SECTIONS",
    "Accounts",
    "Archive",
    "Chat",
    "Config",
    "ConfigError",
    "EjabberdApi",
    "Handlers",
    "Host",
    "Http",
    "Log",
    "Operator",
    "PublicHttp",
    "Push",
    "RemoteData",
    "Retention",
    "Rosters",
    "Storage",
    "Tokens",
    "Xmpp",
    "load",
    "load_http",
]
