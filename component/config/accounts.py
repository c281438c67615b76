"""The section of where accounts live."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, ValidationInfo, field_validator

from component.config.section import Section
from component.config.types import Address, BareJid, HttpUrl, Port, Secret


class Accounts(Section):
    """Where accounts live, and who says whether a password is right."""

    source: Literal["store", "ejabberd"] = Field(
        default="ejabberd",
        description="ejabberd: in ejabberd, which is asked by accounts.api_url or, where that is "
        "not set, by a login at accounts.login_address; where neither is set, nothing is asked "
        "and what needs accounts is refused. store: in the database, for an ejabberd that asks "
        "for them here.",
    )
    password_format: Literal["argon2id", "scram-sha-1", "scram-sha-256", "scram-sha-512"] = Field(
        default="argon2id",
        description="How passwords in the database are kept. Those kept in another format are "
        "understood, and kept anew when their owner logs in.",
    )
    api_url: HttpUrl | None = Field(
        default=None,
        description="Where mod_http_api of ejabberd is, such as http://127.0.0.1:5280/api. "
        "Passwords are sent there: https, or loopback or a private network only.",
    )
    api_user: BareJid | None = Field(
        default=None,
        description="Account of ejabberd that asks there; without one, ejabberd has to let in "
        "whoever asks from this machine.",
    )
    api_password: Secret | None = Field(
        default=None,
        validate_default=True,
        description="Password of accounts.api_user, or file:PATH to read it from a file.",
    )
    login_address: Address | None = Field(
        default=None,
        description="Host name or IP address of ejabberd_c2s. Encrypted, with the certificate of "
        "the virtual host, unless it is a loopback address.",
    )
    login_port: Port = Field(default=5222, description="TCP port of ejabberd_c2s.")

    @field_validator("api_password")
    @classmethod
    def _goes_with_a_user(cls, password: object, info: ValidationInfo) -> object:
        """Refuse half of what is shown to ejabberd."""
        user = info.data.get("api_user", "wrong")
        if user == "wrong" or (user is None) == (password is None):
            return password
        if password is None:
            raise ValueError("required, but missing (there is an accounts.api_user)")
        raise ValueError("of no use without accounts.api_user")

    @property
    def asks_ejabberd(self) -> bool:
        """Whether the accounts are in ejabberd, and it is known how to ask it."""
        is_told = self.api_url is not None or self.login_address is not None
        return self.source == "ejabberd" and is_told
