"""The options that commands to the running program read from its configuration."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.configuration import write

from component.config import ConfigError, load_http
from component.wiring.running_program import client_settings


def test_load_http_needs_no_other_section(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        """
        [xmpp]
        secret = "file:not-readable"
        [storage]
        urn = 1
        [http]
        address = "unix:muniment.sock"
        secret = "s3cret"
        prefix = ""
        request_timeout_seconds = 3.0
        """,
    )

    settings = client_settings(load_http(path, {}))

    assert settings.address == f"unix:{tmp_path / 'muniment.sock'}"
    assert (settings.secret, settings.prefix) == ("s3cret", "")
    assert settings.timeout_seconds > 3


def test_load_http_prefers_variables_to_the_file(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.touch(mode=0o600)
    secret.write_text("of-its-own\n")
    path = write(tmp_path, '[http]\nport = 1\nsecret = "file:/not/readable"\n')

    settings = client_settings(
        load_http(
            path,
            {
                "MUNIMENT_HTTP__SECRET": f"file:{secret}",
                "MUNIMENT_HTTP__PORT": "2",
                "MUNIMENT_XMPP__PORT": "?",
            },
        )
    )

    assert (settings.secret, settings.port) == ("of-its-own", 2)


@pytest.mark.parametrize(
    ("text", "environ", "problem"),
    [
        ("[http]\nprot = 1\n", {}, "{path}: http.prot: unknown key, did you mean http.port?"),
        ("", {}, 'http.secret: required, but missing (http.authentication is "secret")'),
        (
            '[http]\nsecret = "s"\n',
            {"MUNIMENT_HTTP__PORT": "0"},
            "MUNIMENT_HTTP__PORT: expected a whole number from 1 to 65535, given 0",
        ),
        (
            "[http]\nenabled = false\n",
            {},
            "{path}: http.enabled is false: the running program cannot be reached",
        ),
        ("[http", {}, "{path}: not a TOML file"),
    ],
)
def test_load_http_reports_problems(
    tmp_path: Path, text: str, environ: dict[str, str], problem: str
) -> None:
    path = write(tmp_path, text)

    with pytest.raises(ConfigError) as raised:
        load_http(path, environ)

    assert problem.format(path=path) in str(raised.value)


def test_load_http_without_file_reads_the_environment() -> None:
    assert client_settings(load_http(None, {"MUNIMENT_HTTP__SECRET": "s3cret"})).secret == "s3cret"
