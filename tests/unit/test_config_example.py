"""muniment.toml.example and docs/operations.md document each option with the words of the code."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

from pydantic.fields import FieldInfo

from component.config import NAMED_SECTIONS, SECTIONS, load

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "muniment.toml.example"
OPERATIONS = ROOT / "docs" / "operations.md"
#: Required options. http.secret is required by the default of http.auth.
REQUIRED = {"xmpp.jid", "xmpp.hosts", "xmpp.secret", "http.secret"}
OPTIONS = {
    f"{section}.{key}": field
    for section, model in SECTIONS.items()
    for key, field in model.model_fields.items()
}
#: The titles of named sections in the example and in operations.md.
EXAMPLE_TITLES = {"hosts": 'hosts."team.example"', "operators": "operators.auditor"}
TITLES = {"hosts": 'hosts."NAME"', "operators": "operators.NAME"}


def default(field: FieldInfo) -> object:
    """Return the default as TOML holds it."""
    value = field.default
    return [str(item) for item in value] if isinstance(value, tuple) else value


def named(titles: dict[str, str]) -> dict[str, FieldInfo]:
    """Return the options of named sections by their full names."""
    return {
        f"{titles[section]}.{key}": field
        for section, model in NAMED_SECTIONS.items()
        for key, field in model.model_fields.items()
    }


def flat(text: str) -> dict[str, object]:
    """Return the options of a TOML text by their full names."""
    tables = tomllib.loads(text)
    return {
        f"{name}.{key}": value for name, table in tables.items() for key, value in table.items()
    }


def documented_default(option: str, field: FieldInfo) -> str:
    """Return the default as the table writes it."""
    if option in REQUIRED or field.is_required():
        return "required"
    return "none" if field.default is None else f"`{json.dumps(default(field))}`"


def uncommented() -> str:
    """Return the example with every option uncommented."""
    return re.sub(r"^#(?=[\w\[])", "", EXAMPLE.read_text(), flags=re.MULTILINE)


def comments(text: str) -> Iterator[tuple[str, str]]:
    """Yield each option and section with the comment right above it."""
    section = ""
    comment: list[str] = []
    for line in text.splitlines():
        if heading := re.fullmatch(r"#?\[(.+)\]", line):
            section = heading[1]
            yield section, " ".join(comment)
        elif option := re.match(r"#?(\w+) = ", line):
            yield f"{section}.{option[1]}", " ".join(comment)
        comment = [*comment, line[2:]] if line.startswith("# ") else []


def test_example_sets_required_options_only() -> None:
    assert flat(EXAMPLE.read_text()).keys() == REQUIRED


def test_example_shows_every_option_with_its_default() -> None:
    example = flat(uncommented())
    for section in NAMED_SECTIONS:
        example = {option: example[option] for option in example if not option.startswith(section)}

    assert example.keys() == OPTIONS.keys()
    # An option without default is shown with an example.
    optional = {
        option for option in OPTIONS.keys() - REQUIRED if OPTIONS[option].default is not None
    }
    assert {option: example[option] for option in optional} == {
        option: default(OPTIONS[option]) for option in optional
    }


def test_example_explains_every_option_in_the_words_of_the_code() -> None:
    explained = OPTIONS | named(EXAMPLE_TITLES)
    sections = SECTIONS | {
        title: NAMED_SECTIONS[section] for section, title in EXAMPLE_TITLES.items()
    }

    assert dict(comments(EXAMPLE.read_text())) == {
        option: field.description for option, field in explained.items()
    } | {title: model.__doc__ for title, model in sections.items()}


def write(folder: Path, text: str) -> Path:
    """Write a configuration, and a file for each secret that it names."""
    for name in re.findall('"file:(.+)"', text):
        (folder / name).write_text(f"of {name}\n")
    path = folder / "muniment.toml"
    path.write_text(text)
    return path


def test_example_with_every_option_loads(tmp_path: Path) -> None:
    config = load(write(tmp_path, uncommented()), {})

    for name, model in NAMED_SECTIONS.items():
        [section] = getattr(config, name).values()
        assert section.model_fields_set == model.model_fields.keys()


def test_example_loads_unchanged(tmp_path: Path) -> None:
    config = load(write(tmp_path, EXAMPLE.read_text()), {})

    assert config.xmpp.jid == "muniment.example"
    assert config.xmpp.secret.get_secret_value() == "of xmpp-secret"


def test_example_agrees_with_the_example_of_ejabberd() -> None:
    ejabberd = (ROOT / "ejabberd.yml.example").read_text()
    muniment = flat(EXAMPLE.read_text())

    assert f"{muniment['xmpp.jid']}:\n" in ejabberd
    assert 'password: "change-me"' in ejabberd
    assert f"port: {OPTIONS['xmpp.port'].default}\n" in ejabberd
    assert all(
        f"  - {host}\n" in ejabberd for host in tomllib.loads(EXAMPLE.read_text())["xmpp"]["hosts"]
    )


def test_operations_lists_exactly_the_options() -> None:
    chapter = OPERATIONS.read_text().partition("\n## Options\n")[2].partition("\n## ")[0]

    rows = re.findall(r"^\| `([^`]+)` \| (.+?) \| (.+) \|$", chapter, re.MULTILINE)

    assert rows == [
        (option, documented_default(option, field), field.description)
        for option, field in (OPTIONS | named(TITLES)).items()
    ]


def test_operations_explains_every_section_in_the_words_of_the_code() -> None:
    sections = SECTIONS | {title: NAMED_SECTIONS[section] for section, title in TITLES.items()}

    for title, model in sections.items():
        assert f"### `[{title}]`\n\n{model.__doc__}\n" in OPERATIONS.read_text()
