"""The section of where rosters live."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from component.config.section import Section


class Rosters(Section):
    """Where users' rosters live, and how they are shown over HTTP."""

    source: Literal["ejabberd", "store"] = Field(
        default="ejabberd",
        description="ejabberd: in ejabberd, which lets them be read and changed by mod_privilege. "
        "store: in the database, for an ejabberd that asks for them over HTTP (Remote Data).",
    )
    details: bool = Field(
        default=False,
        description="Whether groups and open requests are shown in Remote Data as well. Callers "
        "of before 2017 refuse a roster that has them.",
    )
