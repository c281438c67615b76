"""Arguments are checked in the order and with the texts of ejabberd."""

from __future__ import annotations

import pytest

from component.core.ejabberd_api.arguments import check_arguments, erlang_term
from component.core.ejabberd_api.catalogue import BY_NAME
from component.core.ejabberd_api.refusals import ApiRefusal

USER = {"user": "alice", "host": "one.test"}


def check(command: str, version: int, *given: tuple[str, object], **more: object) -> object:
    signature = BY_NAME[command].signature(version)
    return check_arguments(signature, [*given, *more.items()])


def refused(command: str, version: int, *given: tuple[str, object], **more: object) -> str:
    with pytest.raises(ApiRefusal) as refusal:
        check(command, version, *given, **more)
    return f"{refusal.value.status} {refusal.value.message}"


# The texts were seen at ejabberd 26.07.
@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({}, "400 Request have missing argument: user"),
        ({"user": "a"}, "400 Request have missing argument: host"),
        ({"user": 5}, "400 Arg 5 is not in format binary"),
        ({"user": None}, "400 Arg null is not in format binary"),
        ({"user": True}, "400 Arg true is not in format binary"),
        ({"user": 1.5}, "400 Arg 1.5 is not in format binary"),
        ({"user": {"a": "b"}}, "400 Arg #{<<97>> => <<98>>} is not in format binary"),
        ({**USER, "server": "two.test"}, "400 Request have unknown arguments: [server]"),
        ({**USER, "a": 1, "b": 2}, "400 Request have unknown arguments: [a,b]"),
    ],
)
def test_wrong_arguments_are_refused_with_the_texts_of_ejabberd(
    given: dict[str, object], text: str
) -> None:
    assert refused("check_account", 3, **given) == text


def test_argument_under_its_former_name_is_accepted_once() -> None:
    assert check("get_roster", 3, user="alice", server="one.test") == USER
    text = refused("get_roster", 3, **USER, server="one.test")
    assert text == "400 Request have duplicate argument: host"


def test_repeated_argument_of_a_query_is_refused() -> None:
    text = refused("check_account", 3, ("user", "a"), ("user", "b"), ("host", "one.test"))
    assert text == "400 Request have duplicate argument: user"


def test_list_of_texts_and_code_points_is_a_text() -> None:
    assert check("check_account", 3, user=["a", 98], host="one.test") == {
        "user": "ab",
        "host": "one.test",
    }


@pytest.mark.parametrize(
    ("version", "priority", "expected"),
    [(0, "1", "1"), (1, 1, 1), (3, "1", 1), (3, "-5", -5)],
)
def test_priority_is_a_text_in_version_0_and_a_number_since(
    version: int, priority: object, expected: object
) -> None:
    presence = dict.fromkeys(("resource", "type", "show", "status"), "x")
    checked = check("set_presence", version, **USER, **presence, priority=priority)
    assert isinstance(checked, dict)
    assert checked["priority"] == expected


def test_priority_that_is_no_number_crashes_the_command() -> None:
    presence = dict.fromkeys(("resource", "type", "show", "status"), "x")
    assert refused("set_presence", 3, **USER, **presence, priority="a") == "500 internal_error"


def test_text_that_is_no_number_is_a_wrong_argument_of_the_document() -> None:
    signature = BY_NAME["mam_retrieve"].signature(3)
    with pytest.raises(ApiRefusal) as refusal:
        check_arguments(signature, [*USER.items(), ("limit", "a")], as_in_ejabberd=False)
    assert (refusal.value.status, refusal.value.reason) == (400, "invalid_parameter")


def test_number_with_too_many_digits_is_a_wrong_argument() -> None:
    presence = dict.fromkeys(("resource", "type", "show", "status"), "x")
    text = refused("set_presence", 3, **USER, **presence, priority="9" * 5000)
    assert text.startswith("400 Arg <<57,57,")


@pytest.mark.parametrize("character", ["\x00", "\x01", "\x1b", "\ufffe"])
def test_character_that_ends_streams_of_xml_is_refused(character: str) -> None:
    message = {"type": "chat", "from": "a@one.test", "to": "b@one.test", "subject": ""}
    text = refused("send_message", 3, **message, body=f"a{character}b")
    assert text == "400 body: has a character that XML does not allow"
    room = {"room": "r", "service": "s", "password": "", "reason": ""}
    text = refused("send_direct_invitation", 3, **room, users=["a", character])
    assert text == "400 users: has a character that XML does not allow"


@pytest.mark.parametrize("name", ["", "1a", "a b", "é", "FN/><message", "x:FN", "FN\n"])
def test_name_that_is_no_name_of_an_element_is_refused(name: str) -> None:
    text = refused("set_vcard", 3, user="a", host="one.test", name=name, content="Alice")

    assert text == "400 name: expected ASCII letters, digits and hyphens"


def test_value_nested_deeply_is_quoted_in_part() -> None:
    value: object = 1
    for _ in range(1000):
        value = {"a": [value]}
    assert len(refused("check_account", 3, user=value)) < 1000


def test_list_may_be_missing_or_one_text() -> None:
    room = {"room": "r", "service": "s", "password": "", "reason": ""}
    missing = check("send_direct_invitation", 3, **room)
    single = check("send_direct_invitation", 3, **room, users="bob@one.test")
    assert missing == {**room, "users": []}
    assert single == {**room, "users": ["bob@one.test"]}


def test_groups_have_the_name_and_type_of_the_version() -> None:
    contact = {
        "localuser": "alice",
        "localhost": "one.test",
        "user": "bob",
        "host": "one.test",
        "nick": "",
        "subs": "both",
    }
    assert check("add_rosteritem", 0, **contact, group="x;y") == {**contact, "group": "x;y"}
    assert check("add_rosteritem", 1, **contact, groups=["x"]) == {**contact, "groups": ["x"]}
    text = refused("add_rosteritem", 3, **contact, group="x")
    assert text == "400 Request have unknown arguments: [group]"


def test_name_of_an_unknown_argument_is_written_as_erlang_writes_it() -> None:
    text = refused("status", 3, **{"An Argument": 1})
    assert text == "400 Request have unknown arguments: ['An Argument']"


def test_nested_value_is_written_as_erlang_writes_it() -> None:
    assert erlang_term([1, "é", [None, False]]) == "[1,<<195,169>>,[null,false]]"
