"""vCards in the document's dialect: fields by their names alone, and all fields at once.

The document calls fields GIVEN or ORG that are parts of others in a vCard (XEP-0054 section 3).
"""

from __future__ import annotations

import asyncio
from typing import Any

from component.core.ejabberd_api.calls import Call
from component.core.ejabberd_api.document import REFUSED
from component.core.ejabberd_api.native.backend import Backend
from component.core.ejabberd_api.refusals import INTERNAL, ApiRefusal

#: The fields of the document: the element of a vCard, and the element in it, if there is one.
FIELDS = {
    "FN": ("FN", ""),
    "GIVEN": ("N", "GIVEN"),
    "FAMILY": ("N", "FAMILY"),
    "NICKNAME": ("NICKNAME", ""),
    "EMAIL": ("EMAIL", "USERID"),
    "TEL": ("TEL", "CELL"),
    "ORG": ("ORG", "ORGNAME"),
    "TITLE": ("TITLE", ""),
    "DESC": ("DESC", ""),
    "BDAY": ("BDAY", ""),
    "ROLE": ("ROLE", ""),
    "URL": ("URL", ""),
}

_TEL = "TEL"

#: Texts of ejabberd for a field, and for a vCard, that does not exist.
_NO_FIELD, _NO_VCARD = "error_no_value_found_in_vcard", "error_no_vcard_found"


class VcardCommands:
    """Runs commands about vCards on ejabberd."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    async def get(self, call: Call) -> Any:
        """Return one field, or an object of all fields of the document."""
        name = call.text("name")
        if call.version is not None:
            return await self._backend.run(call.definition, call.arguments, call.signature)
        if name:
            return await self._field(call, name)
        values = await asyncio.gather(*(self._field_or_none(call, name) for name in FIELDS))
        return {name: value for name, value in zip(FIELDS, values, strict=True) if value}

    async def set(self, call: Call) -> Any:
        """Set one field."""
        element, part = FIELDS.get(call.text("name"), ("", ""))
        if call.version is not None or not part:
            return await self._backend.run(call.definition, call.arguments, call.signature)
        return await self._backend.call(
            "set_vcard2",
            user=call.text("user"),
            host=call.text("host"),
            name=element,
            subname=part,
            content=call.text("content"),
        )

    async def _field_or_none(self, call: Call, name: str) -> Any:
        try:
            return await self._field(call, name)
        except ApiRefusal as refusal:
            if refusal.message in (_NO_FIELD, _NO_VCARD):
                return None
            raise

    async def _field(self, call: Call, name: str) -> Any:
        element, part = FIELDS.get(name, (name, ""))
        user, host = call.text("user"), call.text("host")
        if part:
            try:
                reply = await self._backend.call(
                    "get_vcard2", user=user, host=host, name=element, subname=part
                )
            except ApiRefusal as refusal:
                if refusal.message != INTERNAL or element != _TEL:
                    raise
                # ejabberd crashes if the vCard has no phone number at all.
                raise ApiRefusal(400, _NO_FIELD, reason=REFUSED) from refusal
        else:
            reply = await self._backend.call("get_vcard", user=user, host=host, name=element)
        return reply.get("content") if isinstance(reply, dict) else reply
