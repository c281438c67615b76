"""The examples in the pages about HTTP are what the program takes and answers.

They may leave out keys of what lies in them, such as those of a message in a list.
"""

from __future__ import annotations

import json
import re
import shlex
from argparse import ArgumentParser
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from string import Template
from typing import Any, get_args
from urllib.parse import parse_qsl, urlsplit

import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError
from support.chat import with_chat_for
from support.ejabberd_api import with_ejabberd_api
from support.families import FAMILIES
from support.gateway import with_gateway_for
from support.sign_in import BOTH, with_sign_in

from component.web.drf.settings import BpoChatSettings, CondorChatSettings
from component.web.openapi.routes import Route, declared_routes
from component.web.server.operation import Content
from component.web.server.settings import Services

DOCS = Path(__file__).parents[3] / "docs"

#: Pages of which each example in JSON belongs to an API.
PAGES = (
    *("http-api", "chat", "events", "sign-in", "gateway", "ejabberd-api", "remote-data"),
    *("condor-chat", "bpo-chat", "sending", "push"),
)

#: What is sent to others, and not an answer: tests of pushes compare it.
PUSHED = "## What each content reveals"

_PART = re.compile(r"^(#+ [^\n]*)$|^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Example:
    """A block of a page, and the headings above it that have no block before it."""

    where: str
    headings: tuple[str, ...]
    language: str
    text: str


def examples(*pages: str) -> Iterator[Example]:
    for page in pages:
        text, headings, is_used = (DOCS / f"{page}.md").read_text(), [""], True
        previous_end = 0
        for match in _PART.finditer(text):
            if match[1]:
                # Headings of one section follow each other without a text.
                between = text[previous_end : match.start()].strip()
                headings = [match[1]] if between or is_used else [*headings, match[1]]
                is_used, previous_end = False, match.end()
            else:
                line = text.count("\n", 0, match.start()) + 1
                yield Example(f"{page}.md:{line}", tuple(headings), match[2], match[3])
                is_used = True


@pytest.fixture
def routes(services: Services) -> list[Route]:
    """Every route of every API."""
    every = with_gateway_for(with_ejabberd_api(with_chat_for(with_sign_in(services))))
    settings = replace(BOTH, condor_chat=CondorChatSettings(), bpo_chat=BpoChatSettings())
    apps = [(family, family.app(settings, every)) for family in FAMILIES if family.is_api]
    return declared_routes(apps)


def types_of(route: Route) -> list[Any]:
    """Return the types of the JSON of a route."""
    operation = route.operation
    found = [operation.body, route.family.error_body]
    for answer in operation.answers.values():
        found += answer if isinstance(answer, tuple) else [answer]
    return [type_ for type_ in found if type_ is not None and not isinstance(type_, Content)]


def models_in(type_: Any, known: set[type[BaseModel]]) -> set[type[BaseModel]]:
    """Add the models in a type that accept no other key, and those that they extend."""
    if isinstance(type_, type) and issubclass(type_, BaseModel):
        if type_ not in known and type_ is not BaseModel:
            if type_.model_config.get("extra") == "forbid" and type_.model_fields:
                known.add(type_)
            for part in (*type_.__bases__, *(f.annotation for f in type_.model_fields.values())):
                models_in(part, known)
    else:
        for part in get_args(type_):
            models_in(part, known)
    return known


def faults(type_: Any, value: Any, *, is_part: bool = False) -> list[str]:
    """Return where a value differs from a type; with `is_part` keys may be missing everywhere."""
    try:
        TypeAdapter(type_).validate_json(json.dumps(value))
    except ValidationError as error:
        return [
            f"{'.'.join(map(str, item['loc']))}: {item['msg']}"
            for item in error.errors()
            if item["type"] != "missing" or not (is_part or len(item["loc"]) > 1)
        ]
    return []


def values_of(text: str) -> list[Any]:
    """Return the value of an example, or the value of each line. Raises ValueError."""
    try:
        return [json.loads(text)]
    except ValueError:
        return [json.loads(line) for line in text.splitlines()]


def routes_of(example: Example, routes: Sequence[Route]) -> list[Route]:
    """Return the routes that the headings of an example name."""
    named = {
        match.groups()
        for heading in example.headings
        if (match := re.fullmatch(r"#+ `([A-Z]+) (\S+)`", heading))
    }
    return [route for route in routes if (route.method, route.path) in named]


def differences(example: Example, routes: Sequence[Route]) -> list[str]:
    """Return why an example in JSON belongs to no route, or to none of its headings."""
    own = routes_of(example, routes)
    whole = [type_ for route in own for type_ in types_of(route)]
    parts: set[type[BaseModel]] = set()
    # The document does not know the lines of a file.
    has_lines = any("Content(" in repr(route.operation.answers) for route in own)
    for route in routes if has_lines or not own else own:
        for type_ in types_of(route):
            models_in(type_, parts)
    inner = parts - {type_ for type_ in whole if isinstance(type_, type)}
    found = []
    for value in values_of(example.text):
        tried = [
            *(faults(type_, value) for type_ in whole),
            *(faults(type_, value, is_part=True) for type_ in inner),
        ]
        if all(tried):
            found.append(f"{example.where}: {min(tried, key=len)}")
    return found


async def test_examples_in_json_are_declared(routes: list[Route]) -> None:
    checked = [
        example
        for example in examples(*PAGES)
        if example.language == "json" and PUSHED not in example.headings
    ]

    found = [fault for example in checked for fault in differences(example, routes)]

    assert len(checked) > 50
    assert found == []


def curl_calls(text: str, variables: dict[str, str]) -> Iterator[tuple[str, str, str | None]]:
    """Yield method, address and body of the calls of curl in a script.

    `variables` are those that earlier scripts of the page have set; this one adds its own. The
    body is None if it is not in the script.
    """
    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("-X", default=None)
    parser.add_argument("-d", default=None)
    for option in ("-H", "-u", "-w", "--header"):
        parser.add_argument(option, action="append")
    parser.add_argument("address")
    for line in text.replace("\\\n", " ").splitlines():
        words = shlex.split(line)
        if len(words) == 1 and (assigned := re.fullmatch(r"(\w+)=(.*)", words[0])):
            variables[assigned[1]] = assigned[2]
        elif words[:1] == ["curl"]:
            arguments, _ = parser.parse_known_args(words[1:])
            body = None if (arguments.d or "@").startswith("@") else arguments.d
            address = Template(arguments.address).safe_substitute(variables)
            yield arguments.X or ("POST" if arguments.d else "GET"), address, body


def route_of(method: str, path: str, routes: Sequence[Route]) -> Route:
    """Return the route of a request, the one with the fewest variables. Raises LookupError."""
    fitting = [
        route
        for route in routes
        if route.method == method and re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", route.path), path)
    ]
    if not fitting:
        raise LookupError(f"{method} {path}")
    return min(fitting, key=lambda route: len(route.variables))


async def test_examples_of_curl_name_routes_parameters_and_fields(routes: list[Route]) -> None:
    calls = []
    for page in sorted(DOCS.glob("*.md")):
        variables: dict[str, str] = {}
        for example in examples(page.stem):
            if example.language == "sh":
                script = curl_calls(example.text, variables)
                calls += [(example.where, *call) for call in script]

    found = []
    for where, method, address, body in calls:
        parts = urlsplit(address)
        operation = route_of(method, parts.path, routes).operation
        query = {} if operation.query is None else operation.query.model_json_schema()
        unknown = {name for name, _ in parse_qsl(parts.query)} - query.get("properties", {}).keys()
        wrong = [] if body is None else faults(operation.body, json.loads(body))
        found += [f"{where}: {fault}" for fault in (*unknown, *wrong)]

    assert len(calls) >= 4
    assert found == []
