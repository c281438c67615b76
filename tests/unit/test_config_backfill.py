"""The section `[backfill]`: the source, and what it needs."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.configuration import REQUIRED, problems, read

from component.config.backfill import Backfill


def loaded(folder: Path, options: str) -> Backfill:
    config = read(folder, f"{REQUIRED}[backfill]\n{options}")
    assert config.warnings == ()
    return config.backfill


@pytest.mark.parametrize(
    "url",
    ["postgresql://muniment@127.0.0.1/ejabberd", "mysql://muniment@127.0.0.1:3307/ejabberd"],
)
def test_database_of_ejabberd_is_named_by_its_url(tmp_path: Path, url: str) -> None:
    backfill = loaded(tmp_path, f'source = "sql"\nurl = "{url}"\npassword = "pencil"')

    assert backfill.url == url
    assert "pencil" not in repr(backfill)


def test_path_of_sqlite_starts_at_the_folder_of_the_configuration(tmp_path: Path) -> None:
    backfill = loaded(tmp_path, 'source = "sql"\nurl = "sqlite:ejabberd.db"')

    assert backfill.url == f"sqlite:{tmp_path}/ejabberd.db"


def test_mam_with_a_key_needs_no_public_listener(tmp_path: Path) -> None:
    backfill = loaded(tmp_path, 'source = "mam"\n[tokens]\nkey_file = "key.json"')

    assert backfill.source == "mam"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ('source = "sql"', "backfill.url: required, but missing"),
        ('source = "mam"', "backfill.source: mam needs tokens that ejabberd accepts"),
        ('url = "mysql://me:secret@127.0.0.1/e"', "backfill.url: expected a URL without"),
        ('url = "mysql://me@127.0.0.1/"', "backfill.url: expected sqlite:PATH"),
        ('url = "sqlite:"', "backfill.url: expected sqlite:PATH"),
        ('url = "oracle://me@127.0.0.1/e"', "backfill.url: expected sqlite:PATH"),
        ('url = "mysql://[::1/e"', "backfill.url: expected sqlite:PATH"),
        ("url = 5", "backfill.url: expected sqlite:PATH"),
    ],
)
def test_wrong_section_is_refused(tmp_path: Path, options: str, expected: str) -> None:
    [line] = problems(tmp_path, f"{REQUIRED}[backfill]\n{options}")

    assert expected in line
    assert "secret" not in line
