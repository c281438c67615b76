"""`muniment doctor` beside a real ejabberd whose configuration lacks something."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from textwrap import indent
from typing import Any

import pytest
from support import mam
from support.command import run_command
from support.ejabberd import Account, Ejabberd
from support.external_component import connected
from support.muniment import Muniment
from support.pool import lent_ejabberd
from support.ports import LOOPBACK
from support.raw import Client
from support.releases import Release
from support.server import Server

#: What ejabberd says of its grants, and how it can be tested, differs between releases.
pytestmark = pytest.mark.every_ejabberd

OTHER, SECRET = "transport.test", "of both components"

#: As an operator adds a second component beside Muniment.
TWO_COMPONENTS = {
    'password: "change-me"': f"password: {SECRET}\n      {OTHER}:\n        password: {SECRET}"
}

DELEGATION = (
    '  mod_delegation:\n    namespaces:\n      "urn:xmpp:mam:2":\n        access: muniment\n'
)
DELEGATION_OF_ONE_HOST = (
    f"append_host_config:\n  one.test:\n    modules:\n{indent(DELEGATION, '    ')}"
)
SERVICE_LOG = "  mod_service_log:\n    loggers:\n      - archive.test\n"
ACL = "  muniment:\n    server: archive.test\n"
ROSTER = "    roster:\n      get: muniment\n"

ROOMS = "conference.one.test"


@dataclass
class Patient:
    """ejabberd and Muniment, whose faults come and go by reloads of ejabberd's configuration."""

    ejabberd: Ejabberd
    muniment: Muniment
    healthy: str = ""  #: ejabberd.yml without faults

    def configure(self, text: str) -> None:
        """Give ejabberd a configuration while it runs."""
        self.ejabberd.config_path.write_text(text)
        assert self.ejabberd.evaluate("ejabberd_config:reload()") == "ok"

    def without(self, *parts: str, instead: str = "") -> str:
        """Return the healthy configuration without some of its lines."""
        text = self.healthy
        for part in parts:
            assert part in text
            text = text.replace(part, instead)
        return text

    def faults(self, *, reconnect: bool = True) -> dict[str, Any]:
        """Return the faults that the running program finds, by the ids of their checks."""
        place = LOOPBACK, self.muniment.http_port
        path = f"/api/v1/doctor?reconnect={str(reconnect).lower()}"
        with closing(HTTPConnection(*place, timeout=60)) as connection:
            connection.request("POST", path, headers={"X-Api-Key": self.muniment.secret})
            answer = json.loads(connection.getresponse().read())
        return faults(answer["findings"])


def run(name: str, config: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run a real command with a configuration."""
    return run_command(name, "--config", str(config), *options)


def faults(findings: list[dict[str, Any]]) -> dict[str, Any]:
    """Return errors and warnings by the ids of their checks."""
    return {f["check"]: f for f in findings if f["severity"] in ("error", "warning")}


@pytest.fixture(scope="module")
def patient(release: Release, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Patient]:
    folder = tmp_path_factory.mktemp("doctor")
    options: Mapping[str, Mapping[str, Any]] = {"archive": {"room_services": [ROOMS]}}
    with (
        Ejabberd(folder / "ejabberd", release, changes=TWO_COMPONENTS, secret=SECRET) as ejabberd,
        Muniment(folder / "muniment", ejabberd, options=options) as muniment,
    ):
        yield Patient(ejabberd, muniment, ejabberd.config_path.read_text())


@pytest.fixture(autouse=True)
def _healthy(patient: Patient) -> Iterator[None]:
    """Mend ejabberd after each test, after which the doctor must find nothing."""
    yield
    if patient.ejabberd.config_path.read_text() != patient.healthy:
        patient.configure(patient.healthy)
        assert patient.faults() == {}


def test_healthy_installation_has_no_faults(patient: Patient) -> None:
    done = run("doctor", patient.muniment.config_path)

    assert done.returncode == 0, done.stdout
    assert "All is well" in done.stdout
    assert "ok       delegation" in done.stdout


@pytest.mark.parametrize("instead", ["", SERVICE_LOG.replace("archive.test", OTHER)])
def test_missing_copies_are_found(patient: Patient, instead: str) -> None:
    """By a message of Muniment's own, which 23.01 does not copy."""
    patient.configure(patient.without(SERVICE_LOG, instead=instead))
    findings = patient.faults()

    if not patient.ejabberd.release.has_iq_privilege:
        assert findings == {}
        return
    assert set(findings) == {"copies"}
    assert findings["copies"]["severity"] == "error"
    assert findings["copies"]["options"] == {
        "modules": {"mod_service_log": {"loggers": ["archive.test"]}}
    }


async def test_missing_copies_are_found_by_a_query_of_a_user(patient: Patient) -> None:
    """On every release: mod_service_log copies queries too."""
    patient.configure(patient.without(SERVICE_LOG))
    patient.faults()
    alice = Account("alice", "one.test", SECRET)
    patient.ejabberd.register(alice)
    async with Client(alice, patient.ejabberd.ports.c2s) as hers:
        await mam.bodies(hers)

    line = "copies: one.test"
    patient.muniment.wait_until(lambda: line in patient.muniment.log, "names the fault")
    patient.muniment.wait_until(lambda: not patient.muniment.is_ready(), "is not ready")


def test_missing_delegation_is_found(patient: Patient) -> None:
    patient.configure(patient.without(DELEGATION))
    findings = patient.faults()

    assert set(findings) == {"delegation"}
    assert "one.test, two.test" in findings["delegation"]["seen"]
    assert findings["delegation"]["options"]["modules"] == {
        "mod_delegation": {"namespaces": {"urn:xmpp:mam:2": {"access": "muniment"}}}
    }


def test_host_without_a_delegation_of_its_own_keeps_the_program_ready(patient: Patient) -> None:
    """It may be deliberate: the other host has the module."""
    patient.configure(f"{patient.without(DELEGATION)}\n{DELEGATION_OF_ONE_HOST}")
    findings = patient.faults()

    assert set(findings) == {"delegation"}
    assert findings["delegation"]["severity"] == "warning"
    assert findings["delegation"]["seen"].startswith("two.test: ")
    assert patient.muniment.is_ready()


def test_missing_acl_is_found(patient: Patient) -> None:
    patient.configure(patient.without(ACL))
    findings = patient.faults()

    assert {"delegation", "privilege-message", "roster"} <= set(findings)
    for check in ("delegation", "privilege-message", "roster"):
        assert findings[check]["options"]["acl"] == {"muniment": {"server": "archive.test"}}


def test_missing_mod_privilege_is_found(patient: Patient) -> None:
    privilege = patient.healthy[patient.healthy.index("  mod_privilege:") :]
    patient.configure(patient.without(privilege))
    findings = patient.faults()

    assert {"privilege-message", "roster"} <= set(findings)
    assert "delegation" not in findings


def test_missing_privilege_for_rosters_is_a_warning(patient: Patient) -> None:
    patient.configure(patient.without(ROSTER))
    findings = patient.faults()

    assert set(findings) == {"roster"}
    assert findings["roster"]["severity"] == "warning"


def test_missing_privilege_for_rooms_is_found(patient: Patient) -> None:
    if not patient.ejabberd.release.has_iq_privilege:
        assert patient.faults() == {}  # older releases need none
        return
    start = patient.healthy.index("    iq:\n")
    patient.configure(patient.without(patient.healthy[start:]))
    findings = patient.faults()

    assert set(findings) == {"rooms"}
    assert findings["rooms"]["options"]["modules"]["mod_privilege"] == {
        "iq": {"http://jabber.org/protocol/disco#info": {"get": "muniment"}}
    }


def test_mod_mam_beside_muniment_is_a_warning(patient: Patient) -> None:
    patient.configure(patient.without("  mod_vcard: {}", instead="  mod_vcard: {}\n  mod_mam: {}"))
    findings = patient.faults()

    assert set(findings) == {"mod-mam"}
    assert "one.test, two.test" in findings["mod-mam"]["seen"]


def test_log_names_each_fault_once_for_each_connection(patient: Patient) -> None:
    patient.configure(patient.without(DELEGATION))
    before = patient.muniment.log.count("delegation: one.test")
    patient.faults()
    patient.faults(reconnect=False)

    assert patient.muniment.log.count("delegation: one.test") == before + 1
    assert not patient.muniment.is_ready()


def test_check_config_names_the_faults(patient: Patient) -> None:
    patient.configure(patient.without(DELEGATION))
    patient.faults()
    for options in ([], ["--live"]):
        done = run("check-config", patient.muniment.config_path, *options)

        assert done.returncode == 75
        assert "bad delegation: one.test, two.test: urn:xmpp:mam:2 is not delegated" in done.stdout
        assert "mod_delegation: {namespaces: " in done.stdout


def test_command_says_what_to_change_until_it_is_mended(patient: Patient) -> None:
    config = patient.muniment.config_path
    patient.configure(patient.without(DELEGATION))
    text = run("doctor", config, "--reconnect")
    data = run("doctor", config, "--json")
    patient.configure(patient.healthy)
    mended = run("doctor", config, "--json", "--reconnect")

    assert (text.returncode, data.returncode, mended.returncode) == (1, 1, 0)
    assert "mod_delegation:\n" in text.stdout
    assert "1 error, 0 warnings." in text.stdout
    assert "ejabberdctl reload_config" in text.stdout
    findings = json.loads(data.stdout)
    assert findings["summary"]["error"] == 1
    assert faults(findings["findings"])["delegation"]["options"]["acl"]
    assert faults(json.loads(mended.stdout)["findings"]) == {}


async def test_connection_that_takes_our_stanzas_is_found(
    tmp_path: Path, release: Release
) -> None:
    """ejabberd is restarted, because a reload does not surely restart a listener."""
    without = {**TWO_COMPONENTS, "    global_routes: false\n": ""}
    folder = tmp_path / "ejabberd"
    with Ejabberd(folder, release, changes=without, secret=SECRET) as ejabberd:
        ports = ejabberd.ports
        with Muniment(tmp_path / "muniment", ejabberd) as muniment:
            patient = Patient(ejabberd, muniment)
            async with connected(ports.component, OTHER, SECRET):
                findings = patient.faults()
            ejabberd.stop()
            changes = TWO_COMPONENTS
            with Ejabberd(folder, release, ports=ports, changes=changes, secret=SECRET):
                async with connected(ports.component, OTHER, SECRET):
                    mended = patient.faults(reconnect=False)

    assert set(findings) == {"global-routes"}
    assert findings["global-routes"]["options"] == {
        "listen": [{"module": "ejabberd_service", "global_routes": False}]
    }
    assert mended == {}


def test_wrong_virtual_host_is_found_without_a_running_muniment(
    tmp_path: Path, release: Release
) -> None:
    with lent_ejabberd(tmp_path / "ejabberd", release) as ejabberd:
        muniment = Muniment(tmp_path / "muniment", ejabberd)
        muniment.configure("xmpp", hosts=["one.test", "wrong.test"])
        muniment.write_config()
        wrong = run("doctor", muniment.config_path, "--json")
        muniment.configure("xmpp", hosts=list(ejabberd.hosts))
        muniment.write_config()
        mended = run("doctor", muniment.config_path, "--json")

    findings = faults(json.loads(wrong.stdout)["findings"])
    assert (wrong.returncode, set(findings)) == (1, {"virtual-host"})
    assert findings["virtual-host"]["seen"].startswith("wrong.test: ")
    assert mended.returncode == 0, mended.stdout


def test_muniment_that_does_not_answer_is_not_disturbed(own_server: Server) -> None:
    """A second connection would end the privileges of the first."""
    muniment = own_server.muniment
    config = muniment.config_path.read_text()
    elsewhere = muniment.folder / "elsewhere.toml"
    elsewhere.touch(mode=0o600)
    elsewhere.write_text(config.replace(f"port = {muniment.http_port}", "port = 1"))

    done = run("doctor", elsewhere)

    assert done.returncode == 2, done.stdout
    assert "does not answer at http.address" in done.stderr
    assert muniment.log.count("connected to") == 1
