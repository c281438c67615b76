"""The command line: exit codes, the search for the configuration, and `check-config`."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from support.builders import entries
from support.command import run_command
from support.ports import free_port
from support.shell_blocks import OPERATIONS

from component import __version__, cli
from component.cli import exit_codes
from storage.open import open_storage

VALID = """
[xmpp]
jid = "muniment.example"
hosts = ["chat.example"]
secret = "s3cret"
[http]
secret = "other"
"""
#: A database in the working directory.
RELATIVE_STORAGE = """
[storage]
url = "sqlite:muniment.db"
"""


def free_ports_config() -> str:
    """Return a configuration whose ports are free: neither ejabberd nor Muniment listens there."""
    return VALID.replace("[http]", f"port = 1\n[http]\nport = {free_port()}")


#: Two distributions with a package of the same name, as pip and setuptools list their files.
COLLISION = {
    "first-1.0.dist-info": {
        "METADATA": "Metadata-Version: 2.1\nName: first\n",
        "RECORD": "first.py,,\nstorage/__init__.py,,\n",
    },
    "second-1.0.egg-info": {
        "PKG-INFO": "Metadata-Version: 2.1\nName: second\n",
        "top_level.txt": "storage\nsecond\n",
    },
    "third-1.0.dist-info": {
        "METADATA": "Metadata-Version: 2.1\nName: third\n",
        "RECORD": "third/storage/__init__.py,,\nstorage.py,,\n",
    },
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder, without variables and without a configuration of this machine."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("MUNIMENT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setattr(cli, "PLACES", (Path("muniment.toml"), tmp_path / "etc.toml"))
    return tmp_path


def write(path: Path, text: str = VALID) -> Path:
    """Write a file that only its owner can read."""
    path.write_text(text)
    path.chmod(0o600)
    return path


def run(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own."""
    return run_command(*arguments, environment={**os.environ, **environ}, folder=Path.cwd())


def test_version_is_printed() -> None:
    process = run("--version")

    assert (process.returncode, process.stdout) == (exit_codes.OK, f"muniment {__version__}\n")


@pytest.mark.parametrize("arguments", [(), ("srve",), ("serve", "--offline")])
def test_wrong_command_line_is_refused(arguments: tuple[str, ...]) -> None:
    process = run(*arguments)

    assert process.returncode == exit_codes.USAGE
    assert process.stderr.startswith("usage: muniment")


def test_help_lists_all_exit_codes() -> None:
    text = run("--help").stdout

    codes = {code for name, code in vars(exit_codes).items() if type(code) is int}
    assert codes == exit_codes.MEANINGS.keys()
    assert all(f"\n  {code} " in text for code in codes)


def test_operations_lists_all_exit_codes_in_the_words_of_help() -> None:
    chapter = OPERATIONS.read_text().replace("`", "").partition("\n## Exit codes\n")[2]
    rows = re.findall(r"^\| (\d+) \| (.+) \|$", chapter.partition("\n## ")[0], re.MULTILINE)

    assert {int(code): meaning for code, meaning in rows} == exit_codes.MEANINGS


def test_valid_configuration_passes_check_config(folder: Path) -> None:
    path = write(folder / "muniment.toml")

    process = run("check-config", "--offline", "--config", str(path))

    assert process.returncode == exit_codes.OK
    assert process.stdout.splitlines() == [
        f"ok  configuration: {path}",
        "ok  accounts: in ejabberd, which is not asked (accounts.api_url is not set)",
        "ok  packages: component and storage are Muniment's own",
    ]
    assert process.stderr == ""


def test_check_config_lists_hosts_and_operators(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = f"""{VALID}
    [hosts."chat.example"]
    never = ["bot@chat.example"]
    days = 0
    [operators.auditor]
    role = "reader"
    jid = "auditor@chat.example"
    secret = "s3cret-of-its-own"
    [operators.boss]
    role = "admin"
    secret = "another"
    """
    write(folder / "muniment.toml", text)

    cli.main(["check-config", "--offline"])

    assert capsys.readouterr().out.splitlines()[1:-1] == [
        'ok  host chat.example: never = ["bot@chat.example"], days = 0',
        "ok  operator auditor: reader, by auditor@chat.example and a secret",
        "ok  operator boss: admin, by a secret",
        "ok  accounts: in ejabberd, which is not asked (accounts.api_url is not set)",
    ]


def test_check_config_prints_a_line_for_each_problem(folder: Path) -> None:
    path = write(folder / "muniment.toml", VALID + "prot = 1\nport = 0\n")

    process = run("check-config", "--config", str(path))

    assert process.returncode == exit_codes.CONFIG_WRONG
    assert process.stdout.splitlines() == [
        f"bad {path}: http.port: expected a whole number from 1 to 65535, given 0",
        f"bad {path}: http.prot: unknown key, did you mean http.port?",
    ]


def test_serve_refuses_a_wrong_configuration(folder: Path) -> None:
    path = write(folder / "muniment.toml", VALID + "prot = 1\n")

    process = run("serve", MUNIMENT_CONFIG=str(path))

    assert process.returncode == exit_codes.CONFIG_WRONG
    assert process.stderr == f"muniment: {path}: http.prot: unknown key, did you mean http.port?\n"


def test_check_config_prints_warnings_and_succeeds(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(folder / "muniment.toml").chmod(0o644)

    code = cli.main(["check-config", "--offline"])

    assert code == exit_codes.OK
    assert "warn muniment.toml contains xmpp.secret and every user can read it" in (
        capsys.readouterr().out
    )


def test_missing_configuration_is_reported_with_the_searched_paths(
    capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    code = cli.main(["check-config", "--offline"])

    assert code == exit_codes.CONFIG_WRONG
    assert capsys.readouterr().out.splitlines() == [
        f"bad no configuration file found: looked for muniment.toml and {folder / 'etc.toml'}",
        "bad xmpp.jid: required, but missing",
        "bad xmpp.hosts: required, but missing",
        "bad xmpp.secret: required, but missing",
        'bad http.secret: required, but missing (http.authentication is "secret")',
    ]


@pytest.mark.parametrize(
    ("files", "arguments", "environ", "expected"),
    [
        ("etc", [], {}, "etc.toml"),
        ("etc muniment", [], {}, "muniment.toml"),
        ("etc muniment a", [], {"MUNIMENT_CONFIG": "a.toml"}, "a.toml"),
        ("etc muniment a b", ["--config", "b.toml"], {"MUNIMENT_CONFIG": "a.toml"}, "b.toml"),
        ("etc muniment", [], {"MUNIMENT_CONFIG": "a.toml"}, None),
    ],
)
def test_first_configuration_of_the_search_is_read(
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    files: str,
    arguments: list[str],
    environ: Mapping[str, str],
    expected: str | None,
) -> None:
    for name in files.split():
        write(folder / f"{name}.toml")
    for variable, value in environ.items():
        monkeypatch.setenv(variable, value)

    code = cli.main(["check-config", "--offline", *arguments])

    first = capsys.readouterr().out.splitlines()[0]
    if expected is None:
        assert (code, first) == (
            exit_codes.CONFIG_WRONG,
            "bad a.toml: cannot be read: No such file or directory",
        )
    else:
        assert code == exit_codes.OK
        assert first.startswith("ok  configuration: ")
        assert first.endswith(expected)


def test_packages_of_another_distribution_are_refused(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write(folder / "muniment.toml")
    for name, lists in COLLISION.items():
        (folder / name).mkdir()
        for file, text in lists.items():
            (folder / name / file).write_text(text)
    monkeypatch.syspath_prepend(folder)

    code = cli.main(["check-config", "--offline"])

    assert code == exit_codes.FAILED
    assert capsys.readouterr().out.splitlines()[-1] == (
        "bad package storage comes from first, second: "
        "install Muniment in an environment of its own"
    )


def test_check_config_reports_unreachable_services(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(folder / "muniment.toml", free_ports_config() + RELATIVE_STORAGE)

    code = cli.main(["check-config"])

    assert code == exit_codes.UNREACHABLE
    assert any(line.startswith("bad ") for line in capsys.readouterr().out.splitlines())


def test_closed_pipe_ends_the_report_without_traceback(folder: Path) -> None:
    path = write(folder / "muniment.toml")
    read_end, write_end = os.pipe()
    os.close(read_end)
    try:
        process = subprocess.run(
            [
                sys.executable,
                "-m",
                "component",
                "check-config",
                "--offline",
                "--config",
                str(path),
            ],
            env={**os.environ, "PYTHONPATH": str(Path(cli.__file__).parents[2])},
            stdout=write_end,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
    finally:
        os.close(write_end)

    assert (process.returncode, process.stderr) == (exit_codes.FAILED, "")


@pytest.mark.parametrize(
    ("mode", "is_warned"), [(0o644, True), (0o640, True), (0o660, True), (0o600, False)]
)
def test_check_config_warns_about_a_readable_store(
    folder: Path, capsys: pytest.CaptureFixture[str], mode: int, is_warned: bool
) -> None:
    write(folder / "muniment.toml", free_ports_config() + RELATIVE_STORAGE)
    (folder / "muniment.db").touch()
    (folder / "muniment.db").chmod(mode)

    cli.main(["check-config"])

    assert ("muniment.db holds the messages" in capsys.readouterr().out) is is_warned


#: Runs the check as a user other than root, in a working directory that is unreadable if one is
#: given. The modules are imported before that.
AS_NOBODY = """
import os, sys
from component import cli
from component.wiring import app
from component.wiring.doctor import checks
if sys.argv[1]:
    os.chdir(sys.argv[1])
    os.chmod(".", 0)
if os.geteuid() == 0:
    os.setuid(65534)
sys.exit(cli.main(["check-config", *sys.argv[2:]]))
"""


def as_nobody(hidden: Path | str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the check in an unreadable working directory, or in that of the tests."""
    return subprocess.run(
        [sys.executable, "-c", AS_NOBODY, hidden, *arguments],
        env={**os.environ, "PYTHONPATH": str(Path(cli.__file__).parents[2])},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def shared() -> Iterator[Path]:
    """Make a folder that every user can read."""
    with TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (
            'port = 1\n[storage]\nurl = "sqlite:/usr/muniment.db"',
            "bad storage: /usr cannot be written by this user",
        ),
        (
            'port = 1\n[storage]\nurl = "sqlite:/usr/muniment.db"',
            "warn storage: /usr belongs to root, and this check runs as ",
        ),
        (
            'port = 1\n[storage]\nurl = "sqlite:hidden/below/muniment.db"',
            "its folder does not exist, or is hidden from this user",
        ),
        (
            'address = "unix:/usr/http.sock"\n[storage]\nurl = "sqlite::memory:"',
            "bad http: unix:/usr/http.sock: /usr cannot be written by this user",
        ),
    ],
    ids=["not writable", "of another user", "hidden", "of a socket"],
)
def test_check_config_reports_an_unusable_folder(shared: Path, options: str, problem: str) -> None:
    (shared / "hidden").mkdir(mode=0o000)
    path = shared / "muniment.toml"
    path.write_text(f"{VALID}{options}\n")

    process = as_nobody("", "--config", str(path))

    assert process.returncode == exit_codes.UNREACHABLE, process.stderr
    assert problem in process.stdout


def test_unreadable_working_directory_is_skipped(shared: Path) -> None:
    """The working directory of root is unreadable for the user of the service."""
    hidden = shared / "hidden"
    hidden.mkdir()

    process = as_nobody(hidden, "--offline")

    assert "no configuration file" in process.stdout, process.stderr
    assert "Permission denied" not in process.stdout


async def _filled(folder: Path) -> None:
    async with open_storage(f"sqlite:{folder}/muniment.db") as storage:
        await storage.archive.append(entries(20))


def test_check_config_warns_about_unconfirmed_retention(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bounds = '[retention]\nmessages = 5\n[storage]\nurl = "sqlite:muniment.db"\n'
    path = write(folder / "muniment.toml", bounds + free_ports_config())
    asyncio.run(_filled(folder))

    for _ in range(2):
        cli.main(["check-config", "--config", str(path)])
        out = capsys.readouterr().out
        assert "warn retention: the retention limits would delete 15 messages of 1" in out
