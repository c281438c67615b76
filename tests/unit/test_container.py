"""The Dockerfile and the compose file agree with each other, with the unit and with the code."""

from __future__ import annotations

import re
import stat
import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from support.command import ROOT
from support.compose import FOLDER, VARIABLE, compose, content
from support.shell_blocks import OPERATIONS

from component.config import Config, load
from component.config.ejabberd_yml import NEWEST, Source, blocks, merged
from component.wiring.app import END_SECONDS

VALUES = {
    "XMPP_HOST": "chat.example",
    "XMPP_SECRET": "the secret of the component",
}

#: Secrets that the engine puts into files.
SECRETS = ("xmpp-secret", "http-secret", "postgres-password")


@pytest.fixture(scope="module")
def container() -> ModuleType:
    """The script that tries the Dockerfile."""
    spec = spec_from_file_location("container", ROOT / "scripts" / "container.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    # Its dataclasses look their module up.
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def last_stage(container: ModuleType) -> list[tuple[str, str]]:
    """The instructions of the stage that becomes the image."""
    found = list(container.instructions((ROOT / "Dockerfile").read_text()))
    start = max(index for index, (name, _) in enumerate(found) if name == "FROM")
    return found[start:]


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """The configuration in the compose file, with files of secrets."""
    text = content(VALUES, "muniment")
    for name in SECRETS:
        assert f"file:/run/secrets/{name}" in text
        secret = tmp_path / name
        secret.write_text(name)
        secret.chmod(0o600)
    path = tmp_path / "muniment.toml"
    path.write_text(text.replace("/run/secrets", str(tmp_path)))
    path.chmod(0o600)
    return load(path, {})


def test_image_runs_without_root_and_has_a_health_check(
    last_stage: list[tuple[str, str]],
) -> None:
    names = dict(last_stage)

    assert re.fullmatch(r"(\d+):\1", names["USER"])
    number = names["USER"].partition(":")[0]
    assert f"groupadd --system --gid {number} muniment " in names["RUN"]
    assert f"useradd --system --uid {number} --gid muniment " in names["RUN"]
    assert names["VOLUME"] == '["/var/lib/muniment"]'
    assert "/health/live" in names["HEALTHCHECK"]
    assert names["ENTRYPOINT"] == '["muniment"]'


def test_context_has_what_the_wheel_needs_and_no_secrets_or_tests(container: ModuleType) -> None:
    names = container.context()

    shared = (ROOT / "pyproject.toml").read_text().partition(".shared-data]\n")[2]
    sources = re.findall(r'^"(.+?)" = ', shared.partition("\n[")[0], re.MULTILINE)
    assert sources
    assert [path for path in sources if not any(name.startswith(path) for name in names)] == []
    assert {"component/__init__.py", "uv.lock", "LICENSE"} <= set(names)
    assert not any(name.startswith(("tests", ".git", ".venv")) for name in names)
    assert not any(name.endswith(".env") for name in names)


def test_script_makes_the_variables_of_the_compose_file_and_keeps_them(tmp_path: Path) -> None:
    script = tmp_path / "make-env"
    script.write_bytes((FOLDER / "make-env").read_bytes())
    script.chmod(0o700)

    made = subprocess.run([script, "chat.example"], capture_output=True, text=True, check=True)
    again = subprocess.run([script, "x.example"], capture_output=True, text=True, check=False)

    assert made.stdout == made.stderr == ""
    path = tmp_path / ".env"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    values = dict(line.split("=", 1) for line in path.read_text().splitlines())
    text = (FOLDER / "compose.yml").read_text()
    of_secrets = set(re.findall(r"^    environment: ([A-Z_]+)$", text, re.MULTILINE))
    assert set(values) == set(VARIABLE.findall(text)) | of_secrets
    assert values["XMPP_HOST"] == "chat.example"
    secrets = [value for name, value in values.items() if name != "XMPP_HOST"]
    assert len(set(secrets)) == 3
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{32}", secret) for secret in secrets)
    assert again.returncode == 1
    assert ".env exists" in again.stderr


def test_muniment_has_less_rights_and_time_to_write_what_it_has_received() -> None:
    services = compose(VALUES)["services"]
    muniment = services["muniment"]

    assert muniment["cap_drop"] == ["ALL"]
    assert muniment["read_only"] is True
    assert "ports" not in muniment
    assert int(muniment["stop_grace_period"].removesuffix("s")) > END_SECONDS
    assert "ports" not in services["postgres"]
    for published in services["ejabberd"]["ports"]:
        assert published.startswith("127.0.0.1:")


def test_services_name_things_that_exist() -> None:
    file = compose(VALUES)

    for service in file["services"].values():
        assert set(service["networks"]) <= set(file["networks"])
        assert set(service.get("secrets", ())) <= set(file["secrets"])
        assert {used["source"] for used in service.get("configs", ())} <= set(file["configs"])
        assert {used.partition(":")[0] for used in service["volumes"]} <= set(file["volumes"])
        assert set(service.get("depends_on", ())) <= set(file["services"])


def test_configuration_of_muniment_is_accepted_and_names_the_services(config: Config) -> None:
    services = compose(VALUES)["services"]

    assert config.warnings == ()
    assert config.xmpp.address in services
    assert config.storage.is_postgresql
    assert "@postgres/" in config.storage.url
    assert "postgres" in services


def test_ejabberd_has_the_options_that_muniment_prints(config: Config) -> None:
    options: dict[str, Any] = yaml.safe_load(content(VALUES, "ejabberd"))
    printed = merged(blocks(NEWEST, Source(config, component_secret="")))
    (component,) = printed.pop("listen")
    (listener,) = (entry for entry in options["listen"] if entry["module"] == "ejabberd_service")

    # The network of the containers is the private one, and the password is not the placeholder.
    expected = {**component, "ip": "::"}
    expected["hosts"] = {config.xmpp.jid: {"password": VALUES["XMPP_SECRET"]}}
    assert listener == expected
    for section, values in printed.items():
        assert {key: options[section][key] for key in values} == values
    assert "mod_mam" not in options["modules"]
    image = compose(VALUES)["services"]["ejabberd"]["image"]
    assert image.endswith(f":{NEWEST}")


def test_operations_have_the_commands() -> None:
    chapter = OPERATIONS.read_text().partition("\n### Container\n")[2].partition("\n### ")[0]

    assert "./make-env chat.example\n" in chapter
    assert "docker build --tag muniment .\n" in chapter
    assert "make container" in chapter
