"""The section [chat], and what contradicts it in other sections."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.configuration import REQUIRED, problems, read

from component.wiring import settings
from component.xmpp.connection.addresses import Addresses

ROOMS = f'{REQUIRED}[archive]\nroom_services = ["rooms.example.org"]\n'
TOKENS = '[tokens]\nkey_file = "key.json"\n[public_http]\nenabled = true\n'


def test_values_reach_the_settings_of_chat(tmp_path: Path) -> None:
    config = read(tmp_path, f'{ROOMS}[chat]\nroom_service = "rooms.example.org"\nsign_up = true\n')

    chat = settings.chat(config, Addresses())

    assert (chat.room_service, chat.sign_up) == ("rooms.example.org", True)
    assert settings.chat(read(tmp_path), Addresses()).search_fields == ("user", "name")


def test_nobody_signs_up_as_an_account_with_rights(tmp_path: Path) -> None:
    operator = '[operators.ann]\njid = "ann@example.org"\nrole = "reader"\n'
    api = '[ejabberd_api]\nadmins = ["root@example.org"]\nservices = ["bot@example.org"]\n'

    chat = settings.chat(read(tmp_path, f"{REQUIRED}{operator}{api}"), Addresses())

    assert chat.reserved == {f"{name}@example.org" for name in ("ann", "root", "bot")}


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


@pytest.mark.parametrize("api", ["condor_chat", "bpo_chat"])
def test_api_over_chat_is_off_until_it_is_enabled(tmp_path: Path, api: str) -> None:
    off = settings.web(read(tmp_path), ())
    on = settings.web(read(tmp_path, f'{REQUIRED}[{api}]\nenabled = true\nprefix = "/x"\n'), ())

    assert getattr(off, api) is None
    assert getattr(on, api).prefix == "/x"


@pytest.mark.parametrize("api", ["condor_chat", "bpo_chat"])
def test_api_without_chat_or_sign_in_is_warned_of(tmp_path: Path, api: str) -> None:
    text = f"{REQUIRED}[{api}]\nenabled = true\n[chat]\nenabled = false\n"

    warnings = [item for item in read(tmp_path, text).warnings if item.startswith(api)]

    assert warnings == [
        f"{api}.enabled has no effect while public_http.enabled is false",
        f"{api}.enabled has no effect while tokens.key_file is not set",
        f"{api}.enabled has no effect while chat.enabled is false",
    ]


def test_host_of_user_names_has_to_be_a_virtual_host(tmp_path: Path) -> None:
    [problem] = problems(tmp_path, f'{REQUIRED}[condor_chat]\nhost = "elsewhere.example"\n')

    assert problem.startswith("condor_chat.host: unknown virtual host")


@pytest.mark.parametrize("zone", ["Bogota/America", "../etc/passwd", ""])
def test_unknown_time_zone_is_refused(tmp_path: Path, zone: str) -> None:
    [problem] = problems(tmp_path, f'{REQUIRED}[condor_chat]\ntime_zone = "{zone}"\n')

    assert problem.startswith("condor_chat.time_zone: expected a time zone")
