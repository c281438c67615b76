"""Which options a running program takes from a changed configuration.

All others are for the next start: a part of the program was made with their values.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from component.config.sections import NAMED_SECTIONS, SECTIONS, Config
from component.config.types import Section

_LIMITS = frozenset({"days", "messages", "bytes"})

_CONNECTIONS = frozenset(
    {
        "header_timeout_seconds",
        "body_timeout_seconds",
        "keepalive_timeout_seconds",
        "max_connections",
        "max_connections_per_address",
    }
)

#: The options that take effect without a restart, by section.
RELOADED: MappingProxyType[str, frozenset[str]] = MappingProxyType(
    {
        "xmpp": frozenset(
            {
                "ping_interval_seconds",
                "ping_timeout_seconds",
                "reconnect_max_seconds",
                "drain_seconds",
                "ignored_checks",
            }
        ),
        "archive": frozenset({"default", "never"}),
        "retention": _LIMITS,
        "tokens": frozenset({"access_seconds", "refresh_days"}),
        "rosters": frozenset({"details"}),
        "http": _CONNECTIONS
        | {"authentication", "secret", "allow_from", "hosts", "stream_heartbeat_seconds"},
        "public_http": _CONNECTIONS | {"trusted_proxies", "poll_seconds"},
        "remote_data": frozenset({"count_as_string"}),
        "log": frozenset({"level", "format"}),
        "hosts": frozenset({"default", "never"}) | _LIMITS,
        "operators": frozenset({"role", "jid", "secret"}),
    }
)


@dataclass(frozen=True, slots=True)
class Reloaded:
    """What becomes of a changed configuration in the running program."""

    config: Config  #: that the program has from now on
    effective: tuple[str, ...]  #: names of the changed options that take effect
    waiting: tuple[str, ...]  #: names of those that a restart is needed for


def reloaded(running: Config, new: Config) -> Reloaded:
    """Return the running configuration with the options of the new one that can be reloaded."""
    effective: list[str] = []
    waiting: list[str] = []
    # A virtual host that is new waits for a restart, with its options.
    served = {name: host for name, host in new.hosts.items() if name in running.xmpp.hosts}
    for option in _changed(running, replace(new, hosts=served)):
        (effective if _is_reloaded(option) else waiting).append(option)
    for option in _changed(replace(running, hosts=served), new):
        if option.startswith("hosts."):
            waiting.append(option)
    sections = {
        name: getattr(running, name).model_copy(
            update={key: getattr(getattr(new, name), key) for key in RELOADED[name]}
        )
        for name in SECTIONS
        if name in RELOADED
    }
    config = replace(
        running, **sections, hosts=served, operators=new.operators, warnings=new.warnings
    )
    return Reloaded(config, tuple(effective), tuple(waiting))


def _is_reloaded(option: str) -> bool:
    # The name of a host has dots.
    section, key = option.partition(".")[0], option.rpartition(".")[2]
    return key in RELOADED.get(section, ())


def _changed(running: Config, new: Config) -> Iterator[str]:
    """Yield the name of each option that differs, in the order of the file."""
    for name in SECTIONS:
        for key in _differences(getattr(running, name), getattr(new, name)):
            yield f"{name}.{key}"
    for section in NAMED_SECTIONS:
        old: Mapping[str, Section] = getattr(running, section)
        now: Mapping[str, Section] = getattr(new, section)
        for name in sorted({*old, *now}):
            for key in _differences(old.get(name), now.get(name)):
                yield f"{section}.{name}.{key}"


def _differences(old: Section | None, new: Section | None) -> Iterator[str]:
    """Yield the options that differ; a section that is missing has the defaults."""
    present = new if old is None else old
    if present is None:
        return
    for key, field in type(present).model_fields.items():
        if getattr(old, key, field.default) != getattr(new, key, field.default):
            yield key
