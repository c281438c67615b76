"""The section `[accounts]`: the source of accounts, and how Muniment asks ejabberd."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.configuration import REQUIRED, problems, read

from component.config import Accounts, load


def loaded(folder: Path, options: str) -> Accounts:
    config = read(folder, f"{REQUIRED}[accounts]\n{options}")
    assert config.warnings == ()
    return config.accounts


def test_default_source_is_ejabberd_without_api_or_login(
    tmp_path: Path,
) -> None:
    accounts = loaded(tmp_path, "")

    assert (accounts.source, accounts.password_format) == ("ejabberd", "argon2id")
    assert not accounts.asks_ejabberd


def test_api_url_selects_the_api_of_ejabberd(tmp_path: Path) -> None:
    (tmp_path / "password").touch(mode=0o600)
    (tmp_path / "password").write_text("pencil\n")

    accounts = loaded(
        tmp_path,
        'source = "ejabberd"\napi_url = "http://[::1]:5280/api/"\n'
        'api_user = "admin@chat.example"\napi_password = "file:password"\n',
    )

    assert accounts.api_url == "http://[::1]:5280/api"
    assert accounts.api_password is not None
    assert accounts.api_password.get_secret_value() == "pencil"
    assert "pencil" not in repr(accounts)


def test_login_address_selects_logins(tmp_path: Path) -> None:
    accounts = loaded(tmp_path, 'source = "ejabberd"\nlogin_address = "::1"\n')

    assert (accounts.login_address, accounts.login_port) == ("::1", 5222)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ('source = "ldap"', 'accounts.source: expected one of "store", "ejabberd", given "ldap"'),
        ('api_user = "a@chat.example"', "accounts.api_password: required, but missing"),
        ('api_password = "pencil"', "accounts.api_password: of no use without accounts.api_user"),
        ("login_port = 0", "accounts.login_port: expected a whole number from 1 to 65535"),
    ],
)
def test_wrong_account_options_are_refused(tmp_path: Path, options: str, message: str) -> None:
    [problem] = problems(tmp_path, f"{REQUIRED}[accounts]\n{options}")

    assert problem.startswith(message)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "127.0.0.1:5280",
        "ftp://127.0.0.1/api",
        "http://",
        "http:///api",
        "http://127.0.0.1:99999/api",
        "http://127.0.0.1:x/api",
        "http://[::1/api",
        "http://admin:pencil@127.0.0.1:5280/api",
        "http://127.0.0.1:5280/api?key=pencil",
        "http://127.0.0.1:5280/api#pencil",
    ],
)
def test_api_url_without_host_or_with_password_is_refused(tmp_path: Path, url: str) -> None:
    [problem] = problems(tmp_path, f'{REQUIRED}[accounts]\napi_url = "{url}"')

    assert problem.startswith("accounts.api_url: expected a URL")
    assert "pencil" not in problem


def test_world_readable_api_password_is_warned_about(tmp_path: Path) -> None:
    path = tmp_path / "muniment.toml"
    path.write_text(
        REQUIRED.replace("s3cret", "file:one").replace("other", "file:two")
        + '[accounts]\napi_user = "a@chat.example"\napi_password = "pencil"\n'
    )
    path.chmod(0o644)
    for name in ("one", "two"):
        (tmp_path / name).touch(mode=0o600)
        (tmp_path / name).write_text(name)

    assert load(path, {}).warnings == (
        f"{path} contains accounts.api_password and every user can read it: chmod o= {path}",
    )
