"""Loading and checking the operator's module before the program starts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.handlers import importing

from component.handlers.functions import NAMES, Handlers
from component.handlers.loading import HandlersError, load

ALL = """
def user_authentication(username, password): return True
def user_exists(username): return True
async def retrieve_user_roster(username): return {"roster": []}
def archive_store(payload): return True
def archive_get(username, peer=None, after=None, before=None, limit=None, chat_type=None):
    return {"archive": [], "count": 0}
"""


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    """Remove the modules of a test from `sys.modules`."""
    with importing():
        yield


def loaded(
    folder: Path, text: str | None, *, name: str = "own_handlers", several_hosts: bool = False
) -> Handlers:
    """Load a module with this source."""
    if text is not None:
        (folder / f"{name}.py").write_text(text)
    return load(name, folder=folder, threads=1, several_hosts=several_hosts)


def problems(folder: Path, text: str | None, *, several_hosts: bool = False) -> tuple[str, ...]:
    with pytest.raises(HandlersError) as caught:
        loaded(folder, text, several_hosts=several_hosts)
    return caught.value.problems


def test_all_five_functions_are_loaded(tmp_path: Path) -> None:
    assert loaded(tmp_path, ALL).names == NAMES


def test_module_may_have_some_of_the_functions(tmp_path: Path) -> None:
    handlers = loaded(tmp_path, "def user_exists(username): return True")

    assert handlers.names == ("user_exists",)
    assert handlers.archive_get is None


def test_module_in_a_package_is_loaded(tmp_path: Path) -> None:
    (tmp_path / "own_shop").mkdir()
    (tmp_path / "own_shop" / "jabber.py").write_text(ALL)

    assert loaded(tmp_path, None, name="own_shop.jabber").names == NAMES


def test_installed_module_has_precedence_over_the_folder(tmp_path: Path) -> None:
    with pytest.raises(HandlersError, match=r"^colorsys \(.+\) has none of user_authentication"):
        loaded(tmp_path, ALL, name="colorsys")


def test_missing_module_is_reported_with_the_searched_folder(tmp_path: Path) -> None:
    assert problems(tmp_path, None) == (
        f"there is no module own_handlers, neither installed nor in {tmp_path}",
    )


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("import missing_helper", "ModuleNotFoundError: No module named 'missing_helper'"),
        ("def (", "SyntaxError: invalid syntax (own_handlers.py, line 1)"),
        ("raise KeyError('DATABASE')", "KeyError: 'DATABASE'"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("assert False", "AssertionError"),
    ],
)
def test_failing_import_is_reported_with_its_reason(
    tmp_path: Path, text: str, reason: str
) -> None:
    assert problems(tmp_path, text) == (f"own_handlers cannot be imported: {reason}",)


def test_module_without_any_function_is_refused(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, "def authenticate(username, password): return True")

    place = tmp_path / "own_handlers.py"
    assert problem == f"own_handlers ({place}) has none of {', '.join(NAMES)}"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (
            "user_exists = True",
            "user_exists is not a function",
        ),
        (
            "def user_exists(): return True",
            "user_exists cannot be called as user_exists(username): too many positional arguments",
        ),
        (
            "def user_authentication(username, password, realm): return True",
            "user_authentication cannot be called as user_authentication(username, password): "
            "missing a required argument: 'realm'",
        ),
        (
            "def archive_get(username, peer): return None",
            "archive_get cannot be called as archive_get(username): "
            "missing a required argument: 'peer'",
        ),
        (
            "def archive_get(username, peer=None, after=None, before=None): return None",
            "archive_get cannot be called as archive_get(username, peer, after, before, limit, "
            "chat_type): got an unexpected keyword argument 'limit'",
        ),
    ],
)
def test_wrong_signature_is_reported_with_its_reason(
    tmp_path: Path, text: str, reason: str
) -> None:
    assert problems(tmp_path, text) == (f"own_handlers.{reason}",)


@pytest.mark.parametrize(
    "text",
    [
        "def archive_get(username, **parameters): return None",
        "def archive_get(username, peer='', after='', before='', limit='', type=''): return None",
        "class Ask:\n    def __call__(self, user): return True\nuser_exists = Ask()",
        "import functools\nuser_exists = functools.partial(lambda shop, user: True, 'shop')",
        "user_exists = dict().get",
    ],
)
def test_any_callable_with_the_right_signature_is_accepted(tmp_path: Path, text: str) -> None:
    assert len(loaded(tmp_path, text).names) == 1


def test_all_problems_are_reported_at_once(tmp_path: Path) -> None:
    reported = problems(tmp_path, "def user_exists(): pass\ndef archive_store(): pass")

    assert [problem.split()[0] for problem in reported] == [
        "own_handlers.user_exists",
        "own_handlers.archive_store",
    ]


def test_function_without_host_is_refused_with_several_hosts(tmp_path: Path) -> None:
    assert problems(tmp_path, "def user_exists(username): pass", several_hosts=True) == (
        "own_handlers.user_exists must take the virtual host, because there are several: "
        "user_exists(username, host)",
    )
    assert problems(tmp_path, "def user_exists(username, **more): pass", several_hosts=True)


@pytest.mark.parametrize(
    "text",
    [
        "def user_exists(username, host): return True",
        "def user_exists(username, *, host=None): return True",
        "def archive_get(username, host, **parameters): return None",
    ],
)
@pytest.mark.parametrize("several_hosts", [True, False])
def test_function_with_host_is_accepted(tmp_path: Path, text: str, several_hosts: bool) -> None:
    assert len(loaded(tmp_path, text, several_hosts=several_hosts).names) == 1
