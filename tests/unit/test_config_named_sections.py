"""Named sections: options of one virtual host, and operators."""

from __future__ import annotations

import traceback
from pathlib import Path

import pytest
from support.configuration import REQUIRED, problems, read, write

from component.config import ConfigError, load

SECRET = "s3cret-that-nobody-may-see"


def test_no_named_sections_are_the_default(tmp_path: Path) -> None:
    config = read(tmp_path)

    assert (config.hosts, config.operators) == ({}, {})


# Hosts


def test_host_inherits_options_that_it_does_not_set(tmp_path: Path) -> None:
    config = read(
        tmp_path,
        f"""{REQUIRED}
        [archive]
        default = "roster"
        never = ["bot@chat.example", "ads.example"]
        page_max = 99
        [retention]
        days = 365
        bytes = 7
        batch = 5
        [hosts."team.example"]
        default = "never"
        never = ["alarms@team.example"]
        days = 0
        messages = 10
        """,
    )

    archives = [config.archive_of(host) for host in ("chat.example", "team.example")]
    retentions = [config.retention_of(host) for host in ("chat.example", "team.example")]

    assert [(archive.default, archive.page_max) for archive in archives] == [
        ("roster", 99),
        ("never", 99),
    ]
    assert [archive.never for archive in archives] == [
        ("bot@chat.example", "ads.example"),
        ("bot@chat.example", "ads.example", "alarms@team.example"),
    ]
    assert [
        (bounds.days, bounds.messages, bounds.bytes, bounds.batch) for bounds in retentions
    ] == [
        (365, 0, 7, 5),
        (0, 10, 7, 5),
    ]


def test_unknown_host_is_refused_with_a_suggestion(tmp_path: Path) -> None:
    reported = problems(tmp_path, f'{REQUIRED}[hosts."teams.example"]\ndays = "1"\n')

    assert reported == [
        'hosts."teams.example".days: expected a whole number from 0 to 36500, given "1"',
        'hosts."teams.example": unknown virtual host, did you mean team.example? (see xmpp.hosts)',
    ]


def test_hosts_are_not_compared_with_invalid_xmpp_hosts(
    tmp_path: Path,
) -> None:
    text = REQUIRED.replace('["chat.example", "team.example"]', "[]")

    assert problems(tmp_path, f'{text}[hosts."team.example"]\n') == [
        "xmpp.hosts: expected at least one, given an empty list"
    ]


def test_host_without_quotes_is_refused_with_advice(tmp_path: Path) -> None:
    reported = problems(
        tmp_path, f"{REQUIRED}[hosts.team.example]\ndays = 1\n[hosts.a.b.c]\n[hosts.a.d]\n"
    )

    assert reported == [
        'hosts.team.example: write the name in quotes, [hosts."team.example"]',
        'hosts.a.b.c: write the name in quotes, [hosts."a.b.c"]',
        'hosts.a.d: write the name in quotes, [hosts."a.d"]',
    ]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("day = 1", "day: unknown key, did you mean days?"),
        ("page_max = 1", "page_max: unknown key"),
        ('"a b" = 1', '"a b": unknown key'),
        ('default = "all"', 'default: expected one of "always", "never", "roster", given "all"'),
        ("days = -1", "days: expected a whole number from 0 to 36500, given -1"),
        ("messages = 1.5", "messages: expected a whole number from 0 to 1000000000, given 1.5"),
        ('bytes = "1G"', 'bytes: expected a whole number from 0 to 1000000000000000, given "1G"'),
        ('never = ["a.example", "@"]', "never[1]: expected a bare JID, such as ann@chat.example"),
    ],
)
def test_wrong_option_of_a_host_is_reported_by_its_full_name(
    tmp_path: Path, line: str, problem: str
) -> None:
    [reported] = problems(tmp_path, f'{REQUIRED}[hosts."team.example"]\n{line}\n')

    assert reported.startswith(f'hosts."team.example".{problem}')


def test_hosts_with_long_names_are_told_apart(tmp_path: Path) -> None:
    names = [f"{'x' * 60}.{letter}.example" for letter in "ab"]
    text = REQUIRED.replace("team.example", '", "'.join(names))
    for days, name in enumerate(names):
        text += f'[hosts."{name}"]\ndays = {days}\n'

    config = read(tmp_path, text)

    assert [config.retention_of(name).days for name in names] == [0, 1]


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("ann@chat.example/phone", "expected a bare JID, such as ann@chat.example"),
        ("Ann@chat.example", "expected a bare JID in lower case"),
        ("a b@chat.example", "expected a bare JID, such as ann@chat.example"),
        ("ann@-", "expected a bare JID, such as ann@chat.example"),
        ("chat.example.", "expected a domain, such as chat.example"),
        ("", "expected a domain, such as chat.example"),
    ],
)
def test_never_list_takes_bare_jids_and_domains(tmp_path: Path, name: str, problem: str) -> None:
    [reported] = problems(tmp_path, f'{REQUIRED}[archive]\nnever = ["ok.example", "{name}"]\n')

    assert reported.startswith(f"archive.never[1]: {problem}")


def test_room_service_on_a_virtual_host_is_refused(tmp_path: Path) -> None:
    services = '["rooms.example", "chat.example", "muniment.example"]'

    assert problems(tmp_path, f"{REQUIRED}[archive]\nroom_services = {services}\n") == [
        "archive.room_services: chat.example is a virtual host (xmpp.hosts)",
        "archive.room_services: muniment.example is the component itself (xmpp.jid)",
    ]
    assert problems(tmp_path, environ={"MUNIMENT_ARCHIVE__ROOM_SERVICES": "chat.example"}) == [
        "MUNIMENT_ARCHIVE__ROOM_SERVICES: chat.example is a virtual host (xmpp.hosts)"
    ]


# Operators


def test_operators_are_loaded_by_name(tmp_path: Path) -> None:
    (tmp_path / "boss").write_text("secret of the boss\n")
    config = read(
        tmp_path,
        f"""{REQUIRED}
        [operators.auditor-2]
        role = "reader"
        jid = "auditor@elsewhere.example"
        [operators.boss]
        role = "admin"
        secret = "file:boss"
        """,
    )

    auditor, boss = config.operators["auditor-2"], config.operators["boss"]

    assert (auditor.role, auditor.jid, auditor.secret) == (
        "reader",
        "auditor@elsewhere.example",
        None,
    )
    assert boss.secret is not None
    assert (boss.role, boss.jid, boss.secret.get_secret_value()) == (
        "admin",
        None,
        "secret of the boss",
    )


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ('jid = "ann@chat.example"', [".role: required, but missing"]),
        ('role = "reader"', [".secret: required, but missing (and there is no jid)"]),
        ('role = "reader"\nsecret = ""', [".secret: expected a secret, given an empty string"]),
        (
            'role = "root"\njid = "chat.example"',
            [
                '.role: expected one of "reader", "admin", given "root"',
                '.jid: expected a bare JID, such as ann@chat.example, given "chat.example"',
            ],
        ),
    ],
)
def test_operator_needs_a_role_and_a_jid_or_secret(
    tmp_path: Path, lines: str, expected: list[str]
) -> None:
    reported = problems(tmp_path, f"{REQUIRED}[operators.ann]\n{lines}\n")

    assert reported == [f"operators.ann{problem}" for problem in expected]


@pytest.mark.parametrize(
    ("title", "problem"),
    [
        ("server", "operators.server: reserved for callers with http.secret"),
        ('"a b"', 'operators."a b": expected a name of letters, digits, - and _'),
        ('"line\\n"', 'operators."line\\n": expected a name of letters, digits, - and _'),
        ('"ärger"', 'operators."\\u00e4rger": expected a name of letters, digits, - and _'),
        ('""', 'operators."": expected a name of letters, digits, - and _'),
    ],
)
def test_ambiguous_operator_name_is_refused(tmp_path: Path, title: str, problem: str) -> None:
    operator = f'[operators.{title}]\nrole = "admin"\njid = "ann@chat.example"\n'

    assert problems(tmp_path, REQUIRED + operator) == [problem]


def test_operators_with_the_same_jid_or_secret_are_refused(tmp_path: Path) -> None:
    text = REQUIRED.replace('"other"', f'"{SECRET}"')
    for name, secret in (("a", SECRET), ("b", "b's own"), ("c", "b's own")):
        text += f"""
        [operators.{name}]
        role = "reader"
        jid = "ann@chat.example"
        secret = "{secret}"
        """

    assert problems(tmp_path, text) == [
        "operators.a.secret: the same as http.secret",
        "operators.b.jid: the same as operators.a.jid",
        "operators.c.jid: the same as operators.a.jid",
        "operators.c.secret: the same as operators.b.secret",
    ]


def test_world_readable_operator_secret_is_warned_about(tmp_path: Path) -> None:
    (tmp_path / "s").write_text("in a file")
    (tmp_path / "s").chmod(0o644)
    text = REQUIRED
    for name, secret in (("a", "file:s"), ("b", SECRET)):
        text += f'[operators.{name}]\nrole = "reader"\nsecret = "{secret}"\n'
    path = write(tmp_path, text)
    path.chmod(0o644)

    warnings = load(path, {}).warnings

    assert [warning.partition(" and every user")[0] for warning in warnings] == [
        f"{path} contains xmpp.secret",
        f"{path} contains http.secret",
        f"{path} contains operators.b.secret",
        f"{tmp_path}/s contains a secret",
    ]


@pytest.mark.parametrize(
    ("http", "warning"),
    [
        ("enabled = false", "operators.a.secret has no effect while http.enabled is false"),
        (
            'authentication = "network"',
            'operators.a.secret protects nothing while http.authentication is "network": '
            "callers without a secret have all rights",
        ),
    ],
)
def test_operator_secret_without_effect_is_warned_about(
    tmp_path: Path, http: str, warning: str
) -> None:
    operators = """
    [operators.a]
    role = "reader"
    secret = "its own"
    [operators.b]
    role = "reader"
    jid = "b@chat.example"
    """

    assert read(tmp_path, f"{REQUIRED}{http}{operators}").warnings == (warning,)


@pytest.mark.parametrize(
    "text",
    [
        f'secret = "{SECRET}"',
        f'role = "reader"\nsecret = ["{SECRET}"]',
        f'role = "reader"\nsecrt = "{SECRET}"',
        f'role = "reader"\nsecret = "{SECRET} "',
        f'role = "reader"\nsecret = "{SECRET}"\n[operators.b]\nrole="reader"\nsecret = "{SECRET}"',
    ],
)
def test_problem_shows_no_secret_of_an_operator(tmp_path: Path, text: str) -> None:
    path = write(tmp_path, f"{REQUIRED}[operators.a]\n{text}\n")

    with pytest.raises(ConfigError) as caught:
        load(path, {})

    assert SECRET not in "".join(traceback.format_exception(caught.value))


def test_repr_of_a_configuration_hides_secrets_of_operators(tmp_path: Path) -> None:
    text = f'{REQUIRED}[operators.a]\nrole = "reader"\nsecret = "{SECRET}"\n'

    assert SECRET not in repr(read(tmp_path, text))


# Hosts and operators


def test_value_in_place_of_a_named_section_is_refused(tmp_path: Path) -> None:
    text = f"{REQUIRED}[hosts]\ndays = 1\n[[operators]]\nrole = 'reader'\n"

    assert problems(tmp_path, text) == [
        "operators: expected a section, [operators.NAME], given a list",
        "hosts.days: unknown key (keys belong below their [hosts.NAME])",
    ]


def test_mistyped_key_of_a_named_section_is_refused_with_a_suggestion(tmp_path: Path) -> None:
    assert problems(tmp_path, f'{REQUIRED}[operator.ann]\nrole = "reader"\n') == [
        "operator: unknown section, did you mean operators?"
    ]


def test_named_sections_have_no_variables(tmp_path: Path) -> None:
    environ = {
        "MUNIMENT_HOSTS__TEAM_EXAMPLE__DAYS": "1",
        "MUNIMENT_OPERATORS__ANN__ROLE": "reader",
        "MUNIMENT_HOSTS": "team.example",
    }

    assert problems(tmp_path, environ=environ) == [
        "MUNIMENT_HOSTS__TEAM_EXAMPLE__DAYS: hosts are set in the file only, as [hosts.NAME]",
        "MUNIMENT_OPERATORS__ANN__ROLE: operators are set in the file only, as [operators.NAME]",
        "MUNIMENT_HOSTS: unknown variable, did you mean MUNIMENT_XMPP__HOSTS?",
    ]
