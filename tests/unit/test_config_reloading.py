"""What the running program takes from a changed configuration, and what waits for a restart."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from support.configuration import REQUIRED, read
from support.shell_blocks import OPERATIONS

from component.config import NAMED_SECTIONS, SECTIONS
from component.config.reloading import RELOADED, reloaded

HOST = REQUIRED.replace('"team.example"', '"team.example", "new.example"')


def test_every_reloaded_option_exists() -> None:
    options = {
        section: set(model.model_fields)
        for section, model in {**SECTIONS, **NAMED_SECTIONS}.items()
    }

    assert {section for section, keys in RELOADED.items() if not keys <= options[section]} == set()


def test_operations_list_the_reloaded_options() -> None:
    chapter = OPERATIONS.read_text().partition("\n### Reload\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `\[([a-z_]+)(?:\.NAME)?\]` \| (.*?) \|", chapter, re.MULTILINE)
    documented = {section: frozenset(re.findall("`([a-z_]+)`", keys)) for section, keys in rows}

    assert documented == dict(RELOADED)


@pytest.mark.parametrize(
    ("more", "effective", "waiting"),
    [
        ("", (), ()),
        ("[retention]\ndays = 30", ("retention.days",), ()),
        ("[retention]\nbatch = 7", (), ("retention.batch",)),
        (
            '[log]\nlevel = "debug"\n[archive]\npage_max = 60\nnever = ["a@chat.example"]',
            ("archive.never", "log.level"),
            ("archive.page_max",),
        ),
        ('[hosts."team.example"]\ndays = 3', ("hosts.team.example.days",), ()),
        (
            '[operators.carol]\nrole = "admin"\nsecret = "third"',
            ("operators.carol.role", "operators.carol.secret"),
            (),
        ),
    ],
)
def test_changed_options_take_effect_or_wait(
    tmp_path: Path, more: str, effective: tuple[str, ...], waiting: tuple[str, ...]
) -> None:
    running, new = read(tmp_path), read(tmp_path, f"{REQUIRED}{more}")

    change = reloaded(running, new)

    assert (change.effective, change.waiting) == (effective, waiting)
    # What waits is said again by each reload, and what has taken effect is not.
    again = reloaded(change.config, new)
    assert (again.effective, again.waiting) == ((), waiting)
    # Without the options the program is as before.
    back = reloaded(change.config, running)
    assert (back.effective, back.waiting) == (effective, ())
    assert back.config == running


def test_options_of_a_new_virtual_host_wait_with_it(tmp_path: Path) -> None:
    running = read(tmp_path)
    new = read(tmp_path, f'{HOST}[hosts."new.example"]\ndays = 3')

    change = reloaded(running, new)

    assert change.effective == ()
    assert change.waiting == ("xmpp.hosts", "hosts.new.example.days")
    assert change.config == running


def test_changed_file_of_a_secret_is_a_change(tmp_path: Path) -> None:
    secret = tmp_path / "http-secret"
    text = REQUIRED.replace('"other"', '"file:http-secret"')
    secret.write_text("first")
    secret.chmod(0o600)
    running = read(tmp_path, text)
    secret.write_text("second")

    change = reloaded(running, read(tmp_path, text))

    assert change.effective == ("http.secret",)
    assert change.config.http.secret is not None
    assert change.config.http.secret.get_secret_value() == "second"
