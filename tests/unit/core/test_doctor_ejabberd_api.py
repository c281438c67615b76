"""The check of ejabberd's HTTP API: from facts to a finding."""

from __future__ import annotations

import pytest

from component.core.doctor.ejabberd_api import ApiFacts, ApiState, check
from component.core.doctor.finding import Severity
from component.core.ejabberd_options import as_yaml

URL = "http://127.0.0.1:5280/api"
ACCOUNT = "muniment@chat.example"


def test_answering_api_with_all_commands_is_right() -> None:
    finding = check(ApiFacts(state=ApiState.ANSWERING, url=URL, release="26.07"))

    assert (finding.severity, finding.change) == (Severity.OK, "")
    assert "26.07" in finding.seen


@pytest.mark.parametrize(
    ("facts", "seen", "options"),
    [
        (ApiFacts(state=ApiState.UNCONFIGURED), "no option says", ""),
        (
            ApiFacts(state=ApiState.UNREACHABLE, url=URL),
            f"mod_http_api at {URL} does not answer",
            'listen:\n  -\n    module: ejabberd_http\n    request_handlers:\n      "/api": '
            "mod_http_api",
        ),
        (
            ApiFacts(state=ApiState.DISALLOWED, url=URL),
            "does not let Muniment run commands",
            'api_permissions:\n  "commands for Muniment":\n    from: mod_http_api\n    who:\n'
            '      ip: "127.0.0.1/32"\n    what: "*"',
        ),
        (
            ApiFacts(state=ApiState.DISALLOWED, url=URL, account=ACCOUNT),
            f"does not let {ACCOUNT} run commands",
            'api_permissions:\n  "commands for Muniment":\n    from: mod_http_api\n    who:\n'
            f'      user: "{ACCOUNT}"\n    what: "*"',
        ),
        (ApiFacts(state=ApiState.FAILING, url=URL, error="internal_error"), "internal_error", ""),
        (
            ApiFacts(state=ApiState.ANSWERING, url=URL, missing=("get_vcard", "set_vcard")),
            "has not the commands get_vcard, set_vcard",
            "modules:\n  mod_admin_extra: {}\n  mod_muc_admin: {}",
        ),
    ],
    ids=lambda value: value.state if isinstance(value, ApiFacts) else "",
)
def test_fault_has_the_options_that_mend_it(facts: ApiFacts, seen: str, options: str) -> None:
    finding = check(facts)

    assert finding.severity is Severity.ERROR
    assert seen in finding.seen
    assert finding.change
    assert as_yaml(finding.options) == options
