"""All options, each with its type, range, default and description.

muniment.toml.example and docs/operations.md repeat the descriptions word for word; tests compare
them. The sections [xmpp], [http] and [public_http] are in `config.network`, [push] in
`config.push`, [chat] in `config.chat`, [pages] in `config.pages`, [backfill] in `config.backfill`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from component.config.backfill import Backfill
from component.config.chat import BpoChat, Chat, CondorChat
from component.config.network import Http, PublicHttp, Xmpp
from component.config.pages import Pages
from component.config.push import Push
from component.config.types import (
    POSTGRESQL,
    Address,
    BareJid,
    CommandAccess,
    CommandName,
    Count,
    DataFile,
    Domain,
    DomainOrAll,
    Folder,
    HttpUrl,
    IpAddress,
    JidOrDomain,
    ModuleName,
    Network,
    Port,
    Prefix,
    Secret,
    Section,
    StorageUrl,
)

Default = Literal["always", "never", "roster"]

_DAYS = Field(ge=0, le=36500)
_MESSAGES = Field(ge=0, le=1_000_000_000)
_BYTES = Field(ge=0, le=1_000_000_000_000_000)


class Storage(Section):
    """The database of the archive."""

    url: StorageUrl = Field(
        default="sqlite:/var/lib/muniment/muniment.db",
        validate_default=True,
        description="The database: sqlite:PATH, or postgresql://USER@HOST:PORT/DATABASE; "
        "several HOST:PORT are separated by commas. A relative PATH starts at the folder of the "
        "configuration file; paths below /etc are refused.",
    )
    synchronous: Literal["full", "normal"] = Field(
        default="full",
        description="full: acknowledged messages survive a power cut. normal: faster, but a "
        "power cut (not a crash of the program) may lose the newest messages.",
    )
    password: Secret | None = Field(
        default=None,
        description="PostgreSQL: password of the user, or file:PATH to read it from a file. "
        "Without it, PGPASSFILE and ~/.pgpass apply.",
    )
    spill: DataFile = Field(
        default="/var/lib/muniment/muniment-spill",
        validate_default=True,
        description="PostgreSQL: file for messages that the database does not take before the "
        "program ends. With SQLite, the file is beside the database.",
    )
    connections: Annotated[int, Field(ge=1, le=1000)] = Field(
        default=4,
        description="PostgreSQL: maximum number of connections for short reads. Besides these, "
        "there are one that writes and two for long reads.",
    )
    connect_seconds: Annotated[float, Field(gt=0, le=300)] = Field(
        default=10.0,
        description="PostgreSQL: how long the first connection may take to be made; later ones "
        "may take 4 s.",
    )
    statement_seconds: Annotated[float, Field(gt=0, le=3600)] = Field(
        default=60.0, description="PostgreSQL: how long a statement may take."
    )
    statement_cache: Annotated[int, Field(ge=0, le=10_000)] = Field(
        default=300,
        description="PostgreSQL: maximum number of prepared statements of a connection. 0: none.",
    )
    partitions: Annotated[int, Field(ge=0, le=1024)] = Field(
        default=0,
        description="PostgreSQL: number of partitions by owner of each large table, if Muniment "
        "creates the tables now. 0: none.",
    )

    @property
    def is_postgresql(self) -> bool:
        """Whether the database is PostgreSQL."""
        return self.url.startswith(POSTGRESQL)


class Archive(Section):
    """The messages that are archived, and the pages that queries return."""

    page_default: Count = Field(
        default=50, description="Messages on a page if the client asks for no number."
    )
    page_max: Count = Field(default=250, description="Maximum number of messages on a page.")
    page_max_bytes: Annotated[int, Field(ge=1024, le=1024**3)] = Field(
        default=1024 * 1024,
        description="Maximum bytes of stanzas on a page, over MAM and HTTP. A message that does "
        "not fit starts the next page; one larger than the maximum gets a page of "
        "its own.",
    )
    queue_bytes: int = Field(
        default=8 * 1024 * 1024,
        ge=64 * 1024,
        le=64 * 1024 * 1024 * 1024,
        description="Maximum memory in bytes for messages that are not written yet. When it is "
        "full, ejabberd has to wait; no message is lost. The same amount of disk "
        "space is kept free for them.",
    )
    default: Default = Field(
        default="always",
        description="Archiving default for users without preferences (XEP-0441): always "
        "(everything), never (nothing), roster (messages exchanged with contacts).",
    )
    never: tuple[JidOrDomain, ...] = Field(
        default=(),
        strict=False,
        description="Bare JIDs and domains whose messages, sent or received, are not archived "
        "for any user, whatever the user's preferences.",
    )
    room_services: tuple[Domain, ...] = Field(
        default=(),
        strict=False,
        description="Domains of chat room services (XEP-0045) whose rooms get archives of their "
        "own.",
    )
    groupchat: bool = Field(
        default=True,
        description="Whether messages of chat rooms are archived for their members.",
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
        """Refuse a maximum page size below the default page size."""
        page_default = info.data.get("page_default", page_max)
        if page_max < page_default:
            raise ValueError(f"{page_max} is below archive.page_default ({page_default})")
        return page_max


class Retention(Section):
    """How long messages are kept. The oldest are deleted when any limit is exceeded."""

    days: Annotated[int, _DAYS] = Field(
        default=0, description="Age in days at which messages are deleted. 0: no limit."
    )
    messages: Annotated[int, _MESSAGES] = Field(
        default=0,
        description="Maximum number of messages in an archive; the oldest are deleted. 0: no "
        "limit.",
    )
    bytes: Annotated[int, _BYTES] = Field(
        default=0,
        description="Maximum bytes of stanzas in an archive; the oldest messages are deleted. "
        "0: no limit.",
    )
    sweep_seconds: float = Field(
        default=3600.0,
        ge=1,
        le=604800,
        description="Seconds between two checks of all archives against these limits.",
    )
    batch: Count = Field(
        default=1000,
        description="Maximum number of messages deleted in one transaction. New messages are "
        "written between two of them.",
    )


class Host(Section):
    """Options that differ for one virtual host of xmpp.hosts. All are optional."""

    default: Default | None = Field(default=None, description="Replaces archive.default.")
    never: tuple[JidOrDomain, ...] = Field(
        default=(), strict=False, description="Added to archive.never."
    )
    days: Annotated[int | None, _DAYS] = Field(
        default=None, description="Replaces retention.days."
    )
    messages: Annotated[int | None, _MESSAGES] = Field(
        default=None, description="Replaces retention.messages."
    )
    bytes: Annotated[int | None, _BYTES] = Field(
        default=None, description="Replaces retention.bytes."
    )


class Accounts(Section):
    """Where accounts are kept, and how passwords are checked."""

    source: Literal["store", "ejabberd"] = Field(
        default="ejabberd",
        description="ejabberd: accounts are in ejabberd. Muniment asks it at accounts.api_url "
        "or, without that, by logging in at accounts.login_address; without either, "
        "requests that need accounts are refused. store: accounts are in the "
        "database, for an ejabberd that asks Muniment for them.",
    )
    password_format: Literal["argon2id", "scram-sha-1", "scram-sha-256", "scram-sha-512"] = Field(
        default="argon2id",
        description="Format of passwords in the database. Passwords in another format are "
        "accepted, and converted when their owner logs in.",
    )
    api_url: HttpUrl | None = Field(
        default=None,
        description="URL of mod_http_api of ejabberd, such as http://127.0.0.1:5280/api. "
        "Passwords are sent to it: use https, or loopback or a private network "
        "only.",
    )
    api_user: BareJid | None = Field(
        default=None,
        description="Account of ejabberd that authenticates there. Without it, ejabberd has to "
        "accept requests from this machine.",
    )
    api_password: Secret | None = Field(
        default=None,
        validate_default=True,
        description="Password of accounts.api_user, or file:PATH to read it from a file.",
    )
    login_address: Address | None = Field(
        default=None,
        description="Host name or IP address of ejabberd_c2s. The connection is encrypted, and "
        "the certificate of the virtual host is checked, unless this is a loopback "
        "address.",
    )
    login_port: Port = Field(default=5222, description="TCP port of ejabberd_c2s.")

    @field_validator("api_password")
    @classmethod
    def _goes_with_a_user(cls, password: object, info: ValidationInfo) -> object:
        """Require accounts.api_user and accounts.api_password together."""
        user = info.data.get("api_user", "wrong")
        if user == "wrong" or (user is None) == (password is None):
            return password
        if password is None:
            raise ValueError("required, but missing (accounts.api_user is set)")
        raise ValueError("of no use without accounts.api_user")

    @property
    def asks_ejabberd(self) -> bool:
        """Whether accounts are in ejabberd and an option says how to ask it."""
        has_address = self.api_url is not None or self.login_address is not None
        return self.source == "ejabberd" and has_address


class Tokens(Section):
    """Sign-in of users with tokens, which ejabberd accepts as passwords (auth_method: jwt)."""

    key_file: DataFile | None = Field(
        default=None,
        description="File of the key that signs access tokens (JSON Web Key), such as "
        "/var/lib/muniment-token/key.json; created if it does not exist. Without it "
        "nobody can sign in over HTTP. A relative path starts at the folder of the "
        "configuration file.",
    )
    access_seconds: Annotated[int, Field(ge=60, le=86400)] = Field(
        default=600,
        description="Lifetime of an access token in seconds. ejabberd accepts it for that long, "
        "even if the sign-in is revoked.",
    )
    refresh_days: Annotated[int, Field(ge=1, le=3650)] = Field(
        default=30,
        description="Days without a refresh after which a user has to sign in again.",
    )


class Sessions(Section):
    """Connections to ejabberd in the name of users, by which they send over HTTP."""

    enabled: bool = Field(
        default=True, description="Whether users who have signed in can send messages over HTTP."
    )
    address: Address | None = Field(
        default=None,
        description="Host name or IP address of ejabberd_c2s; without it "
        "accounts.login_address, or else 127.0.0.1. The connection is encrypted as there.",
    )
    port: Port | None = Field(
        default=None, description="TCP port of ejabberd_c2s; without it accounts.login_port."
    )
    max: Count = Field(
        default=500, description="Maximum number of users who have a connection at once."
    )
    idle_seconds: Annotated[float, Field(ge=10, le=86400)] = Field(
        default=600.0,
        description="Seconds without a request that needs it after which a connection is closed.",
    )
    servers: tuple[DomainOrAll, ...] = Field(
        default=(),
        strict=False,
        description="Domains of other XMPP servers whose users may sign in with the password of "
        'their account there; "*": all of them.',
    )
    max_other: Count = Field(
        default=50,
        description="Maximum number of connections to other servers among sessions.max.",
    )
    allowed_networks: tuple[Network, ...] = Field(
        default=(),
        strict=False,
        description="Networks and addresses in which other servers may be although they are not "
        "public.",
    )
    name_servers: tuple[IpAddress, ...] = Field(
        default=(),
        strict=False,
        description="IP addresses of the name servers that are asked for other servers; without "
        "any, those of this machine.",
    )
    name_server_port: Port = Field(default=53, description="Port of sessions.name_servers.")


class Gateway(Section):
    """The REST gateway for programs that were written for REST-XMPP-Client."""

    enabled: bool = Field(
        default=False,
        description="Whether the public listener serves the gateway. It needs tokens.key_file and "
        "sessions.",
    )
    prefix: Prefix = Field(
        default="",
        description='Path prefix of its routes; "" for the paths of REST-XMPP-Client itself.',
    )
    idle_days: Annotated[int, Field(ge=1, le=3650)] = Field(
        default=30, description="Days without a request after which a session expires."
    )
    max_sessions: Count = Field(
        default=10_000, description="Maximum number of sessions of all users together."
    )
    page_max: Annotated[int, Field(ge=1, le=10_000)] = Field(
        default=500,
        description="Maximum number of messages in one answer; programs read on behind them.",
    )
    servers: tuple[Domain, ...] = Field(
        default=(),
        strict=False,
        description="Further names by which programs call the server of xmpp.hosts in server. "
        "They are compared only, and not looked up.",
    )
    offsets: Literal["event_id", "timestamp"] = Field(
        default="event_id",
        description="event_id: offset is the number of an event, as in the source of "
        "REST-XMPP-Client. timestamp: it is a time in seconds, as in its README.",
    )
    changes_by_get: bool = Field(
        default=False,
        description="Whether GET may delete sessions and contacts, and authorize contacts, as "
        "old programs expect. Anything that follows links may then delete them.",
    )
    missing_token_status: Literal[401, 502] = Field(
        default=401,
        description="HTTP status of the answer to a request without a token. Old programs expect "
        "502.",
    )
    unchanged_status: Literal[200, 204, 404] = Field(
        default=200,
        description="HTTP status of a notification that ends without an event.",
    )
    public_status: bool = Field(
        default=False,
        description="Whether everybody may read the number of sessions and the memory in use. "
        "Operators read them on the private listener in any case.",
    )


class Rosters(Section):
    """Where rosters are kept, and how they are shown over HTTP."""

    source: Literal["ejabberd", "store"] = Field(
        default="ejabberd",
        description="ejabberd: rosters are in ejabberd; Muniment reads and changes them through "
        "mod_privilege. store: rosters are in the database, for an ejabberd that "
        "asks for them over HTTP (Remote Data).",
    )
    details: bool = Field(
        default=False,
        description="Whether Remote Data also shows groups and pending subscription requests. "
        "Clients from before 2017 refuse rosters that have them.",
    )


class EjabberdApi(Section):
    """ejabberd's HTTP API on the public listener; its commands run on accounts.api_url."""

    enabled: bool = Field(
        default=False,
        description="Whether accounts of ejabberd can call its commands there.",
    )
    prefix: Prefix = Field(
        default="/api",
        description="Path prefix of the commands. Where it is that of Muniment's own routes, "
        "those go first.",
    )
    admins: tuple[BareJid, ...] = Field(
        default=(),
        strict=False,
        description="Accounts that may call every command, in the name of every account.",
    )
    services: tuple[BareJid, ...] = Field(
        default=(),
        strict=False,
        description="Accounts of programs that may call the commands of the role service, in the "
        "name of every account. All other accounts have the role user and act on their own "
        "account only.",
    )
    access: tuple[CommandAccess, ...] = Field(
        default=(),
        strict=False,
        description="Other roles for commands than those in docs/ejabberd-api.md, such as "
        '"connected_users: admin service". Admins may always call a command.',
    )
    oauth: bool = Field(
        default=False,
        description="Whether OAuth tokens of ejabberd are accepted. ejabberd has to keep them in "
        "Mnesia, which is its default, because Muniment looks them up in its list.",
    )
    passed_on: tuple[CommandName, ...] = Field(
        default=(),
        strict=False,
        description="Further commands of ejabberd that admins may call, which Muniment passes on "
        "without knowing them; * for all.",
    )
    audit_days: Annotated[int, _DAYS] = Field(
        default=90,
        description="Age in days at which calls are deleted from the audit log, except erasures "
        "of archives. 0: never.",
    )


class RemoteData(Section):
    """Answers to an ejabberd that keeps its data in Muniment (Remote Data)."""

    count_as_string: bool = Field(
        default=False,
        description="Whether the count of an archive is sent as a string, for versions of "
        "ejabberd from 2016 that accept no number.",
    )


class Handlers(Section):
    """A Python module of yours whose functions replace parts of Muniment."""

    module: ModuleName = Field(
        default="",
        description='Name of the module; "" for none. Muniment calls those of these functions '
        "that it defines: user_authentication, user_exists, retrieve_user_roster, "
        "archive_store, archive_get.",
    )
    path: Folder = Field(
        default=".",
        validate_default=True,
        description="Folder to import the module from if it is not installed. A relative path "
        "starts at the folder of the configuration file.",
    )
    threads: int = Field(
        default=8,
        ge=1,
        le=256,
        description="Maximum number of functions that run at once; async functions do not count.",
    )


class Operator(Section):
    """A person or program that may read other users' archives; each use is logged by NAME."""

    role: Literal["reader", "admin"] = Field(
        description="reader: may read, search, follow and export archives. admin: may also "
        "erase, hold and purge archives, administer accounts, and read the audit "
        "log."
    )
    jid: BareJid | None = Field(default=None, description="Bare JID of the operator over XMPP.")
    secret: Secret | None = Field(
        default=None,
        validate_default=True,
        description="Secret of the operator over HTTP, or file:PATH to read it from a file. It "
        "has to differ from all other secrets; required without jid.",
    )

    @field_validator("secret")
    @classmethod
    def _required_without_jid(cls, secret: object, info: ValidationInfo) -> object:
        """Refuse an operator that has neither a JID nor a secret."""
        if secret is None and info.data.get("jid", "wrong") is None:
            raise ValueError("required, but missing (and there is no jid)")
        return secret


class Log(Section):
    """The log on standard error."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Lowest severity that is logged."
    )
    format: Literal["text", "json"] = Field(
        default="text",
        description="text: one readable line for each event. json: one JSON object for each "
        "event.",
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
    backfill: Backfill = field(default_factory=Backfill)
    accounts: Accounts = field(default_factory=Accounts)
    tokens: Tokens = field(default_factory=Tokens)
    sessions: Sessions = field(default_factory=Sessions)
    push: Push = field(default_factory=Push)
    chat: Chat = field(default_factory=Chat)
    pages: Pages = field(default_factory=Pages)
    condor_chat: CondorChat = field(default_factory=CondorChat)
    bpo_chat: BpoChat = field(default_factory=BpoChat)
    gateway: Gateway = field(default_factory=Gateway)
    rosters: Rosters = field(default_factory=Rosters)
    ejabberd_api: EjabberdApi = field(default_factory=EjabberdApi)
    remote_data: RemoteData = field(default_factory=RemoteData)
    handlers: Handlers = field(default_factory=Handlers)
    log: Log = field(default_factory=Log)
    hosts: Mapping[str, Host] = field(
        default_factory=dict
    )  #: by virtual host, for hosts with options of their own
    operators: Mapping[str, Operator] = field(default_factory=dict)  #: by name
    #: Sentences about options that are valid but probably not intended.
    warnings: tuple[str, ...] = ()

    def archive_of(self, host: str) -> Archive:
        """Return the archiving options of a virtual host."""
        own = self.hosts.get(host, Host())
        never = (*self.archive.never, *own.never)
        return self.archive.model_copy(
            update={"default": own.default or self.archive.default, "never": never}
        )

    def retention_of(self, host: str) -> Retention:
        """Return the retention options of a virtual host or any other domain."""
        own = self.hosts.get(host, Host())
        limits = own.model_dump(include={"days", "messages", "bytes"}, exclude_none=True)
        return self.retention.model_copy(update=limits)

    def described(self) -> Iterator[str]:
        """Yield a line for each [hosts] and [operators] section, and one about accounts."""
        for name, host in self.hosts.items():
            own = host.model_dump(exclude_unset=True)
            differing = ", ".join(f"{key} = {json.dumps(value)}" for key, value in own.items())
            yield f"host {name}: {differing or 'no differences'}"
        for name, operator in self.operators.items():
            ways = [operator.jid, "a secret" if operator.secret else None]
            yield f"operator {name}: {operator.role}, by {' and '.join(filter(None, ways))}"
        yield from self._accounts_described()

    def _accounts_described(self) -> Iterator[str]:
        if self.accounts.source == "store":
            yield "accounts: in the database of Muniment; accounts of ejabberd are not used"
        elif not self.accounts.asks_ejabberd and not self.handlers.module:
            yield "accounts: in ejabberd, which is not asked (accounts.api_url is not set)"


#: The sections by their names in the file, in its order.
SECTIONS: MappingProxyType[str, type[Section]] = MappingProxyType(
    {
        "xmpp": Xmpp,
        "storage": Storage,
        "archive": Archive,
        "retention": Retention,
        "backfill": Backfill,
        "accounts": Accounts,
        "tokens": Tokens,
        "sessions": Sessions,
        "push": Push,
        "chat": Chat,
        "pages": Pages,
        "condor_chat": CondorChat,
        "bpo_chat": BpoChat,
        "gateway": Gateway,
        "rosters": Rosters,
        "http": Http,
        "public_http": PublicHttp,
        "ejabberd_api": EjabberdApi,
        "remote_data": RemoteData,
        "handlers": Handlers,
        "log": Log,
    }
)

#: The sections that may occur any number of times, each with its own name.
NAMED_SECTIONS: MappingProxyType[str, type[Section]] = MappingProxyType(
    {"hosts": Host, "operators": Operator}
)
