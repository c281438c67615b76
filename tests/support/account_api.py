"""ejabberd's HTTP API of accounts (mod_http_api), with the permissions of docs/operations.md."""

from __future__ import annotations

from component.config.ejabberd_yml import ACCOUNT_COMMANDS, BAN_COMMANDS

_LINE = "auth_method: internal"

_PERMISSIONS = """\
api_permissions:
  "accounts for Muniment":
    from: mod_http_api
    who: {who}
    what: [{commands}]
hide_sensitive_log_data: true
"""


def with_account_api(
    authentication: str = f"{_LINE}\n",
    *,
    who: str = "{ip: 127.0.0.1/32}",
    commands: tuple[str, ...] = (*ACCOUNT_COMMANDS, *BAN_COMMANDS),
) -> dict[str, str]:
    """Return the changes of the example of ejabberd.yml that enable the API for `who`.

    `authentication` are its lines about the authentication of users.
    """
    permissions = _PERMISSIONS.format(who=who, commands=", ".join(commands))
    return {
        _LINE: authentication + permissions,
        "/ws: ejabberd_http_ws": "/ws: ejabberd_http_ws\n      /api: mod_http_api",
        "mod_adhoc: {}": "mod_adhoc: {}\n  mod_admin_extra: {}",
    }
