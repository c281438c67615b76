"""`muniment ejabberd-config`: the options of ejabberd.yml for a release and a configuration."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest
from support.ejabberd import EXAMPLE, IQ_PRIVILEGE, USER_IQ_PRIVILEGE
from support.releases import versions

from component import cli
from component.cli.exit_codes import CONFIG_WRONG, OK, USAGE
from component.config import load
from component.config.ejabberd_yml import NEWEST, OLDEST, Source, blocks, text, version

ROOT = Path(__file__).parents[2]
TOML = """
[xmpp]
jid = "muniment.example"
hosts = ["chat.example", "team.example"]
secret = "file:xmpp-secret"
[http]
secret = "other"
"""
ROOMS = '[archive]\nroom_services = ["conference.chat.example"]\n'
API = '[accounts]\napi_url = "http://127.0.0.1:5280/api"\n'
API_USER = f'{API}api_user = "boss@chat.example"\napi_password = "pencil"\n'
STORE = '[accounts]\nsource = "store"\n'
DISCO = "http://jabber.org/protocol/disco#info"
PUBSUB = "http://jabber.org/protocol/pubsub"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder that has the secret of the component."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("MUNIMENT_")]:
        monkeypatch.delenv(name)
    (tmp_path / "xmpp-secret").write_text("of the component\n")
    (tmp_path / "xmpp-secret").chmod(0o600)
    return tmp_path


def run(*arguments: str, toml: str = TOML) -> int:
    """Give the command, with a configuration."""
    path = Path("muniment.toml")
    path.write_text(toml)
    path.chmod(0o600)
    return cli.main(["ejabberd-config", *arguments])


def options(
    capsys: pytest.CaptureFixture[str], release: str, *arguments: str, toml: str = TOML
) -> dict:  # type: ignore[type-arg]
    """Return the printed options."""
    assert run(release, "--json", *arguments, toml=toml) == OK
    return json.loads(capsys.readouterr().out)["options"]  # type: ignore[no-any-return]


def without_comments(lines: str) -> str:
    return "\n".join(
        line for line in lines.splitlines() if line.strip() and not line.lstrip().startswith("##")
    )


@pytest.mark.parametrize("release", versions())
def test_example_has_the_printed_options(release: str) -> None:
    """The example equals the printed options, line by line."""
    toml = TOML.replace('"file:xmpp-secret"', '"s3cret"') + ROOMS
    Path("muniment.toml").write_text(toml)
    parts = blocks(version(release), Source(load(Path("muniment.toml"), {}), "nowhere"))
    example = EXAMPLE.read_text()
    if release >= "24.10":
        example = example.replace(IQ_PRIVILEGE, IQ_PRIVILEGE.replace("# ", ""))
    if release >= "25.03":
        example = example.replace(USER_IQ_PRIVILEGE, USER_IQ_PRIVILEGE.replace("# ", ""))
    example = re.sub(r"\n +# .*", "", without_comments(example))

    for section in re.split(r"\n(?=\w)", without_comments(text(parts, []))):
        key, _, lines = section.partition("\n")
        for block in re.split(r"\n(?=  [\w-])", lines):
            assert f"\n{key}\n" in example
            assert f"\n{block}\n" in f"{example}\n", block


@pytest.mark.parametrize("release", ["23.01", "23.10", "24.07"])
def test_releases_without_iqs_by_privilege_are_not_given_the_option(
    capsys: pytest.CaptureFixture[str], release: str
) -> None:
    assert "iq" not in options(capsys, release, toml=TOML + ROOMS)["modules"]["mod_privilege"]


@pytest.mark.parametrize("release", ["24.10", "24.12-3+deb13u2", "25.04", "26.07"])
def test_iqs_to_rooms_are_granted_where_rooms_have_archives(
    capsys: pytest.CaptureFixture[str], release: str
) -> None:
    with_rooms = options(capsys, release, toml=TOML + ROOMS)["modules"]["mod_privilege"]
    without_rooms = options(capsys, release)["modules"]["mod_privilege"]

    assert with_rooms["iq"][DISCO] == {"get": "muniment"}
    assert DISCO not in without_rooms.get("iq", {})


@pytest.mark.parametrize(
    ("release", "is_granted"),
    [("24.10", False), ("24.12", False), ("25.03", True), ("26.07", True)],
)
def test_iqs_of_users_are_granted_from_the_first_release_that_answers_them(
    capsys: pytest.CaptureFixture[str], release: str, is_granted: bool
) -> None:
    granted = options(capsys, release)["modules"]["mod_privilege"].get("iq", {})

    assert granted == ({PUBSUB: {"get": "muniment"}} if is_granted else {})


def test_secret_is_not_printed_but_its_file_is_named(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("26.07") == OK

    printed = capsys.readouterr().out
    assert "of the component" not in printed
    assert 'password: "change-me"' in printed
    assert f"content of {folder / 'xmpp-secret'}" in printed.replace("\n  ## ", " ")


def test_literal_secrets_are_not_printed_but_their_options_are_named(
    capsys: pytest.CaptureFixture[str],
) -> None:
    toml = TOML.replace("file:xmpp-secret", "s3cret") + API_USER

    assert run("26.07", toml=toml) == OK

    printed = capsys.readouterr().out
    assert not re.search("s3cret|other'|pencil", printed)
    assert "value of xmpp.secret in muniment.toml" in printed.replace("\n  ## ", " ")


def test_secret_of_a_variable_is_not_printed_but_the_variable_is_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MUNIMENT_XMPP__SECRET", "s3cret")

    assert run("26.07") == OK

    printed = capsys.readouterr().out
    assert "s3cret" not in printed
    assert "value of MUNIMENT_XMPP__SECRET" in printed.replace("\n  ## ", " ")


def test_listener_has_address_and_port_of_the_configuration(
    capsys: pytest.CaptureFixture[str],
) -> None:
    toml = TOML.replace("[xmpp]", '[xmpp]\naddress = "10.0.0.7"\nport = 6000')

    [listener] = options(capsys, "26.07", toml=toml)["listen"]

    assert (listener["ip"], listener["port"]) == ("10.0.0.7", 6000)
    assert listener["hosts"] == {"muniment.example": {"password": "change-me"}}


def test_host_name_is_no_address_that_ejabberd_would_listen_on(
    capsys: pytest.CaptureFixture[str],
) -> None:
    toml = TOML.replace("[xmpp]", '[xmpp]\naddress = "xmpp.lan"')

    [listener] = options(capsys, "26.07", toml=toml)["listen"]

    assert listener["ip"] == "the IP address of xmpp.lan"


def test_accounts_are_asked_by_address(capsys: pytest.CaptureFixture[str]) -> None:
    printed = options(capsys, "26.07", toml=TOML + API)

    assert printed["listen"][1]["request_handlers"] == {"/api": "mod_http_api"}
    [permission] = printed["api_permissions"].values()
    assert permission["who"] == {"ip": "127.0.0.1/32"}
    assert "check_password" in permission["what"]
    assert printed["hide_sensitive_log_data"] is True
    assert "mod_admin_extra" in printed["modules"]
    assert "configure" not in printed["access_rules"]


@pytest.mark.parametrize(("release", "has_bans"), [("24.12", False), ("26.07", True)])
def test_bans_are_permitted_where_ejabberd_tells_of_them(
    capsys: pytest.CaptureFixture[str], release: str, has_bans: bool
) -> None:
    printed = options(capsys, release, toml=TOML + API)

    [permission] = printed["api_permissions"].values()
    assert (
        {"get_ban_details", "ban_account", "unban_account"} <= set(permission["what"])
    ) == has_bans


@pytest.mark.parametrize(("release", "has_rule"), [("26.04", False), ("26.07", True)])
def test_account_of_the_api_is_given_the_rule_that_new_releases_demand(
    capsys: pytest.CaptureFixture[str], release: str, has_rule: bool
) -> None:
    printed = options(capsys, release, toml=TOML + API_USER)

    [permission] = printed["api_permissions"].values()
    assert permission["who"] == {"user": "boss@chat.example"}
    assert ("configure" in printed["access_rules"]) == has_rule


@pytest.mark.parametrize(("release", "has_check"), [("23.01", False), ("23.10", True)])
def test_external_authentication_is_printed_on_request(
    folder: Path, capsys: pytest.CaptureFixture[str], release: str, has_check: bool
) -> None:
    printed = options(capsys, release, "--extauth", toml=TOML + STORE)

    assert printed["auth_method"] == "external"
    assert printed["extauth_program"].endswith(f"muniment extauth --config {folder}/muniment.toml")
    assert printed["auth_use_cache"] is False
    assert ("auth_external_user_exists_check" in printed) == has_check


def test_access_tokens_are_mentioned_where_users_can_sign_in(
    capsys: pytest.CaptureFixture[str],
) -> None:
    tokens = '[tokens]\nkey_file = "key.json"\n'
    assert run("26.07", toml=TOML + tokens) == OK
    assert "muniment token-key" in capsys.readouterr().out

    # muniment extauth accepts access tokens already.
    for arguments, toml in ((["26.07"], TOML), (["26.07", "--extauth"], TOML + STORE + tokens)):
        assert run(*arguments, toml=toml) == OK
        assert "token-key" not in capsys.readouterr().out


def test_external_authentication_is_mentioned_where_accounts_are_in_the_store(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert "auth_method" not in options(capsys, "26.07", toml=TOML + STORE)

    run("26.07", toml=TOML + STORE)

    assert "--extauth" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("toml", "message"),
    [
        (TOML, 'accounts.source is "ejabberd"'),
        (TOML.replace("[http]", "[http]\nenabled = false") + STORE, "http.enabled is false"),
    ],
)
def test_external_authentication_that_would_refuse_everybody_is_refused(
    capsys: pytest.CaptureFixture[str], toml: str, message: str
) -> None:
    assert run("26.07", "--extauth", toml=toml) == CONFIG_WRONG

    assert message in capsys.readouterr().err


def test_rosters_of_the_store_need_no_privilege(capsys: pytest.CaptureFixture[str]) -> None:
    toml = f'{TOML}[rosters]\nsource = "store"\n'

    assert "roster" not in options(capsys, "26.07", toml=toml)["modules"]["mod_privilege"]


@pytest.mark.parametrize(
    ("release", "message"),
    [
        ("22.05", f"too old: Muniment needs {OLDEST} or newer"),
        ("26.08", f"does not know ejabberd 26.08: try it with the options for {NEWEST}"),
        ("newest", "expected a release of ejabberd, such as 26.07, given 'newest'"),
        ("24.13", "expected a release of ejabberd"),
    ],
)
def test_unknown_release_is_refused(
    capsys: pytest.CaptureFixture[str], release: str, message: str
) -> None:
    with pytest.raises(SystemExit) as ending:
        run(release)

    assert ending.value.code == USAGE
    assert message in " ".join(capsys.readouterr().err.split())


def test_tested_releases_are_the_known_ones() -> None:
    assert (versions()[0], versions()[-1]) == (str(OLDEST), str(NEWEST))


def test_several_processes_have_two_domains_each(capsys: pytest.CaptureFixture[str]) -> None:
    several = TOML.replace('jid = "muniment.example"', 'jid = "a.example"').replace(
        "[http]", 'processes = ["a.example", "b.example"]\n[http]'
    )
    several += '[storage]\nurl = "postgresql://muniment@db.example/muniment"\n'
    printed = options(capsys, "26.07", toml=several)

    queries = ["queries.a.example", "queries.b.example"]
    domains = ["a.example", "b.example", *queries]
    assert list(printed["listen"][0]["hosts"]) == domains
    assert printed["acl"]["muniment"] == {"server": domains}
    assert printed["acl"]["muniment_queries"] == {"server": queries}
    assert printed["access_rules"]["muniment_queries"] == {"allow": "muniment_queries"}
    modules = printed["modules"]
    assert modules["mod_service_log"] == {"loggers": ["a.example", "b.example"]}
    delegated = {"urn:xmpp:mam:2": {"access": "muniment_queries"}}
    assert modules["mod_delegation"] == {"namespaces": delegated}
    assert modules["mod_privilege"]["message"] == {"outgoing": "muniment"}
