"""The API families of the public listener. A request goes to the first with a route for it."""

from __future__ import annotations

from component.web.archive.family import OWN_ARCHIVE
from component.web.bpo_chat.family import BPO_CHAT, BPO_CHAT_OPEN
from component.web.chat.family import CHAT, CHAT_SIGN_UP
from component.web.condor_chat.family import CONDOR_CHAT, CONDOR_CHAT_OPEN
from component.web.ejabberd_api.family import EJABBERD_API, VERSIONED_EJABBERD_API
from component.web.events.family import EVENTS
from component.web.gateway.family import GATEWAY, GATEWAY_START
from component.web.health.family import LIVENESS
from component.web.openapi.family import PUBLIC_DOCS
from component.web.pages.family import CHAT_PAGE
from component.web.push.family import PUSH
from component.web.sign_in.family import SIGN_IN, SIGN_INS

FAMILIES = (
    LIVENESS,
    PUBLIC_DOCS,
    CHAT_SIGN_UP,
    CHAT,
    SIGN_IN,
    SIGN_INS,
    OWN_ARCHIVE,
    EVENTS,
    PUSH,
    # Before ejabberd's API, whose paths with versions may look the same.
    CONDOR_CHAT_OPEN,
    CONDOR_CHAT,
    BPO_CHAT_OPEN,
    BPO_CHAT,
    EJABBERD_API,
    VERSIONED_EJABBERD_API,
    CHAT_PAGE,
    # The last ones, because by default they have no prefix.
    GATEWAY_START,
    GATEWAY,
)
