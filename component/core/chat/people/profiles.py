"""Names and avatars of users: in their vCards (XEP-0054) and as user avatars (XEP-0084).

A user sets the own ones through the own session, as any client of the user would, and reads those
of others through it too: the server decides what the user may see. What was read is kept for some
minutes, in a bounded amount of memory: vCards for all viewers, because servers show them to
everybody, and user avatars for the one who may see them.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar
from uuid import uuid4

from cachetools import TTLCache

from component.core.access.principals import User
from component.core.accounts.throttle import TokenBucket
from component.core.chat.people import vcards
from component.core.chat.people.avatars import Avatar, encoded, hash_of
from component.core.chat.people.vcards import VCard
from component.core.errors import BadRequest, Overloaded, RateLimited, Refused
from component.core.sessions.delivery import ClientSessions, Undelivered
from component.core.sessions.outgoing import OwnPresence
from component.core.sessions.queries import UserQueries
from component.core.xml.jids import local

log = logging.getLogger(__name__)

_Key = TypeVar("_Key", str, tuple[str, str])
_Kept = TypeVar("_Kept", "_Card", "_Seen")

#: Seconds for which a profile is kept, and bytes of all of them.
FRESH_SECONDS = 600.0
CACHE_BYTES = 32 * 1024 * 1024

#: Bytes that a profile takes beside its avatar.
_PROFILE_BYTES = 500

#: Images that are decoded at once: each takes a thread and up to 100 MB for a moment.
DECODED_AT_ONCE = 2

#: Avatars that a user may set at once, and seconds after which one more is accepted.
BURST = 10
REFILL_SECONDS = 60.0

#: Characters of a name.
NAME_MAX = 100

#: Seconds that the server has to take a presence.
TAKEN_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class UserProfile:
    """A user, as other users see it."""

    jid: str
    name: str
    avatar: Avatar | None
    photo_hash: str = ""  #: SHA-1 of the image as its owner has published it (XEP-0153)


@dataclass(slots=True, eq=False)
class _Card:
    """The vCard of a user, as it is kept."""

    name: str
    has_photo: bool  #: whether it has an image, shown or not
    avatar: Avatar | None
    photo_hash: str  #: of the image there, or else of the one in PEP that somebody has seen


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    """The image in PEP of a user whose vCard has none, as one viewer sees it."""

    card: _Card  #: when it was read; with another one it does not count
    avatar: Avatar | None


class Profiles:
    """Reads and sets names and avatars."""

    def __init__(
        self,
        sessions: ClientSessions,
        queries: UserQueries,
        *,
        clock: Callable[[], float] = time.monotonic,
        cache_bytes: int = CACHE_BYTES,
    ) -> None:
        """`clock` returns seconds; the cache takes up to `cache_bytes`."""
        self._sessions = sessions
        self._queries = queries
        self._limit = TokenBucket(BURST, REFILL_SECONDS, clock)
        self._decoding = asyncio.Semaphore(DECODED_AT_ONCE)
        self._cards: TTLCache[str, _Card] = TTLCache(
            cache_bytes // 2, FRESH_SECONDS, timer=clock, getsizeof=_size
        )
        #: by viewer and user
        self._seen: TTLCache[tuple[str, str], _Seen] = TTLCache(
            cache_bytes // 2, FRESH_SECONDS, timer=clock, getsizeof=_size
        )

    def known(self, viewer: User, jid: str) -> UserProfile | None:
        """Return the profile of a user as a viewer may see it, if it is in memory."""
        card = self._cards.get(jid)
        if card is None:
            return None
        if card.has_photo:
            return _profile(jid, card, card.avatar)
        seen = self._seen.get((viewer.jid, jid))
        return None if seen is None or seen.card is not card else _profile(jid, card, seen.avatar)

    def forget(self, jid: str) -> None:
        """Forget the profile of a user that was erased, and what the user has seen."""
        self._cards.pop(jid, None)
        for key in [key for key in self._seen if jid in key]:
            del self._seen[key]

    def note_photo(self, jid: str, photo_hash: str) -> None:
        """Note which image a user has, "": none, from a presence (XEP-0153)."""
        card = self._cards.get(jid)
        if card is not None and card.photo_hash != photo_hash:
            del self._cards[jid]

    async def of(self, viewer: User, jid: str) -> UserProfile:
        """Return the profile of a user, a bare JID, as a viewer may see it.

        An account that does not exist has a profile without an avatar, whose name is the local
        part. Raises NotAuthorized, Overloaded.
        """
        return self.known(viewer, jid) or await self._read(viewer, jid)

    async def set_name(self, user: User, name: str) -> None:
        """Set the name of a user, "": none. Raises Undelivered, NotAuthorized, Overloaded."""
        card = await self._own_card(user)
        await self._queries.set(user, card.with_name(name))
        self._cards.pop(user.jid, None)

    async def set_avatar(self, user: User, image: bytes) -> Avatar:
        """Set the avatar of a user, and return it as it is published.

        Raises BadRequest for what is no image, TooLarge, RateLimited, Undelivered, NotAuthorized,
        Overloaded.
        """
        if not self._limit.take(user.jid):
            raise RateLimited(
                "You change your avatar too often: try again later.",
                retry_seconds=self._limit.seconds(user.jid),
            )
        avatar = await self._encoded(image)
        await self._publish(user, avatar)
        return avatar

    async def remove_avatar(self, user: User) -> None:
        """Remove the avatar of a user. Raises Undelivered, NotAuthorized, Overloaded."""
        await self._publish(user, None)

    async def _publish(self, user: User, avatar: Avatar | None) -> None:
        card = await self._own_card(user)
        await self._queries.set(user, card.with_photo(avatar))
        try:
            if avatar is not None:
                await self._queries.set(user, vcards.publish_data(avatar))
            await self._queries.set(user, vcards.publish_metadata(avatar))
        except Undelivered as refused:
            # The server has no PEP, or converts avatars between vCards and PEP by itself.
            log.info("the avatar of %s is only in the vCard: %s", user.jid, refused.message)
        self._cards.pop(user.jid, None)
        await self._announce(user, "" if avatar is None else avatar.id)

    async def _announce(self, user: User, photo_hash: str) -> None:
        """Tell contacts about another image, by the presence of the session (XEP-0153)."""
        own = self._sessions.presence(user.jid)
        presence = OwnPresence(
            id=str(uuid4()),
            show=None if own is None else own.show,
            status="" if own is None else own.status,
            photo=photo_hash,
        )
        with self._sessions.delivery(user.jid, presence) as delivery:
            try:
                async with asyncio.timeout(TAKEN_SECONDS):
                    await delivery.wait_taken()
            except (TimeoutError, Refused) as error:
                log.info("no contact of %s is told about the avatar: %s", user.jid, error)

    async def _own_card(self, user: User) -> VCard:
        return await self._card(user, None)

    async def _card(self, viewer: User, jid: str | None) -> VCard:
        """Return a vCard, None: of the viewer; an empty one if there is none.

        Raises Undelivered for any other refusal, NotAuthorized, Overloaded.
        """
        try:
            element, raw = await self._queries.get(viewer, vcards.GET, jid)
        except Undelivered as refused:
            if refused.condition in ("item-not-found", "service-unavailable"):
                return VCard()
            raise
        return VCard.of(element, raw)

    async def _read(self, viewer: User, jid: str) -> UserProfile:
        """Read a profile, and keep it."""
        card, avatar = self._cards.get(jid), None
        if card is None:
            card = await self._read_card(viewer, jid)
            _keep(self._cards, jid, card)
        if card.has_photo:
            return _profile(jid, card, card.avatar)
        image = await self._published(viewer, jid)
        if image is not None:
            avatar = await self._shown(jid, image)
            card.photo_hash = hash_of(image)
        _keep(self._seen, (viewer.jid, jid), _Seen(card, avatar))
        return _profile(jid, card, avatar)

    async def _read_card(self, viewer: User, jid: str) -> _Card:
        try:
            card = await self._card(viewer, jid)
        except Undelivered as refused:
            if not refused.by:
                raise
            card = VCard()
        image = card.photo
        return _Card(
            name=card.name[:NAME_MAX],
            has_photo=image is not None,
            avatar=None if image is None else await self._shown(jid, image),
            photo_hash="" if image is None else hash_of(image),
        )

    async def _shown(self, jid: str, image: bytes) -> Avatar | None:
        """Return the avatar of a user, None if its image cannot be shown. Raises Overloaded."""
        try:
            return await self._encoded(image)
        except Overloaded:
            raise
        except Refused as refused:
            log.debug("the avatar of %s is not shown: %s", jid, refused.message)
            return None

    async def _published(self, viewer: User, jid: str) -> bytes | None:
        """Return the image in PEP, None if there is none or the viewer may not see it."""
        try:
            metadata, _ = await self._queries.get(viewer, vcards.GET_METADATA, jid)
            id = vcards.avatar_id_of(metadata)
            if id is None:
                return None
            data, _ = await self._queries.get(viewer, vcards.get_data(id), jid)
        except Undelivered as refused:
            if not refused.by:
                raise
            return None
        return vcards.image_of(data)

    async def _encoded(self, image: bytes) -> Avatar:
        """Return an image as an avatar, made in a thread. Raises BadRequest, TooLarge."""
        if not image:
            raise BadRequest("There is no image: send PNG, JPEG, GIF or WebP.")
        async with self._decoding:
            return await asyncio.to_thread(encoded, image)


def _profile(jid: str, card: _Card, avatar: Avatar | None) -> UserProfile:
    return UserProfile(jid, card.name or local(jid), avatar, card.photo_hash)


def _keep(cache: TTLCache[_Key, _Kept], key: _Key, kept: _Kept) -> None:
    if _size(kept) <= cache.maxsize:
        cache[key] = kept


def _size(kept: _Card | _Seen) -> int:
    return _PROFILE_BYTES + (0 if kept.avatar is None else len(kept.avatar.data))
