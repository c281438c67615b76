"""The section [pages]."""

from __future__ import annotations

from pydantic import Field

from component.config.types import Origin, Section


class Pages(Section):
    """Pages for browsers."""

    enabled: bool = Field(
        default=True,
        description="Whether the public listener serves the chat page at /. It needs "
        "tokens.key_file and chat.enabled.",
    )
    upload_origins: tuple[Origin, ...] = Field(
        default=(),
        strict=False,
        description="Origins to which the page may upload files, and whose pictures it shows, "
        "such as https://upload.chat.example: that of put_url of mod_http_upload in "
        "ejabberd.yml.",
    )
