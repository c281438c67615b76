"""Options in environment variables, and secrets in files."""

from __future__ import annotations

import traceback
from pathlib import Path

import pytest

from component.config import ConfigError, load

SECRET = "s3cret-that-nobody-may-see"
REQUIRED = {
    "MUNIMENT_XMPP__JID": "muniment.example",
    "MUNIMENT_XMPP__HOSTS": "chat.example, team.example",
    "MUNIMENT_XMPP__SECRET": SECRET,
    "MUNIMENT_HTTP__SECRET": SECRET,
}


def problems(environ: dict[str, str]) -> list[str]:
    """Load wrong variables and return the problems."""
    with pytest.raises(ConfigError) as caught:
        load(None, REQUIRED | environ)
    return list(caught.value.problems)


def test_environment_alone_configures_the_program() -> None:
    config = load(None, REQUIRED | {"HOME": "/", "MUNIMENT_CONFIG": "unread"})

    assert config.xmpp.hosts == ("chat.example", "team.example")
    assert config.storage.url == "sqlite:/var/lib/muniment/muniment.db"


def test_variable_overrides_the_file(tmp_path: Path) -> None:
    path = tmp_path / "muniment.toml"
    path.write_text('[http]\nport = 1\nprefix = "/kept"\n')
    environ = REQUIRED | {
        "MUNIMENT_HTTP__PORT": "5282",
        "MUNIMENT_HTTP__ENABLED": "false",
        "MUNIMENT_HTTP__HEADER_TIMEOUT_SECONDS": "2.5",
        "MUNIMENT_HTTP__ALLOW_FROM": "192.0.2.0/24,::1",
    }

    http = load(path, environ).http

    assert (http.port, http.enabled, http.header_timeout_seconds) == (5282, False, 2.5)
    assert [str(network) for network in http.allow_from] == ["192.0.2.0/24", "::1/128"]
    assert http.prefix == "/kept"


def test_unknown_variable_is_refused_with_a_suggestion() -> None:
    reported = problems({"MUNIMENT_HTTP_PORT": "1", "MUNIMENT_CONFIGS": "x"})

    assert reported == [
        "MUNIMENT_HTTP_PORT: unknown variable, did you mean MUNIMENT_HTTP__PORT?",
        "MUNIMENT_CONFIGS: unknown variable, did you mean MUNIMENT_CONFIG?",
    ]


def test_wrong_value_of_a_variable_is_reported_by_the_variable() -> None:
    reported = problems(
        {
            "MUNIMENT_HTTP__PORT": "http",
            "MUNIMENT_ARCHIVE__MARKERS": "maybe",
            "MUNIMENT_XMPP__HOSTS": "chat.example,B.example",
        }
    )

    assert reported == [
        'MUNIMENT_XMPP__HOSTS[1]: expected a domain in lower case, given "B.example"',
        'MUNIMENT_ARCHIVE__MARKERS: expected true or false, given "maybe"',
        'MUNIMENT_HTTP__PORT: expected a whole number from 1 to 65535, given "http"',
    ]


def test_value_with_line_end_is_escaped() -> None:
    reported = problems({"MUNIMENT_LOG__LEVEL": "x\nok  everything\x1b[2J" + "y" * 500})

    assert len(reported) == 1
    assert reported[0].isprintable()
    assert len(reported[0]) < 200


def test_secret_is_read_from_its_file(tmp_path: Path) -> None:
    (tmp_path / "xmpp").write_text("from the file\r\n")
    (tmp_path / "xmpp").chmod(0o600)

    config = load(None, REQUIRED | {"MUNIMENT_XMPP__SECRET": f"file:{tmp_path}/xmpp"})

    assert config.xmpp.secret.get_secret_value() == "from the file"
    assert config.warnings == ()


def test_relative_secret_path_starts_at_the_file_or_at_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "s").write_text("beside the file")
    (tmp_path / "s").write_text("in the working directory")
    path = tmp_path / "etc" / "muniment.toml"
    path.write_text('[http]\nsecret = "file:s"\n')
    monkeypatch.chdir(tmp_path)
    environ = {name: value for name, value in REQUIRED.items() if name != "MUNIMENT_HTTP__SECRET"}

    in_file = load(path, environ)
    in_environment = load(path, environ | {"MUNIMENT_HTTP__SECRET": "file:s"})

    assert in_file.http.secret is not None
    assert in_file.http.secret.get_secret_value() == "beside the file"
    assert in_environment.http.secret is not None
    assert in_environment.http.secret.get_secret_value() == "in the working directory"


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "cannot read {path}: No such file or directory"),
        (b"", "{path} is empty"),
        (b"\n", "{path} is empty"),
        (b"\xff" * 9, "{path} is not text in UTF-8"),
        (b"x" * 5000, "{path} is larger than 4096 bytes"),
    ],
)
def test_unusable_secret_file_is_reported(
    tmp_path: Path, content: bytes | None, problem: str
) -> None:
    path = tmp_path / "s"
    if content is not None:
        path.write_bytes(content)

    reported = problems({"MUNIMENT_XMPP__SECRET": f"file:{path}"})

    assert reported == [f"MUNIMENT_XMPP__SECRET: {problem.format(path=path)}"]


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("", "MUNIMENT_XMPP__SECRET: expected a secret, given an empty string"),
        (
            " x",
            "MUNIMENT_XMPP__SECRET: expected a secret without whitespace at its beginning and end",
        ),
        ("file:", "MUNIMENT_XMPP__SECRET: expected file:PATH, given no path"),
    ],
)
def test_empty_or_padded_secret_is_refused(value: str, problem: str) -> None:
    assert problems({"MUNIMENT_XMPP__SECRET": value}) == [problem]


@pytest.mark.parametrize("value", ["change-me", "Change-Me", "change-me-too"])
def test_example_secret_is_refused_with_advice(tmp_path: Path, value: str) -> None:
    (tmp_path / "s").write_text(f"{value}\n")

    [in_variable] = problems({"MUNIMENT_XMPP__SECRET": value})
    [in_file] = problems({"MUNIMENT_HTTP__SECRET": f"file:{tmp_path}/s"})

    for problem in (in_variable, in_file):
        assert "expected a secret of your own" in problem
        assert "/dev/urandom" in problem


def test_world_readable_secret_file_is_warned_about(tmp_path: Path) -> None:
    (tmp_path / "s").write_text("x")
    (tmp_path / "s").chmod(0o644)

    config = load(None, REQUIRED | {"MUNIMENT_XMPP__SECRET": f"file:{tmp_path}/s"})

    assert len(config.warnings) == 1
    assert config.warnings[0].startswith(
        f"{tmp_path}/s contains a secret and every user can read it"
    )


def test_world_readable_file_with_secrets_is_warned_about(tmp_path: Path) -> None:
    path = tmp_path / "muniment.toml"
    path.write_text(f'[xmpp]\nsecret = "{SECRET}"\n')
    path.chmod(0o644)

    open_to_all = load(path, REQUIRED).warnings
    path.chmod(0o600)

    assert [warning.startswith(f"{path} contains xmpp.secret") for warning in open_to_all] == [
        True
    ]
    assert load(path, REQUIRED).warnings == ()


@pytest.mark.parametrize(
    "text",
    [
        f'[xmpp]\nsecret = ["{SECRET}"]',
        f'[xmpp]\nsecrt = "{SECRET}"',
        f'xmpp = "{SECRET}"',
        f'secret = "{SECRET}"',
        f'[xmpp]\nsecret = "{SECRET}',
        f'[xmpp]\nsecret = "{SECRET}"\nport = "x"',
        f'[storage]\nurl = "postgresql://muniment:{SECRET}@db/muniment"',
    ],
)
def test_problem_shows_no_secret(tmp_path: Path, text: str) -> None:
    path = tmp_path / "muniment.toml"
    path.write_text(text)

    with pytest.raises(ConfigError) as caught:
        load(path, {})

    assert SECRET not in "".join(traceback.format_exception(caught.value))


def test_repr_of_a_configuration_hides_secrets() -> None:
    assert SECRET not in repr(load(None, REQUIRED))
