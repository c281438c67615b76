"""Options of ejabberd.yml, as nested mappings and as YAML."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

#: The name of the component's acl in ejabberd.yml, and of the access rules that allow this acl.
NAME = "muniment"

#: The acl and the access rule of the connections for queries, if there are several processes.
QUERIES = f"{NAME}_queries"

NS_MAM = "urn:xmpp:mam:2"
NS_DISCO_INFO = "http://jabber.org/protocol/disco#info"
NS_PUBSUB = "http://jabber.org/protocol/pubsub"

#: A text that needs no quotes in YAML.
_PLAIN = re.compile(r"(?!(?:true|false|yes|no|on|off|null|y|n)$)[a-z_][a-z0-9_.]*")

Options = Mapping[str, Any]


def queries_domain(process: str) -> str:
    """Return the domain of the connection on which one of several processes gets queries."""
    return f"queries.{process}"


def component_domains(component: str, processes: Sequence[str]) -> list[str]:
    """Return the domains of the component: of several processes, two for each."""
    return [*processes, *query_servers(processes)] if processes else [component]


def component_servers(component: str, processes: Sequence[str]) -> str | list[str]:
    """Return the domains of the component as the acl has them: a single one is no list."""
    return component_domains(component, processes) if processes else component


def query_servers(processes: Sequence[str]) -> list[str]:
    """Return the domains of the connections for queries."""
    return [queries_domain(process) for process in processes]


def query_access(processes: Sequence[str]) -> str:
    """Return the access rule of the connections that get queries."""
    return QUERIES if processes else NAME


def for_component(component: str, processes: Sequence[str], modules: Options) -> Options:
    """Return modules with the acl and the access rule that name the component.

    `processes` are the domains of several processes, which have domains for queries too.
    """
    return {
        "acl": {NAME: {"server": component_servers(component, processes)}},
        "access_rules": {NAME: {"allow": NAME}},
        "modules": modules,
    }


def for_queries(component: str, processes: Sequence[str], namespace: str) -> Options:
    """Return the options that delegate a namespace to the connections for queries."""
    access = query_access(processes)
    modules = {"mod_delegation": {"namespaces": {namespace: {"access": access}}}}
    options = for_component(component, processes, modules)
    if not processes:
        return options
    return {
        "acl": {**options["acl"], QUERIES: {"server": query_servers(processes)}},
        "access_rules": {**options["access_rules"], QUERIES: {"allow": QUERIES}},
        "modules": options["modules"],
    }


def as_yaml(options: Options) -> str:
    """Return options as lines of YAML."""
    return "\n".join(lines(options, 0))


def in_one_line(options: Options) -> str:
    """Return options as YAML on one line."""
    return ", ".join(f"{_scalar(key)}: {_flow(value)}" for key, value in options.items())


def lines(value: Any, depth: int) -> Iterator[str]:
    """Yield a list or a mapping as lines of YAML; `depth` is the number of its parents."""
    margin = "  " * depth
    items = value.items() if isinstance(value, Mapping) else ((None, item) for item in value)
    for key, item in items:
        start = f"{margin}-" if key is None else f"{margin}{_scalar(key)}:"
        if isinstance(item, Mapping | list) and item:
            yield start
            yield from lines(item, depth + 1)
        else:
            yield f"{start} {_scalar(item)}"


def _flow(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + in_one_line(value) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flow, value)) + "]"
    return _scalar(value)


def _scalar(value: object) -> str:
    if isinstance(value, str) and _PLAIN.fullmatch(value):
        return value
    # A string, number or boolean of JSON is one of YAML.
    return json.dumps(value, ensure_ascii=False)
