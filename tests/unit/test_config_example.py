"""muniment.toml.example and docs/operations.md say of every option what the code says."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic.fields import FieldInfo

from component.config import SECTIONS, load

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "muniment.toml.example"
OPERATIONS = ROOT / "docs" / "operations.md"
#: Without these nothing starts; http.secret only where HTTP asks for it, which is the default.
REQUIRED = {"xmpp.jid", "xmpp.hosts", "xmpp.secret", "http.secret"}
OPTIONS = {
    f"{section}.{key}": field
    for section, model in SECTIONS.items()
    for key, field in model.model_fields.items()
}


def default(field: FieldInfo) -> object:
    """Return the default as TOML holds it."""
    value = field.default
    return [str(item) for item in value] if isinstance(value, tuple) else value


def flat(text: str) -> dict[str, object]:
    """Return the options of a TOML text by their full names."""
    tables = tomllib.loads(text)
    return {
        f"{name}.{key}": value for name, table in tables.items() for key, value in table.items()
    }


def comments(text: str) -> Iterator[tuple[str, str]]:
    """Yield each option with the comment that stands right above it."""
    section = ""
    comment: list[str] = []
    for line in text.splitlines():
        if heading := re.fullmatch(r"\[(\w+)\]", line):
            section = heading[1]
        elif option := re.match(r"#?(\w+) = ", line):
            yield f"{section}.{option[1]}", " ".join(comment)
        comment = [*comment, line[2:]] if line.startswith("# ") else []


def test_the_example_sets_what_is_required_and_nothing_else() -> None:
    assert flat(EXAMPLE.read_text()).keys() == REQUIRED


def test_the_example_shows_every_option_with_its_default() -> None:
    uncommented = re.sub(r"^#(?=\w)", "", EXAMPLE.read_text(), flags=re.MULTILINE)

    shown = flat(uncommented)

    assert shown.keys() == OPTIONS.keys()
    assert {option: shown[option] for option in OPTIONS.keys() - REQUIRED} == {
        option: default(OPTIONS[option]) for option in OPTIONS.keys() - REQUIRED
    }


def test_the_example_explains_every_option_in_the_words_of_the_code() -> None:
    assert dict(comments(EXAMPLE.read_text())) == {
        option: field.description for option, field in OPTIONS.items()
    }


def test_the_example_loads_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "muniment.toml"
    path.write_text(EXAMPLE.read_text())

    config = load(path, {})

    assert config.xmpp.jid == "muniment.example"


def test_the_example_fits_that_of_ejabberd() -> None:
    theirs = (ROOT / "ejabberd.yml.example").read_text()
    ours = flat(EXAMPLE.read_text())

    assert f"{ours['xmpp.jid']}:\n" in theirs
    assert f'password: "{ours["xmpp.secret"]}"' in theirs
    assert f"port: {OPTIONS['xmpp.port'].default}\n" in theirs
    assert all(
        f"  - {host}\n" in theirs for host in tomllib.loads(EXAMPLE.read_text())["xmpp"]["hosts"]
    )


@pytest.mark.parametrize("option", OPTIONS)
def test_operations_explains_every_option(option: str) -> None:
    field = OPTIONS[option]
    shown = "required" if option in REQUIRED else f"`{json.dumps(default(field))}`"

    assert f"| `{option}` | {shown} | {field.description} |\n" in OPERATIONS.read_text()


def test_operations_explains_no_option_that_is_not_there() -> None:
    explained = re.findall(r"^\| `(\w+\.\w+)` \|", OPERATIONS.read_text(), re.MULTILINE)

    assert explained == list(OPTIONS)
