"""Every option there is: its type, its range, its default and what it means.

The descriptions stand word for word in muniment.toml.example and docs/operations.md. Tests compare
them, so that an option is explained in the models of the sections and nowhere else. The sections
[xmpp] and [http] are in `config.network`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from component.config.network import Http, PublicHttp, Xmpp
from component.config.types import (
    Address,
    BareJid,
    Count,
    Domain,
    Folder,
    HttpUrl,
    JidOrDomain,
    ModuleName,
    Port,
    Secret,
    Section,
    StorageUrl,
)

Default = Literal["always", "never", "roster"]

_DAYS = Field(ge=0, le=36500)
_MESSAGES = Field(ge=0, le=1_000_000_000)
_BYTES = Field(ge=0, le=1_000_000_000_000_000)


class Storage(Section):
    """Where the archive is kept."""

    url: StorageUrl = Field(
        default="sqlite:/var/lib/muniment/muniment.db",
        validate_default=True,
        description="The database: sqlite:PATH. A relative PATH starts at the folder of the file; "
        "below /etc nothing is kept.",
    )
    synchronous: Literal["full", "normal"] = Field(
        default="full",
        description="full: an acknowledged message survives a power cut. normal: faster, and a "
        "power cut (not a crash of the program) may take the newest messages.",
    )


class Archive(Section):
    """What is archived, and how much of it one query is given."""

    page_default: Count = Field(
        default=50, description="Messages on a page when the client does not say how many."
    )
    page_max: Count = Field(
        default=250, description="Most messages on a page, however many a client asks for."
    )
    page_max_bytes: Annotated[int, Field(ge=1024, le=1024**3)] = Field(
        default=1024 * 1024,
        description="Most bytes of stanzas on a page, of MAM and over HTTP; a page ends before "
        "the first message that does not fit. A larger one has a page of its own.",
    )
    queue_bytes: int = Field(
        default=64 * 1024 * 1024,
        ge=64 * 1024,
        le=64 * 1024 * 1024 * 1024,
        description="Most memory, in bytes, for messages that wait to be written before ejabberd "
        "has to wait. None is dropped. As much room is kept free for them on the disk.",
    )
    default: Default = Field(
        default="always",
        description="What is archived of users that have set no preferences (XEP-0441). always: "
        "all. never: nothing. roster: what they exchange with their contacts.",
    )
    never: tuple[JidOrDomain, ...] = Field(
        default=(),
        strict=False,
        description="Bare JIDs and domains; messages from and to them go into no user's "
        "archive, whatever users prefer.",
    )
    room_services: tuple[Domain, ...] = Field(
        default=(),
        strict=False,
        description="Domains of chat room services (XEP-0045) whose rooms get archives of their "
        "own.",
    )
    groupchat: bool = Field(
        default=True,
        description="Whether messages of chat rooms go into the archives of their members.",
    )
    receipts: bool = Field(
        default=True, description="Whether delivery receipts (XEP-0184) without text are archived."
    )
    markers: bool = Field(
        default=True, description="Whether chat markers (XEP-0333) without text are archived."
    )

    @field_validator("page_max")
    @classmethod
    def _not_below_the_default(cls, page_max: int, info: ValidationInfo) -> int:
        """Refuse a largest page that the default page would not fit."""
        page_default = info.data.get("page_default", page_max)
        if page_max < page_default:
            raise ValueError(f"{page_max} is below archive.page_default ({page_default})")
        return page_max


class Retention(Section):
    """How long messages are kept: the oldest of an archive go when it is beyond any bound."""

    days: Annotated[int, _DAYS] = Field(
        default=0, description="Age, in days, at which a message is taken away. 0: never."
    )
    messages: Annotated[int, _MESSAGES] = Field(
        default=0, description="Most messages in one archive. 0: no bound."
    )
    bytes: Annotated[int, _BYTES] = Field(
        default=0, description="Most bytes of stanzas in one archive. 0: no bound."
    )
    sweep_seconds: float = Field(
        default=3600.0,
        ge=1,
        le=604800,
        description="Time between two looks at all archives for what is to go, in seconds.",
    )
    batch: Count = Field(
        default=1000,
        description="Most messages taken away at once; what arrives is written in between.",
    )


class Host(Section):
    """What one virtual host of xmpp.hosts has otherwise than all others. Every key is optional."""

    default: Default | None = Field(default=None, description="In the place of archive.default.")
    never: tuple[JidOrDomain, ...] = Field(
        default=(), strict=False, description="Added to archive.never."
    )
    days: Annotated[int | None, _DAYS] = Field(
        default=None, description="In the place of retention.days."
    )
    messages: Annotated[int | None, _MESSAGES] = Field(
        default=None, description="In the place of retention.messages."
    )
    bytes: Annotated[int | None, _BYTES] = Field(
        default=None, description="In the place of retention.bytes."
    )


class Accounts(Section):
    """Where accounts live, and who says whether a password is right."""

    source: Literal["store", "ejabberd"] = Field(
        default="ejabberd",
        description="ejabberd: in ejabberd, which is asked by accounts.api_url or, where that is "
        "not set, by a login at accounts.login_address; where neither is set, nothing is asked "
        "and what needs accounts is refused. store: in the database, for an ejabberd that asks "
        "for them here.",
    )
    password_format: Literal["argon2id", "scram-sha-1", "scram-sha-256", "scram-sha-512"] = Field(
        default="argon2id",
        description="How passwords in the database are kept. Those kept in another format are "
        "understood, and kept anew when their owner logs in.",
    )
    api_url: HttpUrl | None = Field(
        default=None,
        description="Where mod_http_api of ejabberd is, such as http://127.0.0.1:5280/api. "
        "Passwords are sent there: https, or loopback or a private network only.",
    )
    api_user: BareJid | None = Field(
        default=None,
        description="Account of ejabberd that asks there; without one, ejabberd has to let in "
        "whoever asks from this machine.",
    )
    api_password: Secret | None = Field(
        default=None,
        validate_default=True,
        description="Password of accounts.api_user, or file:PATH to read it from a file.",
    )
    login_address: Address | None = Field(
        default=None,
        description="Host name or IP address of ejabberd_c2s. Encrypted, with the certificate of "
        "the virtual host, unless it is a loopback address.",
    )
    login_port: Port = Field(default=5222, description="TCP port of ejabberd_c2s.")

    @field_validator("api_password")
    @classmethod
    def _goes_with_a_user(cls, password: object, info: ValidationInfo) -> object:
        """Refuse half of what is shown to ejabberd."""
        user = info.data.get("api_user", "wrong")
        if user == "wrong" or (user is None) == (password is None):
            return password
        if password is None:
            raise ValueError("required, but missing (there is an accounts.api_user)")
        raise ValueError("of no use without accounts.api_user")

    @property
    def asks_ejabberd(self) -> bool:
        """Whether the accounts are in ejabberd, and it is known how to ask it."""
        is_told = self.api_url is not None or self.login_address is not None
        return self.source == "ejabberd" and is_told


class Rosters(Section):
    """Where users' rosters live, and how they are shown over HTTP."""

    source: Literal["ejabberd", "store"] = Field(
        default="ejabberd",
        description="ejabberd: in ejabberd, which lets them be read and changed by mod_privilege. "
        "store: in the database, for an ejabberd that asks for them over HTTP (Remote Data).",
    )
    details: bool = Field(
        default=False,
        description="Whether groups and open requests are shown in Remote Data as well. Callers "
        "of before 2017 refuse a roster that has them.",
    )


class RemoteData(Section):
    """How ejabberd is answered when it keeps its data here (Remote Data)."""

    count_as_string: bool = Field(
        default=False,
        description="Whether the count of an archive is a string, for the ejabberd of 2016 that "
        "takes no number.",
    )


class Handlers(Section):
    """A Python module of your own that answers in the place of Muniment."""

    module: ModuleName = Field(
        default="",
        description='Its name; "": there is none. It is asked for what it has a function for: '
        "user_authentication, user_exists, retrieve_user_roster, archive_store, archive_get.",
    )
    path: Folder = Field(
        default=".",
        validate_default=True,
        description="Folder where it is looked for if it is not installed. A relative one starts "
        "at the folder of the file.",
    )
    threads: int = Field(
        default=8,
        ge=1,
        le=256,
        description="Most of its functions that are under way at once, async ones left out.",
    )


class Operator(Section):
    """A person or program that may read the archives of others; each use is logged by NAME."""

    role: Literal["reader", "admin"] = Field(
        description="reader: reads, searches, follows and exports archives. admin: also erases, "
        "holds and purges them, looks after accounts, and reads the audit log."
    )
    jid: BareJid | None = Field(default=None, description="Bare JID that it asks under over XMPP.")
    secret: Secret | None = Field(
        default=None,
        validate_default=True,
        description="What it shows over HTTP, or file:PATH to read it from a file. A secret of "
        "its own; required where there is no jid.",
    )

    @field_validator("secret")
    @classmethod
    def _required_without_jid(cls, secret: object, info: ValidationInfo) -> object:
        """Refuse an operator that nobody could ever be."""
        if secret is None and info.data.get("jid", "wrong") is None:
            raise ValueError("required, but missing (and there is no jid)")
        return secret


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
