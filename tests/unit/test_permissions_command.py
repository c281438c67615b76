"""`muniment permissions explain` names the rule that permits or refuses a call."""

from __future__ import annotations

from pathlib import Path

import pytest

from component import cli

CONFIG = """
xmpp.jid = "archive.chat.example"
xmpp.hosts = ["chat.example"]
xmpp.secret = "for this test"
http.enabled = false
ejabberd_api.enabled = true
ejabberd_api.admins = ["admin@chat.example"]
ejabberd_api.services = ["api@chat.example"]
ejabberd_api.access = ["connected_users: admin service"]
ejabberd_api.passed_on = ["registered_users"]
"""

ALICE = "alice@chat.example"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "muniment.toml"
    path.write_text(CONFIG)
    return path


def explain(config: Path, *arguments: str) -> int:
    return cli.main(["permissions", "explain", "--config", str(config), *arguments])


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (
            [ALICE, "unregister"],
            1,
            "access.unregister: unregister is for admin by the default, and alice@chat.example "
            'has the role "user".\nrefused\n',
        ),
        (
            [ALICE, "connected_users"],
            1,
            "access.connected_users: connected_users is for admin and service by "
            'ejabberd_api.access, and alice@chat.example has the role "user".\nrefused\n',
        ),
        (
            [ALICE, "get_roster", "user=bob", "server=chat.example"],
            1,
            "own-account.user: user and host must name alice@chat.example, because users act on "
            "their own account only.\nrefused\n",
        ),
        (
            [ALICE, "get_roster", "user=alice", "server=chat.example"],
            0,
            "own-account: user and host must name alice@chat.example, and the call does.\n"
            "permitted\n",
        ),
        (
            [ALICE, "get_room_occupants"],
            0,
            "room-visibility: the caller also has to see the room; ejabberd decides.\npermitted\n",
        ),
        (["admin@chat.example", "unregister"], 0, "permitted\n"),
        (
            [ALICE, "registered_users"],
            1,
            "passed-on: only admins call commands that are passed on, and alice@chat.example is "
            "none.\nrefused\n",
        ),
    ],
)
def test_rule_is_explained(
    config: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    code: int,
    text: str,
) -> None:
    assert explain(config, *arguments) == code
    assert capsys.readouterr().out.endswith(text)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ([ALICE, "get_rostr"], "there is no command get_rostr, did you mean get_roster?"),
        (["chat.example", "status"], "chat.example: expected a bare JID"),
        ([ALICE, "get_roster", "user=alice"], "Request have missing argument: host"),
    ],
)
def test_mistake_is_explained(
    config: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], text: str
) -> None:
    assert explain(config, *arguments) == 2
    assert text in capsys.readouterr().err
