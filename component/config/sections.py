"""Every option there is: its type, its range, its default and what it means.

The descriptions stand word for word in muniment.toml.example and docs/operations.md; tests compare
them, so that an option is explained in the models of the sections and nowhere else.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from pydantic import Field

from component.config.accounts import Accounts
from component.config.archive import Archive, Host, Retention, Storage
from component.config.network import Http, PublicHttp, Xmpp
from component.config.operators import Operator
from component.config.remote_data import Handlers, RemoteData
from component.config.rosters import Rosters
from component.config.section import Section


class Log(Section):
    """What the program says about itself, on standard error."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Least severity that is logged."
    )
    format: Literal["text", "json"] = Field(
        default="text",
        description="text: one readable line an event. json: one JSON object an event.",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The whole configuration, checked."""

    xmpp: Xmpp
    http: Http
    public_http: PublicHttp = field(default_factory=PublicHttp)
    storage: Storage = field(default_factory=Storage)
    archive: Archive = field(default_factory=Archive)
    retention: Retention = field(default_factory=Retention)
    accounts: Accounts = field(default_factory=Accounts)
    rosters: Rosters = field(default_factory=Rosters)
    remote_data: RemoteData = field(default_factory=RemoteData)
    handlers: Handlers = field(default_factory=Handlers)
    log: Log = field(default_factory=Log)
    hosts: Mapping[str, Host] = field(default_factory=dict)  #: of those that have one
    operators: Mapping[str, Operator] = field(default_factory=dict)  #: by name
    #: What works and should still be put right, one sentence each.
    warnings: tuple[str, ...] = ()

    def archive_of(self, host: str) -> Archive:
        """Return what is archived of the users of a virtual host."""
        own = self.hosts.get(host, Host())
        never = (*self.archive.never, *own.never)
        return self.archive.model_copy(
            update={"default": own.default or self.archive.default, "never": never}
        )

    def retention_of(self, host: str) -> Retention:
        """Return how long the messages of a virtual host, or of any other domain, are kept."""
        own = self.hosts.get(host, Host())
        bounds = own.model_dump(include={"days", "messages", "bytes"}, exclude_none=True)
        return self.retention.model_copy(update=bounds)

    def described(self) -> Iterator[str]:
        """Say which hosts differ and how, what each operator may do, and where accounts are."""
        for name, host in self.hosts.items():
            own = host.model_dump(exclude_unset=True)
            differing = ", ".join(f"{key} = {json.dumps(value)}" for key, value in own.items())
            yield f"host {name}: {differing or 'as all others'}"
        for name, operator in self.operators.items():
            ways = [operator.jid, "a secret" if operator.secret else None]
            yield f"operator {name}: {operator.role}, by {' and '.join(filter(None, ways))}"
        yield from self._accounts_described()

    def _accounts_described(self) -> Iterator[str]:
        if self.accounts.source == "store":
            yield "accounts: in the database of Muniment; those of ejabberd are not known"
        elif not self.accounts.asks_ejabberd and not self.handlers.module:
            yield "accounts: in ejabberd, which is not asked (accounts.api_url is not set)"


#: The sections by their names in the file, in its order.
SECTIONS: MappingProxyType[str, type[Section]] = MappingProxyType(
    {
        "xmpp": Xmpp,
        "storage": Storage,
        "archive": Archive,
        "retention": Retention,
        "accounts": Accounts,
        "rosters": Rosters,
        "http": Http,
        "public_http": PublicHttp,
        "remote_data": RemoteData,
        "handlers": Handlers,
        "log": Log,
    }
)

#: The sections that stand in the file any number of times, each time with a name of its own.
NAMED_SECTIONS: MappingProxyType[str, type[Section]] = MappingProxyType(
    {"hosts": Host, "operators": Operator}
)
