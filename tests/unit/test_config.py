"""The configuration: options, defaults, paths, and the wording of problems."""

from __future__ import annotations

import json
from ipaddress import ip_network
from pathlib import Path

import pytest
from pydantic import ValidationError
from support.configuration import REQUIRED, problems, read, write

from component.config import SECTIONS, ConfigError, load
from component.config.sections import Storage
from component.config.types import LoadContext


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a folder for the file, and another one as the working directory."""
    (tmp_path / "etc").mkdir()
    (tmp_path / "cwd").mkdir()
    monkeypatch.chdir(tmp_path / "cwd")
    return tmp_path / "etc"


def test_unset_options_have_their_defaults(folder: Path) -> None:
    config = read(folder)

    assert config.xmpp.hosts == ("chat.example", "team.example")
    assert config.xmpp.secret.get_secret_value() == "s3cret"
    assert (config.xmpp.port, config.http.port) == (5275, 5281)
    assert config.http.allow_from == (ip_network("127.0.0.0/8"), ip_network("::1/128"))
    assert (config.log.level, config.log.format) == ("info", "text")
    assert config.warnings == ()


def test_configuration_is_immutable(folder: Path) -> None:
    config = read(folder)

    with pytest.raises(ValidationError, match="frozen"):
        config.http.port = 1


def test_unknown_key_is_refused_with_a_suggestion(folder: Path) -> None:
    reported = problems(folder, REQUIRED + "prot = 1\n[archvie]\n")

    assert reported == [
        "archvie: unknown section, did you mean archive?",
        "http.prot: unknown key, did you mean http.port?",
    ]


def test_problem_starts_with_the_file(folder: Path) -> None:
    path = write(folder, REQUIRED + "prot = 1\n")

    with pytest.raises(ConfigError) as caught:
        load(path, {})

    assert str(caught.value) == f"{path}: http.prot: unknown key, did you mean http.port?"


def test_all_problems_are_reported_at_once(folder: Path) -> None:
    reported = problems(folder, 'name = 1\nlog = "json"\n[http]\nport = "80"\nenabled = 1\n')

    assert reported == [
        "name: unknown key (keys belong below their [section])",
        "log: expected a section, [log], given a string",
        "xmpp.jid: required, but missing",
        "xmpp.hosts: required, but missing",
        "xmpp.secret: required, but missing",
        "http.enabled: expected true or false, given 1",
        'http.port: expected a whole number from 1 to 65535, given "80"',
    ]


@pytest.mark.parametrize(
    ("section", "line", "problem"),
    [
        ("xmpp", "port = 0", "xmpp.port: expected a whole number from 1 to 65535, given 0"),
        ("xmpp", "port = 1.5", "xmpp.port: expected a whole number from 1 to 65535, given 1.5"),
        ("xmpp", "port = true", "xmpp.port: expected a whole number from 1 to 65535, given true"),
        ("xmpp", "port = [1]", "xmpp.port: expected a whole number from 1 to 65535, given a list"),
        ("xmpp", "drain_seconds = inf", "xmpp.drain_seconds: expected a number from 0 to 10"),
        ("xmpp", "drain_seconds = nan", "xmpp.drain_seconds: expected a number from 0 to 10"),
        ("xmpp", 'address = "a b"', "xmpp.address: expected a host name or an IP address"),
        (
            "storage",
            'synchronous = "off"',
            'storage.synchronous: expected one of "full", "normal"',
        ),
        ("storage", 'url = "sqlite:"', "storage.url: expected sqlite:PATH"),
        (
            "storage",
            'url = "sqlite:///x.db"',
            "storage.url: expected sqlite:PATH, without //",
        ),
        (
            "storage",
            'url = "postgresql://muniment:word@db/muniment"',
            "storage.url: expected a URL without a password",
        ),
        (
            "storage",
            'url = "postgresql://muniment@db"',
            "storage.url: expected postgresql://USER@HOST:PORT/DATABASE",
        ),
        ("storage", "connections = 0", "storage.connections: expected a whole number from 1"),
        ("archive", "page_max = 20", "archive.page_max: 20 is below archive.page_default (50)"),
        ("http", 'address = "unix:"', "http.address: expected a host name or an IP address"),
        (
            "http",
            'prefix = "api/"',
            "http.prefix: expected a path such as /api, or an empty string",
        ),
        ("http", 'allow_from = "::1"', 'http.allow_from: expected a list of strings, given "::1"'),
        ("http", "allow_from = []", "http.allow_from: expected at least one, given an empty list"),
        ("http", 'allow_from = ["::1", "10.0.0.1/8"]', "http.allow_from[1]: expected a network"),
        ("log", "level = 1979-05-27", "log.level: expected one of"),
    ],
)
def test_wrong_value_is_refused_with_the_expected_values(
    folder: Path, section: str, line: str, problem: str
) -> None:
    text = REQUIRED if f"[{section}]" in REQUIRED else f"{REQUIRED}[{section}]\n"
    text = text.replace(f"[{section}]\n", f"[{section}]\n{line}\n")

    reported = problems(folder, text)

    assert len(reported) == 1
    assert reported[0].startswith(problem)


@pytest.mark.parametrize(
    ("hosts", "problem"),
    [
        ("[]", "xmpp.hosts: expected at least one, given an empty list"),
        ('"chat.example"', 'xmpp.hosts: expected a list of strings, given "chat.example"'),
        ('["a.example", "Chat.example"]', "xmpp.hosts[1]: expected a domain in lower case"),
        ('["user@chat.example"]', "xmpp.hosts[0]: expected a domain, such as chat.example"),
        ('["chat.example."]', "xmpp.hosts[0]: expected a domain, such as chat.example"),
        ('["a.example", "a.example"]', "xmpp.hosts: a virtual host is listed twice"),
        ('["muniment.example"]', "xmpp.hosts: muniment.example is the component itself"),
    ],
)
def test_hosts_are_the_virtual_hosts_of_ejabberd(folder: Path, hosts: str, problem: str) -> None:
    reported = problems(folder, REQUIRED.replace('["chat.example", "team.example"]', hosts))

    assert len(reported) == 1
    assert reported[0].startswith(problem)


def test_domain_may_have_letters_of_any_script(folder: Path) -> None:
    config = read(folder, REQUIRED.replace("chat.example", "bücher.example"))

    assert config.xmpp.hosts[0] == "bücher.example"


@pytest.mark.parametrize("text", ["[xmpp", "jid = 1\njid = 2", "x = " + "9" * 5000])
def test_file_without_toml_is_refused_by_name(folder: Path, text: str) -> None:
    reported = problems(folder, text)

    assert len(reported) == 1
    assert reported[0].startswith("not a TOML file: ")


def test_file_without_utf_8_is_refused_by_name(folder: Path) -> None:
    path = folder / "muniment.toml"
    path.write_bytes(b'secret = "\xff"')

    with pytest.raises(ConfigError, match="not a TOML file: not in UTF-8"):
        load(path, {})


def test_missing_file_is_reported(folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.toml: cannot be read: No such file"):
        load(folder / "none.toml", {})


def test_http_secret_is_required_for_secret_authentication_only(folder: Path) -> None:
    without = REQUIRED.replace('secret = "other"', "")

    assert problems(folder, without) == [
        'http.secret: required, but missing (http.authentication is "secret")'
    ]
    assert read(folder, f"{without}enabled = false").http.secret is None
    assert read(folder, f'{without}authentication = "network"').http.secret is None


@pytest.mark.parametrize("network", ["0.0.0.0/0", "::/0"])
def test_network_authentication_for_all_addresses_is_refused(folder: Path, network: str) -> None:
    trusting = f'authentication = "network"\nallow_from = ["{network}"]\n'

    assert problems(folder, REQUIRED + trusting) == [
        'http.allow_from: would give everybody all rights while http.authentication is "network"'
    ]


@pytest.mark.parametrize("everybody", ["0.0.0.0/0", "::/0"])
def test_trust_in_the_proxies_of_everybody_is_refused(folder: Path, everybody: str) -> None:
    trusting = f'[public_http]\ntrusted_proxies = ["127.0.0.1", "{everybody}"]\n'

    assert problems(folder, REQUIRED + trusting) == [
        "public_http.trusted_proxies: would let everybody choose the address that limits count for"
    ]


def test_sign_in_without_a_way_to_check_passwords_is_warned_about(folder: Path) -> None:
    signing_in = '[public_http]\nenabled = true\n[tokens]\nkey_file = "key.json"\n'

    def warnings(more: str) -> str:
        return "\n".join(read(folder, REQUIRED + signing_in + more).warnings)

    assert "accounts.login_address" in warnings("")
    for more in (
        '[accounts]\nsource = "store"',
        '[accounts]\nlogin_address = "127.0.0.1"',
        '[handlers]\nmodule = "mine"',
    ):
        assert "tokens.key_file" not in warnings(more)


@pytest.mark.parametrize(
    "origin",
    [
        "https://chat.example",
        "http://localhost:3000",
        "https://[2001:db8::1]:8443",
        "capacitor://localhost",
        "https://xn--mller-kva.example",
    ],
)
def test_origin_of_a_page_is_accepted(folder: Path, origin: str) -> None:
    config = read(folder, f'{REQUIRED}[public_http]\ncors_origins = ["{origin}"]\n')

    assert config.public_http.cors_origins == (origin,)


@pytest.mark.parametrize(
    ("origin", "problem"),
    [
        ("*", "expected an origin"),
        ("null", "expected an origin"),
        ("", "expected an origin"),
        ("chat.example", "expected an origin"),
        ("https://chat.example/", "expected an origin"),
        ("https://Chat.example", "expected an origin"),
        ("https://*.chat.example", "expected an origin"),
        ("https://user@chat.example", "expected an origin"),
        ("https://chat.example:443", "browsers leave out the default port"),
        ("http://chat.example:80", "browsers leave out the default port"),
    ],
)
def test_origin_that_no_browser_sends_is_refused(folder: Path, origin: str, problem: str) -> None:
    (text,) = problems(folder, f'{REQUIRED}[public_http]\ncors_origins = ["{origin}"]\n')

    assert text.startswith(f"public_http.cors_origins[0]: {problem}")


def test_public_listener_is_off_until_it_is_enabled(folder: Path) -> None:
    assert not read(folder, REQUIRED).public_http.enabled
    assert read(folder, f"{REQUIRED}[public_http]\nenabled = true\n").public_http.enabled


@pytest.mark.parametrize(
    ("private", "public", "option"),
    [
        ("", "port = 5281", "public_http.port: is the same as http.port"),
        ('address = "0.0.0.0"', "port = 5281", "public_http.port: is the same as http.port"),
        ("port = 5282", 'address = "::"', "public_http.port: is the same as http.port"),
        (
            'address = "unix:/run/x.sock"',
            'address = "unix:/run/x.sock"',
            "public_http.address: is the same as http.address",
        ),
    ],
)
def test_listeners_on_the_same_address_are_refused(
    folder: Path, private: str, public: str, option: str
) -> None:
    text = f"{REQUIRED}{private}\n[public_http]\n{{}}{public}\n"

    noun = "ports" if "port:" in option else "addresses"
    assert problems(folder, text.format("enabled = true\n")) == [
        f"{option}: the listeners need different {noun}"
    ]
    read(folder, text.format(""))


@pytest.mark.parametrize(
    ("private", "public"),
    [
        ("", 'address = "192.0.2.1"\nport = 5281'),
        ("enabled = false", "port = 5281"),
        ("", 'address = "unix:/run/x.sock"\nport = 5281'),
    ],
)
def test_listeners_on_different_addresses_are_accepted(
    folder: Path, private: str, public: str
) -> None:
    read(folder, f"{REQUIRED}{private}\n[public_http]\nenabled = true\n{public}\n")


def test_fields_of_the_configuration_are_the_sections_of_the_file(folder: Path) -> None:
    config = read(folder)

    assert all(isinstance(getattr(config, name), model) for name, model in SECTIONS.items())


def test_relative_database_starts_at_the_folder_of_the_file(folder: Path) -> None:
    assert read(folder, f'{REQUIRED}[storage]\nurl = "sqlite:a/b.db"').storage.url == (
        f"sqlite:{folder}/a/b.db"
    )
    assert read(folder, f'{REQUIRED}[storage]\nurl = "sqlite:/a/b.db"').storage.url == (
        "sqlite:/a/b.db"
    )
    assert read(folder, f'{REQUIRED}[storage]\nurl = "sqlite::memory:"').storage.url == (
        "sqlite::memory:"
    )


@pytest.mark.parametrize(
    "url", ["sqlite:muniment.db", "sqlite:/etc/muniment.db", "sqlite:../../etc/x/muniment.db"]
)
def test_database_below_etc_is_refused(url: str) -> None:
    with pytest.raises(ValidationError, match="a path outside /etc"):
        Storage.model_validate({"url": url}, context=LoadContext(Path("/etc/muniment")))


def test_store_in_postgresql_has_its_password_in_a_file(folder: Path) -> None:
    (folder / "password").write_text("word\n")
    url = "postgresql://muniment@db1:5432,db2/muniment?sslmode=verify-full"

    config = read(
        folder, f'{REQUIRED}[storage]\nurl = "{url}"\npassword = "file:password"\nspill = "s"'
    )

    assert config.storage.url == url
    assert config.storage.password is not None
    assert config.storage.password.get_secret_value() == "word"
    assert config.storage.spill == f"{folder}/s"
    assert "'word'" not in repr(config)


def test_default_database_is_in_var_lib(folder: Path) -> None:
    assert read(folder).storage.url == "sqlite:/var/lib/muniment/muniment.db"


def test_http_may_listen_on_a_unix_socket(folder: Path) -> None:
    config = read(folder, f'{REQUIRED}address = "unix:http.sock"')

    assert config.http.address == f"unix:{folder}/http.sock"


def test_relative_database_in_a_variable_starts_at_the_working_directory(
    folder: Path,
) -> None:
    config = read(folder, environ={"MUNIMENT_STORAGE__URL": "sqlite:b.db"})

    assert config.storage.url == "sqlite:b.db"


def test_other_servers_are_domains_or_all(folder: Path) -> None:
    servers = read(folder, f'{REQUIRED}[sessions]\nservers = ["far.example", "*"]\n')
    assert servers.sessions.servers == ("far.example", "*")

    wrong = f'{REQUIRED}[sessions]\nservers = ["far/x"]\nname_servers = ["dns.example"]\n'
    reported = problems(folder, wrong)
    assert len(reported) == 2
    assert "sessions.servers" in reported[0]
    assert "expected an IP address" in reported[1]


def test_own_host_is_no_other_server(folder: Path) -> None:
    own = f'{REQUIRED}[sessions]\nservers = ["far.example", "chat.example"]\n'
    assert problems(folder, own) == [
        "sessions.servers: chat.example is served here, and is no other server"
    ]


def test_other_servers_need_time_to_refuse_a_sign_in(folder: Path) -> None:
    short = (
        f'{REQUIRED}[sessions]\nservers = ["*"]\n[public_http]\nrequest_timeout_seconds = 5.0\n'
    )
    [problem] = problems(folder, short)
    assert problem.startswith("public_http.request_timeout_seconds: expected at least 7")


def test_other_servers_without_sign_in_are_warned_about(folder: Path) -> None:
    config = read(folder, f'{REQUIRED}[sessions]\nservers = ["*"]\n')
    assert config.warnings == ("sessions.servers has no effect while tokens.key_file is not set",)


@pytest.mark.parametrize(
    ("processes", "problem"),
    [
        (["a.example"], "muniment.example is missing, the domain of this process (xmpp.jid)"),
        (["muniment.example", "muniment.example"], "a process is listed twice"),
        (["muniment.example", "chat.example"], "chat.example is a virtual host (xmpp.hosts)"),
    ],
)
def test_processes_that_cannot_be_told_apart_are_refused(
    folder: Path, processes: list[str], problem: str
) -> None:
    options = REQUIRED.replace("[xmpp]", f"[xmpp]\nprocesses = {json.dumps(processes)}")

    assert problems(folder, options) == [f"xmpp.processes: {problem}"]


def test_several_processes_need_postgresql(folder: Path) -> None:
    processes = '["muniment.example", "muniment-2.example"]'
    options = REQUIRED.replace("[xmpp]", f"[xmpp]\nprocesses = {processes}")

    assert problems(folder, options) == [
        "xmpp.processes: several processes need PostgreSQL: set storage.url to postgresql://"
    ]
    config = read(folder, options + '[storage]\nurl = "postgresql://muniment@db.example/m"\n')
    assert config.xmpp.queries_jid == "queries.muniment.example"
