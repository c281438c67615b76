"""A server in the place of ejabberd that keeps vCards and avatars, and has an upload service."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field

from component.core.sessions.commands import Fail
from component.core.sessions.delivery import Delivery, Undelivered
from component.core.sessions.outgoing import OwnPresence, Query
from component.core.xml.jids import domain
from support.client_sessions import EchoServer

PUBSUB = "http://jabber.org/protocol/pubsub"
DISCO = "http://jabber.org/protocol/disco"
UPLOAD = "urn:xmpp:http:upload:0"


@dataclass
class AccountServer(EchoServer):
    """Answers the IQs of users."""

    vcards: dict[str, str] = field(default_factory=dict)  #: by bare JID
    #: by bare JID, the last item of each node
    items: dict[str, dict[str, str]] = field(default_factory=lambda: defaultdict(dict))
    has_pep: bool = True
    upload_max: int | None = 1_000_000  #: None: there is no upload service
    slots: list[str] = field(default_factory=list)  #: the requests for slots
    conditions: dict[str, str] = field(default_factory=dict)  #: of errors, by the asked JID

    @property
    def queries(self) -> list[Query]:
        """The IQs among what was sent."""
        return [request for _, request in self.sent if isinstance(request, Query)]

    @property
    def photos(self) -> list[str | None]:
        """The hashes of images in the presences that were sent."""
        return [request.photo for _, request in self.sent if isinstance(request, OwnPresence)]

    def answer(self, owner: str, query: Query, delivery: Delivery) -> None:
        """Answer an IQ, or refuse it."""
        account = query.to or owner
        result = self.conditions.get(account) or self._result(account, query)
        if result.startswith("<") or not result:
            delivery.succeed(result)
        else:
            delivery.fail(Undelivered(Fail(query.id, result, "", by=account)))

    def _result(self, account: str, query: Query) -> str:
        """Return the result of a query, or the condition of its error."""
        payload = query.payload
        if payload.startswith("<vCard"):
            if query.type == "set":
                self.vcards[account] = payload
                return ""
            return self.vcards.get(account, "item-not-found")
        if payload.startswith("<pubsub"):
            return self._pubsub(account, payload) if self.has_pep else "service-unavailable"
        return self._upload(account, payload)

    def _pubsub(self, account: str, payload: str) -> str:
        node = _attribute(payload, "node")
        if "<publish" in payload:
            item = re.search("<item.*</item>", payload)
            assert item is not None
            self.items[account][node] = item[0]
            return ""
        if node not in self.items[account]:
            return "item-not-found"
        item_xml = self.items[account][node]
        return f"<pubsub xmlns='{PUBSUB}'><items node='{node}'>{item_xml}</items></pubsub>"

    def _upload(self, account: str, payload: str) -> str:
        has_service = self.upload_max is not None
        service = f"upload.{account}"
        if f"{DISCO}#items" in payload:
            item = f"<item jid='{service}'/>" if has_service else ""
            other = f"<item jid='conference.{account}'/>"
            return f"<query xmlns='{DISCO}#items'>{other}{item}</query>"
        if f"{DISCO}#info" in payload:
            form = ""
            if account.startswith("upload."):
                field = f"<field var='max-file-size'><value>{self.upload_max}</value></field>"
                form = f"<feature var='{UPLOAD}'/><x xmlns='jabber:x:data'>{field}</x>"
            return f"<query xmlns='{DISCO}#info'>{form}</query>"
        if UPLOAD in payload and account.startswith("upload."):
            self.slots.append(payload)
            url = f"https://{domain(account)}/slot/{len(self.slots)}"
            headers = (
                "<header name='Authorization'>Basic x\ny</header><header name='Host'>no</header>"
            )
            return (
                f"<slot xmlns='{UPLOAD}'><put url='{url}'>{headers}</put><get url='{url}'/></slot>"
            )
        return "service-unavailable"


def _attribute(xml: str, name: str) -> str:
    match = re.search(f"{name}=['\"]([^'\"]*)", xml)
    assert match is not None
    return match[1]
