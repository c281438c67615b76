"""The section [chat], and what contradicts it in other sections."""

from __future__ import annotations

from pathlib import Path

from support.configuration import REQUIRED, problems, read

from component.wiring import settings

ROOMS = f'{REQUIRED}[archive]\nroom_services = ["rooms.example.org"]\n'
TOKENS = '[tokens]\nkey_file = "key.json"\n[public_http]\nenabled = true\n'


def test_values_reach_the_settings_of_chat(tmp_path: Path) -> None:
    config = read(tmp_path, f'{ROOMS}[chat]\nroom_service = "rooms.example.org"\nsign_up = true\n')

    chat = settings.chat(config)

    assert (chat.room_service, chat.sign_up) == ("rooms.example.org", True)
    assert settings.chat(read(tmp_path)).search_fields == ("user", "name")


def test_room_service_without_archives_is_refused(tmp_path: Path) -> None:
    [problem] = problems(tmp_path, f'{ROOMS}[chat]\nroom_service = "room.example.org"\n')

    assert problem.startswith("chat.room_service: unknown room service")
    assert "did you mean rooms.example.org?" in problem


def test_passwords_that_nobody_can_choose_are_refused(tmp_path: Path) -> None:
    [problem] = problems(tmp_path, f"{REQUIRED}[chat]\npassword_min = 20\npassword_max = 10\n")

    assert problem == "chat.password_min: greater than chat.password_max"


def test_sign_up_without_a_way_to_create_accounts_is_warned_of(tmp_path: Path) -> None:
    text = f"{REQUIRED}{TOKENS}[chat]\nsign_up = true\n"

    assert any("chat.sign_up" in warning for warning in read(tmp_path, text).warnings)
    own = f'{text}[accounts]\nsource = "store"\n'
    assert not any("chat.sign_up" in warning for warning in read(tmp_path, own).warnings)
