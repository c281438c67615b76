"""The base of all sections, and types of option values: domains, networks, secrets, paths.

The error text of each check is for the administrator, and describes a valid value.
"""

from __future__ import annotations

import re
import stat
from contextlib import suppress
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Annotated
from urllib.parse import parse_qs, urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationInfo,
)

from component.core.ejabberd_api.catalogue import BY_NAME
from component.core.ejabberd_api.definitions import ApiRole
from component.core.sessions.servers import ALL
from component.core.unix_sockets import UNIX
from component.core.wording import did_you_mean, shown, type_name

FILE = "file:"
SQLITE = "sqlite:"
POSTGRESQL = "postgresql://"
MEMORY = f"{SQLITE}:memory:"
#: The folder of configuration files, which holds no data (FHS 3.7).
CONFIGURATIONS = Path("/etc")
#: Prefix of the secrets in our examples. They are public, so they are refused.
PLACEHOLDER = "change-me"
#: A secret is one line; a larger file cannot be the intended one.
MAX_SECRET_BYTES = 4096

_LABEL = re.compile(r"[^\W_](?:[\w-]{0,61}[^\W_])?")
_LOCAL = re.compile(r"[^\s\"&'/:<>@]+")
_HOST_NAME = re.compile(r"[\w.-]+")
# Not only web pages have origins: those of apps have schemes such as capacitor.
_ORIGIN = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*)://(?:[a-z0-9_-]+(?:\.[a-z0-9_-]+)*|\[[0-9a-f:.]+\])"
    r"(?::(?P<port>[1-9][0-9]{0,4}))?"
)
_CONTACT = re.compile(r"mailto:[^@\s]+@[\w.-]+|https://[\w-]+(?:\.[\w-]+)+[!-~]*")
_DEFAULT_PORTS = {"http": "80", "https": "443"}
_COMMAND = re.compile(r"[a-z][a-z0-9_]*")
_PREFIX = re.compile(r"(?:/[A-Za-z0-9._~-]+)*")


class Section(BaseModel):
    """One table of the file. Unknown keys and wrong types are refused; values never change."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, allow_inf_nan=False, hide_input_in_errors=True
    )


@dataclass(frozen=True, slots=True)
class LoadContext:
    """The folder and the environment of the checked values, and the warnings about them."""

    folder: Path
    #: Keys set by variables: their relative paths start at the working directory.
    overridden: frozenset[str] = frozenset()
    warnings: list[str] = field(default_factory=list)

    def base(self, key: str | None) -> Path:
        """Return the folder at which a relative path of this key starts."""
        return Path() if key in self.overridden else self.folder


def _context(info: ValidationInfo) -> LoadContext:
    return info.context if isinstance(info.context, LoadContext) else LoadContext(Path())


def _domain(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"expected a domain, given {shown(value)}")
    if value != value.lower():
        raise ValueError(f"expected a domain in lower case, given {shown(value)}")
    labels = value.split(".")
    if len(value.encode(errors="replace")) > 1023 or not all(map(_LABEL.fullmatch, labels)):
        raise ValueError(f"expected a domain, such as chat.example, given {shown(value)}")
    return value


def _domain_or_all(value: object) -> str:
    return ALL if value == ALL else _domain(value)


def _ip_address(value: object) -> str:
    if isinstance(value, str) and _is_ip(value):
        return value
    raise ValueError(f"expected an IP address, given {shown(value)}")


def _bare_jid(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"expected a bare JID, given {shown(value)}")
    if value != value.lower():
        raise ValueError(f"expected a bare JID in lower case, given {shown(value)}")
    local, _, domain = value.rpartition("@")
    try:
        _domain(domain)
    except ValueError:
        local = ""
    if len(local.encode(errors="replace")) > 1023 or not _LOCAL.fullmatch(local):
        raise ValueError(f"expected a bare JID, such as ann@chat.example, given {shown(value)}")
    return value


def _jid_or_domain(value: object) -> str:
    return _bare_jid(value) if isinstance(value, str) and "@" in value else _domain(value)


def _address(value: object) -> str:
    if isinstance(value, str) and (_HOST_NAME.fullmatch(value) or _is_ip(value)):
        return value
    raise ValueError(f"expected a host name or an IP address, given {shown(value)}")


def _is_ip(value: str) -> bool:
    with suppress(ValueError):
        return ip_address(value) is not None
    return False


def _listening_address(value: object, info: ValidationInfo) -> str:
    if isinstance(value, str) and value.startswith(UNIX) and value != UNIX:
        path = _context(info).base(info.field_name) / value.removeprefix(UNIX)
        return f"{UNIX}{path}"
    return _address(value)


def _network(value: object) -> IPv4Network | IPv6Network:
    if isinstance(value, IPv4Network | IPv6Network):
        return value
    if not isinstance(value, str):
        raise ValueError(f"expected a network, given {shown(value)}")
    try:
        return ip_network(value)
    except ValueError as error:
        message = "expected a network, such as 192.0.2.0/24"
        raise ValueError(f"{message}, given {shown(value)}") from error


def _origin(value: object) -> str:
    """Return an origin in the form in which browsers send it (RFC 6454 section 6.2)."""
    match = _ORIGIN.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError(
            "expected an origin as browsers send it, such as https://chat.example or "
            "http://localhost:3000, in lower case and without a path, given "
            f"{shown(value)}"
        )
    if match["port"] is not None and match["port"] == _DEFAULT_PORTS.get(match["scheme"]):
        raise ValueError(f"browsers leave out the default port, given {shown(value)}")
    return match[0]


def _prefix(value: object) -> str:
    if not isinstance(value, str) or not _PREFIX.fullmatch(value):
        raise ValueError(f"expected a path such as /api, or an empty string, given {shown(value)}")
    return value


def _time_zone(value: object) -> str:
    try:
        if isinstance(value, str):
            return ZoneInfo(value).key
    except (ZoneInfoNotFoundError, ValueError, OSError):
        pass
    raise ValueError(
        f"expected a time zone that this machine knows, such as UTC or America/Bogota (tzdata has "
        f"them), given {shown(value)}"
    )


def _http_url(value: object) -> str:
    """Return a valid URL. Errors never quote it, because it may contain a password."""
    try:
        url = urlsplit(value) if isinstance(value, str) else None
        is_right = url is not None and url.scheme in ("http", "https") and url.port != 0
    except ValueError:
        url, is_right = None, False
    if url is None or not is_right or not url.hostname:
        raise ValueError("expected a URL, such as http://127.0.0.1:5280/api")
    if "@" in url.netloc or url.query or url.fragment:
        raise ValueError("expected a URL with host, port and path only")
    return url.geturl().rstrip("/")


def _contact(value: object) -> str:
    """Return a contact as push services take it (RFC 8292 section 2.1)."""
    if isinstance(value, str) and _CONTACT.fullmatch(value):
        return value
    raise ValueError(
        "expected mailto:ADDRESS or an https URL, such as mailto:ann@chat.example, given "
        f"{shown(value)}"
    )


def _module_name(value: object) -> str:
    if isinstance(value, str) and (not value or all(map(str.isidentifier, value.split(".")))):
        return value
    raise ValueError(f"expected the name of a Python module, given {shown(value)}")


def _folder(value: object, info: ValidationInfo) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError(f"expected a folder, given {shown(value)}")
    return str((_context(info).base(info.field_name) / value).absolute())


def _data_file(value: object, info: ValidationInfo) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError(f"expected the path of a file, given {shown(value)}")
    path = _context(info).base(info.field_name) / value
    if path.resolve().is_relative_to(CONFIGURATIONS):
        raise ValueError(
            f"expected a path outside {CONFIGURATIONS} (a relative path starts at the folder of "
            "the configuration file), because Muniment creates the file"
        )
    return str(path.absolute())


def _storage_url(value: object, info: ValidationInfo) -> str:
    """Return a valid URL with an absolute path. Errors never quote the value."""
    if isinstance(value, str) and value.startswith(POSTGRESQL):
        return _postgresql_url(value)
    if not isinstance(value, str) or not value.startswith(SQLITE) or value == SQLITE:
        raise ValueError(
            "expected sqlite:PATH or postgresql://USER@HOST/DATABASE, given something else"
        )
    path = value.removeprefix(SQLITE)
    if path.startswith("//"):
        raise ValueError("expected sqlite:PATH, without // before the path")
    if value == MEMORY:
        return value
    location = _context(info).base(info.field_name) / path
    if location.resolve().is_relative_to(CONFIGURATIONS):
        raise ValueError(
            f"expected a path outside {CONFIGURATIONS} (a relative path starts at the folder of "
            "the configuration file), such as sqlite:/var/lib/muniment/muniment.db"
        )
    return f"{SQLITE}{location}"


def _postgresql_url(url: str) -> str:
    """Return a valid URL of PostgreSQL. Errors never quote the value."""
    expected = "expected postgresql://USER@HOST:PORT/DATABASE, given something else"
    try:
        parts = urlsplit(url)
    except ValueError:
        raise ValueError(expected) from None
    user, _, hosts = parts.netloc.rpartition("@")
    if ":" in user or "password" in parse_qs(parts.query):
        raise ValueError(
            "expected a URL without a password: write the password into storage.password or a "
            "file that it names"
        )
    if not hosts or len(parts.path) < 2 or parts.fragment:
        raise ValueError(expected)
    return url


def _database_url(value: object, info: ValidationInfo) -> str:
    """Return a valid URL of a database of another program. Errors never quote the value."""
    expected = (
        "expected sqlite:PATH, postgresql://USER@HOST/DATABASE or mysql://USER@HOST/DATABASE, "
        "given something else"
    )
    if not isinstance(value, str):
        raise ValueError(expected)
    if value.startswith(SQLITE):
        path = value.removeprefix(SQLITE)
        if not path or path.startswith(("//", ":")):
            raise ValueError(expected)
        return f"{SQLITE}{_context(info).base(info.field_name) / path}"
    try:
        parts = urlsplit(value)
        user, _, host = parts.netloc.rpartition("@")
    except ValueError:
        raise ValueError(expected) from None
    if ":" in user or "password" in parse_qs(parts.query):
        raise ValueError("expected a URL without a password: write it into the option password")
    is_right = parts.scheme in ("postgresql", "mysql") and host and len(parts.path) > 1
    if not is_right or parts.fragment:
        raise ValueError(expected)
    return value


def _secret(value: object, info: ValidationInfo) -> object:
    """Return a secret, read from its file if `value` is file:PATH. Errors never quote it."""
    if isinstance(value, SecretStr) or value is None:
        return value
    if not isinstance(value, str):
        raise ValueError(f"expected a string, given {type_name(value)}")
    if value.startswith(FILE):
        value = _secret_file(value.removeprefix(FILE), info)
    if not value:
        raise ValueError("expected a secret, given an empty string")
    if value.lower().startswith(PLACEHOLDER):
        raise ValueError(
            f"expected a secret of your own, given the one of an example ({PLACEHOLDER}): create "
            "one, such as with head -c 24 /dev/urandom | base64"
        )
    if value != value.strip():
        # Usually a second line end in the file. An HTTP header cannot carry it.
        raise ValueError("expected a secret without whitespace at its beginning and end")
    return value


def _secret_file(name: str, info: ValidationInfo) -> str:
    if not name:
        raise ValueError("expected file:PATH, given no path")
    context = _context(info)
    path = context.base(info.field_name) / name
    try:
        with path.open("rb") as file:
            content = file.read(MAX_SECRET_BYTES + 1)
        text = content.decode()
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError:
        # The cause is hidden: it contains the bytes of the secret.
        raise ValueError(f"{path} is not text in UTF-8") from None
    if len(content) > MAX_SECRET_BYTES:
        raise ValueError(f"{path} is larger than {MAX_SECRET_BYTES} bytes")
    secret = text.removesuffix("\n").removesuffix("\r")
    if not secret:
        raise ValueError(f"{path} is empty")
    if readable_by_all(path):
        context.warnings.append(
            f"{path} contains a secret and every user can read it: chmod o= {path}"
        )
    return secret


def _command_name(value: object) -> str:
    if isinstance(value, str) and (value == "*" or _COMMAND.fullmatch(value)):
        return value
    raise ValueError(f"expected the name of a command of ejabberd, or *, given {shown(value)}")


def _command_access(value: object) -> str:
    """Return the access of a command: its name, a colon, and roles between blanks."""
    name, colon, roles = value.partition(":") if isinstance(value, str) else ("", "", "")
    if not colon or not roles.strip():
        raise ValueError(
            'expected a command and roles, such as "connected_users: admin service", given '
            f"{shown(value)}"
        )
    if name.strip() not in BY_NAME:
        raise ValueError(f"there is no command {name.strip()}{did_you_mean(name, BY_NAME)}")
    for role in roles.split():
        if role not in list(ApiRole):
            raise ValueError(f"expected the roles {', '.join(ApiRole)}, given {shown(role)}")
    return f"{name.strip()}: {' '.join(roles.split())}"


def _at_least_one(values: tuple[object, ...]) -> tuple[object, ...]:
    if not values:
        raise ValueError("expected at least one, given an empty list")
    return values


def readable_by_all(path: Path) -> bool:
    """Return whether every user of this machine may read a file."""
    return bool(path.stat().st_mode & stat.S_IROTH)


Domain = Annotated[str, BeforeValidator(_domain)]
DomainOrAll = Annotated[str, BeforeValidator(_domain_or_all)]
IpAddress = Annotated[str, BeforeValidator(_ip_address)]
BareJid = Annotated[str, BeforeValidator(_bare_jid)]
JidOrDomain = Annotated[str, BeforeValidator(_jid_or_domain)]
Address = Annotated[str, BeforeValidator(_address)]
ListeningAddress = Annotated[str, BeforeValidator(_listening_address)]
Network = Annotated[IPv4Network | IPv6Network, BeforeValidator(_network)]
Prefix = Annotated[str, BeforeValidator(_prefix)]
TimeZone = Annotated[str, BeforeValidator(_time_zone)]
Origin = Annotated[str, BeforeValidator(_origin)]
HttpUrl = Annotated[str, BeforeValidator(_http_url)]
Contact = Annotated[str, BeforeValidator(_contact)]
ModuleName = Annotated[str, BeforeValidator(_module_name)]
DataFile = Annotated[str, BeforeValidator(_data_file)]
Folder = Annotated[str, BeforeValidator(_folder)]
StorageUrl = Annotated[str, BeforeValidator(_storage_url)]
DatabaseUrl = Annotated[str, BeforeValidator(_database_url)]
CommandName = Annotated[str, BeforeValidator(_command_name)]
CommandAccess = Annotated[str, BeforeValidator(_command_access)]
Secret = Annotated[SecretStr, BeforeValidator(_secret)]

AtLeastOne = AfterValidator(_at_least_one)
Port = Annotated[int, Field(ge=1, le=65535)]
Count = Annotated[int, Field(ge=1, le=1000000)]
Seconds = Annotated[float, Field(ge=0.1, le=3600)]
