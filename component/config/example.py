"""The text of muniment.toml: all options with their descriptions, defaults and samples.

`make generated` writes muniment.toml.example from it, and `muniment init` a first muniment.toml.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from pydantic.fields import FieldInfo

from component.config.sections import NAMED_SECTIONS, SECTIONS
from component.config.types import Section

#: The longest line in characters.
WIDTH = 98

#: What each file says about itself. Each text is a paragraph.
INTRODUCTION = (
    "Options without # are required; lines that begin with # show the other options with their "
    "defaults. ejabberd.yml.example has the configuration of ejabberd; docs/operations.md "
    "explains both.",
    "",
    'Variables override all options except those of [hosts."NAME"] and [operators.NAME]: '
    "MUNIMENT_HTTP__PORT overrides http.port. In a variable, commas separate the elements of a "
    "list. A secret may be file:PATH, here and in variables.",
)

#: Above the options of muniment.toml.example.
EXAMPLE_HEADER = (
    "muniment.toml.example: all options.",
    "",
    *INTRODUCTION,
)

#: The values of options that have to be set, by their full names.
REQUIRED: Mapping[str, object] = MappingProxyType(
    {
        "xmpp.jid": "muniment.example",
        "xmpp.hosts": ["chat.example", "team.example"],
        "xmpp.secret": "file:xmpp-secret",
        "http.secret": "file:http-secret",
    }
)

#: Values of options without a default, and of named sections, by their full names.
_SAMPLES: Mapping[str, object] = MappingProxyType(
    {
        "storage.password": "file:postgres-password",
        "backfill.url": "postgresql://muniment@127.0.0.1/ejabberd",
        "backfill.password": "file:ejabberd-database-password",
        "accounts.api_url": "http://127.0.0.1:5280/api",
        "accounts.api_user": "admin@chat.example",
        "accounts.api_password": "file:api-password",
        "accounts.login_address": "127.0.0.1",
        "tokens.key_file": "token-key.json",
        "sessions.address": "127.0.0.1",
        "sessions.port": 5222,
        "push.key_file": "/var/lib/muniment/push-key.pem",
        "push.contact": "mailto:operator@chat.example",
        "chat.room_service": "conference.chat.example",
        "condor_chat.host": "chat.example",
        "bpo_chat.host": "chat.example",
        "hosts.default": "roster",
        "hosts.never": ["alarms@team.example"],
        "hosts.days": 365,
        "hosts.messages": 100000,
        "hosts.bytes": 500000000,
        "operators.role": "reader",
        "operators.jid": "auditor@chat.example",
        "operators.secret": "file:auditor-secret",
    }
)

#: The titles under which the named sections are shown.
_TITLES = MappingProxyType({"hosts": 'hosts."team.example"', "operators": "operators.auditor"})


def text(header: Sequence[str], values: Mapping[str, object]) -> str:
    """Return a file that sets `values`, by full names, and shows all other options behind #."""
    lines = [line for paragraph in header for line in _comment(paragraph)]
    for name, model in SECTIONS.items():
        lines += ["", *_comment(model.__doc__ or ""), f"[{name}]"]
        lines += _options(name, model, values)
    for name, model in NAMED_SECTIONS.items():
        lines += ["", *_comment(model.__doc__ or ""), f"#[{_TITLES[name]}]"]
        lines += _options(name, model, {})
    return "\n".join(lines) + "\n"


def example() -> str:
    """Return muniment.toml.example."""
    return text(EXAMPLE_HEADER, REQUIRED)


def _options(section: str, model: type[Section], values: Mapping[str, object]) -> Iterator[str]:
    for key, field in model.model_fields.items():
        option = f"{section}.{key}"
        yield ""
        yield from _comment(field.description or "")
        if option in values:
            yield f"{key} = {_toml(values[option])}"
        else:
            yield f"#{key} = {_toml(_shown(option, field))}"


def _shown(option: str, field: FieldInfo) -> Any:
    """Return the default of an option, or a sample if it has none."""
    if option in _SAMPLES:
        return _SAMPLES[option]
    return REQUIRED[option] if field.is_required() or field.default is None else field.default


def _toml(value: Any) -> str:
    # JSON's strings, numbers, booleans and lists are TOML's too.
    if isinstance(value, tuple | list):
        value = [item if isinstance(item, int | float) else str(item) for item in value]
    return json.dumps(value, ensure_ascii=False)


def _comment(paragraph: str) -> list[str]:
    lines = textwrap.wrap(
        paragraph,
        WIDTH,
        initial_indent="# ",
        subsequent_indent="# ",
        break_long_words=False,
        break_on_hyphens=False,
    )
    return lines or ["#"]
