"""The sections of how ejabberd is answered over HTTP, and of who does it in our place."""

from __future__ import annotations

from pydantic import Field

from component.config.section import Section
from component.config.types import Folder, ModuleName


class RemoteData(Section):
    """How ejabberd is answered when it keeps its data here (Remote Data)."""

    count_as_string: bool = Field(
        default=False,
        description="Whether the count of an archive is a string, for the ejabberd of 2016 that "
        "takes no number.",
    )


class Handlers(Section):
    """A Python module of your own that answers in the place of Muniment."""

    module: ModuleName = Field(
        default="",
        description='Its name; "": there is none. It is asked for what it has a function for: '
        "user_authentication, user_exists, retrieve_user_roster, archive_store, archive_get.",
    )
    path: Folder = Field(
        default=".",
        validate_default=True,
        description="Folder where it is looked for if it is not installed. A relative one starts "
        "at the folder of the file.",
    )
    threads: int = Field(
        default=8,
        ge=1,
        le=256,
        description="Most of its functions that are under way at once, async ones left out.",
    )
