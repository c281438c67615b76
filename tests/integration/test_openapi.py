"""Schemathesis calls what the documents of both listeners describe, beside a real ejabberd.

It makes requests from the documents alone: such as they allow, and others. Only the names of
accounts, rooms and archives are given, because nothing can guess them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from requests import Session
from schemathesis import Case, GenerationMode, openapi
from schemathesis.core.failures import FailureGroup
from schemathesis.core.transport import Response
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from support.ejabberd import Account
from support.ejabberd_api_server import ApiServer, api_server, basic
from support.releases import Release

# The answers are those of Muniment; test_ejabberd_api_versions.py has all releases.
pytestmark = pytest.mark.newest_ejabberd

#: Every API is served.
OPTIONS = {
    "archive": {"room_services": ["conference.one.test"]},
    "bpo_chat": {"enabled": True},
    "chat": {"sign_up": True},
    "condor_chat": {"enabled": True},
    "gateway": {"enabled": True, "changes_by_get": True},
}

#: Live streams have no end, and the doctor takes the connection to ejabberd.
EXCLUDED = r"\.(follow|socket)$|^admin\.doctor"

#: They take away what others need, and come at the end.
ENDINGS = (
    *("auth.tokens.revoke", "auth.tokens.revoke_all", "gateway.sessions.end"),
    *("gateway.sessions.end.get", "condor_chat.users.remove", "ejabberd_api.change_password"),
    *("ejabberd_api.unregister", "admin.archives.erase", "admin.accounts.remove"),
)

#: The same handlers at other paths, or by other methods: one wrong request is enough for all.
TWIN = re.compile(r"\.(get|host|patch|uri)$")

SECONDS = 30.0

Names = Mapping[str, Any]


@dataclass(frozen=True)
class Target:
    """A listener, the credentials for its schemes, and names that exist."""

    url: str
    headers: Mapping[str, Mapping[str, str]]  #: by the name of a scheme
    names: Names
    ids: Mapping[str, Names]  #: further names, by tag

    def names_for(self, operation: APIOperation) -> Names:
        """Return what is to replace parameters and fields of requests, by their names."""
        [tag] = operation.tags or [""]
        return {**self.names, **self.ids.get(tag, {})}

    def headers_for(self, operation: APIOperation) -> Mapping[str, str]:
        """Return the credentials for an operation."""
        for requirement in operation.definition.raw["security"]:
            for scheme in requirement:
                if scheme in self.headers:
                    return self.headers[scheme]
        return {}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, release: Release) -> Iterator[ApiServer]:
    with api_server(tmp_path_factory.mktemp("openapi"), release, OPTIONS) as running:
        yield running


def posted(http: Session, url: str, headers: Names | None = None, **fields: Any) -> Any:
    """Return the JSON of the answer to a POST."""
    response = http.post(url, json=fields, headers=headers)
    assert response.ok, response.text
    return response.json() if response.content else None


def stored(http: Session, running: ApiServer, owner: Account, peer: Account) -> str:
    """Archive a message, and return its id."""
    muniment = running.server.muniment
    secret = bearer(muniment.secret)
    fields = {"username": owner.user, "peer": peer.jid, "direction": "recv", "body": "hello"}
    time = {"timestamp": "2026-01-01T12:00:00Z"}
    posted(http, f"{muniment.url}/api/archive", secret, **fields, **time)
    path = f"/api/v1/archives/{owner.jid}/messages"
    return str(http.get(f"{muniment.url}{path}", headers=secret).json()["messages"][0]["id"])


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def private(http: Session, running: ApiServer) -> Target:
    """Return the private listener."""
    owner, peer = running.server.accounts("carol", "dave")
    id = stored(http, running, owner, peer)
    muniment = running.server.muniment
    names = {
        **{"owner": owner.jid, "subject": owner.jid, "host": owner.host, "domain": owner.host},
        **{"user": owner.user, "username": owner.user, "contact": peer.jid, "peer": peer.jid},
        **{"password": owner.password, "with": peer.jid, "id": id, "name": "statistics"},
    }
    ids = {"Remote Data": {"jid": peer.jid}, "administration": {"jid": owner.jid}}
    return Target(muniment.url, {"secret": bearer(muniment.secret)}, names, ids)


def public(http: Session, running: ApiServer) -> Target:
    """Return the public listener."""
    owner, peer = running.server.accounts("alice", "bob")
    id = stored(http, running, owner, peer)
    url, room = running.url, f"room@{running.rooms}"
    tokens = posted(http, f"{url}/api/v1/tokens", jid=owner.jid, password=owner.password)
    token = bearer(tokens["access_token"])
    made = posted(http, f"{url}/api/v1/chat/rooms", token, name="A room")
    room = made["jid"]
    session = posted(
        http, f"{url}/start-session", jid=owner.jid, password=owner.password, server=owner.host
    )["session"]
    names = {
        **{"owner": owner.jid, "host": owner.host, "user": owner.user, "username": owner.user},
        **{"password": owner.password, "newpass": owner.password, "password2": owner.password},
        **{"contact": peer.jid, "member": peer.jid, "with": peer.jid, "to": peer.jid},
        **{"localuser": owner.user, "localhost": owner.host, "from": owner.jid},
        **{"service": running.rooms, "room": room, "server": "", "wait": 0, "jid": peer.jid},
        **{"session_id": session["session_id"], "contact_id": peer.jid, "id": id},
        **{"command": "status", "version": "v2"},
    }
    ids: dict[str, Names] = {
        "sign-in": {"jid": owner.jid, "refresh_token": tokens["refresh_token"]},
        "gateway start": {"jid": owner.jid},
        "sign-ins": {"id": tokens["id"]},
        "ejabberd API": {"room": room.partition("@")[0], "name": room.partition("@")[0]},
    }
    headers = {
        "accessToken": token,
        "account": basic(owner),
        "gatewaySession": bearer(session["token"]),
    }
    return Target(url, headers, names, ids)


def named(value: Any, names: Names) -> Any:
    """Return a query or a body with the names that exist."""
    if not isinstance(value, dict):
        return value
    return {key: names.get(key, field) for key, field in value.items()}


def is_no_fault(_: object, response: Response, __: Case) -> None:
    """Fail for a fault; the files and the Web Push that this installation has not are none."""
    assert response.status_code < 500 or response.status_code == HTTPStatus.NOT_IMPLEMENTED


CHECKS = [
    is_no_fault,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


@dataclass
class Run:
    """What one run over the operations of a listener has found."""

    http: Session
    target: Target
    failures: list[str] = field(default_factory=list)
    called: set[str] = field(default_factory=set)
    done: set[str] = field(default_factory=set)  #: operations that did what they are for
    reached: set[str] = field(default_factory=set)  #: the tags of those

    def call(self, operation: APIOperation, mode: GenerationMode) -> None:
        """Make a request that the document allows or, in the negative mode, does not allow."""
        names, headers = self.target.names_for(operation), self.target.headers_for(operation)
        known = {item.name for item in operation.path_parameters} & names.keys()
        path = {name: names[name] for name in known}

        @given(operation.as_strategy(mode, path_parameters=path))
        @settings(
            max_examples=1,
            derandomize=True,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        def call(case: Case) -> None:
            if mode.is_positive:
                case.query, case.body = named(case.query, names), named(case.body, names)
            self._check(case, headers)

        # Some operations accept everything: no request can be wrong.
        with suppress(*([Unsatisfiable] if mode.is_negative else [])):
            call()

    def _check(self, case: Case, headers: Mapping[str, str]) -> None:
        label = case.operation.label
        self.called.add(label)
        try:
            response = case.call_and_validate(
                self.target.url, self.http, dict(headers), checks=CHECKS, timeout=SECONDS
            )
        except FailureGroup as failures:
            self.failures.append(f"{label}: {failures.message}")
            return
        if response.status_code < 300:
            self.done.add(label)
            self.reached |= set(case.operation.tags or ())


def id_of(operation: APIOperation) -> str:
    return str(operation.definition.raw["operationId"])


def order(operation: APIOperation) -> tuple[bool, bool]:
    """Return the key that sorts operations: what takes something away comes later."""
    return id_of(operation) in ENDINGS, operation.method == "delete"


@pytest.mark.parametrize("listener", [private, public])
def test_listener_keeps_to_its_document(
    running: ApiServer, listener: Callable[[Session, ApiServer], Target]
) -> None:
    with Session() as http:
        target = listener(http, running)
        schema = openapi.from_url(f"{target.url}/openapi.json")
        schema.config.generation.update(with_security_parameters=False)
        operations = [
            result.ok()
            for result in schema.exclude(operation_id_regex=EXCLUDED).get_all_operations()
        ]
        run = Run(http, target)
        for operation in sorted(operations, key=order):
            run.call(operation, GenerationMode.POSITIVE)
            if not TWIN.search(id_of(operation)):
                run.call(operation, GenerationMode.NEGATIVE)

    assert run.failures == []
    assert run.called == {operation.label for operation in operations}
    # Otherwise the credentials or names are wrong, and most requests do not come far.
    assert run.reached == {tag for operation in operations for tag in operation.tags or ()}
    assert len(run.done) > len(run.called) / 2
    # What one user sends ends nobody's connection.
    assert "connection to the server lost" not in running.server.muniment.log
