"""An ejabberd whose rooms have their own archives, and a room of it."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Iterator

import pytest
from support.releases import Release
from support.room import Room, open_room
from support.server import Server


@pytest.fixture(scope="package")
def room_server(tmp_path_factory: pytest.TempPathFactory, release: Release) -> Iterator[Server]:
    """ejabberd and Muniment, which archives the rooms of the first virtual host."""
    options = {"archive": {"room_services": ["conference.one.test"]}}
    with Server.running(tmp_path_factory.mktemp("rooms"), release, options) as running:
        yield running


@pytest.fixture
async def room(room_server: Server, request: pytest.FixtureRequest) -> AsyncIterator[Room]:
    """A room with its owner alice and with bob; a parameter is its configuration."""
    configuration = getattr(request, "param", {})
    alice, bob = room_server.accounts("alice", "bob")
    address = f"room-{secrets.token_hex(3)}@conference.{alice.host}"
    async with (
        room_server.client(alice) as alice_client,
        room_server.client(bob) as bob_client,
        open_room(room_server, address, alice_client, bob_client, configuration) as opened,
    ):
        yield opened
