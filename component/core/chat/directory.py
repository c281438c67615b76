"""The directory: users find other users of their own domain, by a part of the address or the name.

E-mail addresses are never searched here, and never shown to others.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace

from cachetools import TTLCache

from component.core.access.audit import Audit
from component.core.accounts.protocol import AccountAdmin, AccountSource
from component.core.accounts.throttle import TokenBucket
from component.core.chat.settings import ChatSettings
from component.core.errors import BadRequest, NotAllowed, NotImplementedHere, RateLimited
from component.core.messages.fulltext import fold
from component.core.shared_tasks import SharedTasks
from component.core.store_errors import translated
from component.core.xml.jids import domain, local
from storage.interface import ProfilesStore
from storage.rows import Profile

#: The least length of a search, and the greatest number of users that one finds.
SEARCH_MIN = 3
RESULTS_MAX = 50

#: The greatest number of users in a list of all of them.
LIST_MAX = 1000

#: Seconds for which lists of accounts and of users are remembered, and their greatest length.
LISTED_SECONDS = 60.0
LISTED_MAX = 100_000

#: Users who are in the directory for sure, because this process has added them.
ADDED_MAX = 50_000


@dataclass(frozen=True, slots=True)
class UserPage:
    """A part of the list of the users of a domain, in the order of their JIDs."""

    count: int  #: of all users
    profiles: tuple[Profile, ...]


class Directory:
    """Finds users of chat. Every `jid` is a prepared bare JID."""

    def __init__(
        self,
        profiles: ProfilesStore,
        accounts: AccountSource,
        audit: Audit,
        settings: ChatSettings,
        *,
        lists_accounts: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`lists_accounts` is whether accounts have to be asked for, because they are elsewhere.

        Then the directory has the accounts that their source lists, if it can, and all users who
        have used chat. Otherwise it has the accounts of the store too.
        """
        self._profiles = profiles
        self._accounts = accounts
        self._audit = audit
        self._settings = settings
        self._lists_accounts = lists_accounts
        searches = settings.searches_per_minute
        self._bucket = TokenBucket(searches, 60.0 / searches, clock)
        self._listed: TTLCache[str, tuple[str, ...]] = TTLCache(100, LISTED_SECONDS, clock)
        self._listing: SharedTasks[str, tuple[str, ...]] = SharedTasks(lambda *_: None)
        self._added: TTLCache[str, None] = TTLCache(ADDED_MAX, 24 * 3600.0, clock)
        self._users: TTLCache[str, tuple[str, ...]] = TTLCache(100, LISTED_SECONDS, clock)

    async def add(self, jid: str) -> None:
        """Let the directory have a user who uses chat. Raises Overloaded."""
        if jid not in self._added:
            with translated():
                await self._profiles.add(jid)
            self._added[jid] = None
            if jid not in self._users.get(domain(jid), (jid,)):
                del self._users[domain(jid)]

    def forget(self, jid: str) -> None:
        """Forget that the directory has a user: the profile was erased."""
        self._added.pop(jid, None)
        self._users.pop(domain(jid), None)

    async def exists(self, jid: str) -> bool:
        """Return whether there is such a user. Raises NotAllowed, Overloaded."""
        return await self._accounts.authenticator.exists(jid)

    async def may_exist(self, jid: str) -> bool:
        """Return whether there is such a user, or nobody can say. Raises Overloaded."""
        try:
            return await self.exists(jid)
        except NotAllowed:
            return True

    async def names(self, jids: tuple[str, ...]) -> dict[str, str]:
        """Return the names of users by JID: that of the profile, or else the local part."""
        profiles = await self.profiles(jids)
        return {jid: profiles[jid].name or local(jid) or jid for jid in jids}

    async def rename(self, jid: str, name: str) -> None:
        """Note the name that a user has in the profile, "": none. Raises Overloaded."""
        await self.set_profile(jid, name=name)

    async def set_profile(
        self, jid: str, *, name: str | None = None, email: str | None = None
    ) -> bool:
        """Note the name and the e-mail address of a user; "": none, None: the one before.

        Returns False, and changes nothing, if another user has the address. Raises Overloaded.
        """
        profile = await self.profile(jid)
        if name is not None:
            profile = replace(profile, name=name, folded_name=fold(name))
        if email is not None:
            profile = replace(profile, email=email)
        with translated():
            return await self._profiles.put(profile)

    async def profile(self, jid: str) -> Profile:
        """Return what is known about a user, with the e-mail address. Raises Overloaded."""
        with translated():
            return (await self._profiles.get((jid,))).get(jid, Profile(jid=jid))

    async def profiles(self, jids: Collection[str]) -> Mapping[str, Profile]:
        """Return the profiles of users by JID, with their e-mail addresses. Raises Overloaded."""
        with translated():
            stored = await self._profiles.get(jids)
        return {jid: stored.get(jid, Profile(jid=jid)) for jid in jids}

    async def with_email(self, email: str) -> Profile | None:
        """Return the user with an e-mail address, None: nobody has it. Raises Overloaded."""
        with translated():
            return await self._profiles.with_email(email)

    async def search(self, user: str, text: str) -> tuple[Profile, ...]:
        """Return users of the domain of a user whose address or name has a text, by JID.

        The user is none of them. Raises BadRequest for a short text, RateLimited, Overloaded,
        NotImplementedHere if nobody may search.
        """
        self._require_search()
        text = text.strip()
        if len(text) < SEARCH_MIN:
            raise BadRequest(f"search: expected {SEARCH_MIN} characters or more")
        await self._note_search(user)
        fields = self._settings.search_fields
        part = text.lower() if "user" in fields else None
        words = (fold(text) or None) if "name" in fields else None
        return await self._matching(user, part, words, RESULTS_MAX)

    async def page(self, user: str, *, offset: int, limit: int) -> UserPage:
        """Return users of the domain of a user, and the user too, behind the first `offset` ones.

        The list of their JIDs is remembered for a minute, so that a page costs as much in a large
        domain as in a small one. It is for APIs whose clients show such a list; an operator may
        close it there. It counts as a search. Raises NotImplementedHere if nobody may search,
        RateLimited, Overloaded.
        """
        self._require_search()
        await self._note_search(user)
        host = domain(user)
        jids = self._users.get(host)
        if jids is None:
            others = await self._matching(user, "", None, LISTED_MAX - 1)
            jids = tuple(sorted((*(profile.jid for profile in others), user)))
            self._users[host] = jids
        chosen = jids[offset : offset + limit]
        profiles = await self.profiles(chosen)
        return UserPage(len(jids), tuple(profiles[jid] for jid in chosen))

    async def owner_of_email(self, user: str, email: str) -> Profile | None:
        """Return the user with exactly this address in the domain of a user, None: there is none.

        It counts as a search. Raises NotImplementedHere if nobody may search, RateLimited,
        Overloaded.
        """
        self._require_search()
        await self._note_search(user)
        profile = await self.with_email(email)
        return profile if profile is not None and domain(profile.jid) == domain(user) else None

    async def set_email(self, user: str, email: str) -> bool:
        """Note the e-mail address of a user; return whether it is free.

        It counts as a search, because it tells which addresses are in use. Raises RateLimited,
        Overloaded.
        """
        self._count_search(user)
        return await self.set_profile(user, email=email)

    def _require_search(self) -> None:
        """Raise NotImplementedHere if nobody may search."""
        if not self._settings.search_fields:
            raise NotImplementedHere("Nobody can search for users here (chat.search_fields).")

    async def _note_search(self, user: str) -> None:
        """Count a search, and enter it in the audit log. Raises RateLimited, Overloaded."""
        self._count_search(user)
        if self._settings.audit_searches:
            await self._audit.record(user, "search users", domain(user))

    def _count_search(self, user: str) -> None:
        """Raise RateLimited if a user searches too often."""
        if not self._bucket.take(user):
            raise RateLimited(
                "You search too often: try again later.", retry_seconds=self._bucket.seconds(user)
            )

    async def _matching(
        self, user: str, part: str | None, words: str | None, limit: int
    ) -> tuple[Profile, ...]:
        """Return other users of the domain of a user whose local part or name has a text."""
        host = domain(user)
        with translated():
            matching = await self._profiles.search(host, local=part, words=words, limit=limit + 1)
        profiles = {profile.jid: profile for profile in matching}
        if part is not None and self._lists_accounts:
            for jid in await self._accounts_of(host):
                if part in local(jid):
                    profiles.setdefault(jid, Profile(jid=jid))
        profiles.pop(user, None)
        return tuple(profiles[jid] for jid in sorted(profiles)[:limit])

    async def _accounts_of(self, host: str) -> tuple[str, ...]:
        """Return the accounts that their source lists, () if it lists none."""
        listed = self._listed.get(host)
        if listed is None:
            admin = self._accounts.administered
            if admin is None:
                return ()
            listed = await self._listing.run(host, lambda: _list(admin, host), wait_seconds=5.0)
            if listed is None:
                return ()
            self._listed[host] = listed
        return listed


async def _list(admin: AccountAdmin, host: str) -> tuple[str, ...]:
    return tuple(account.jid for account in await admin.list(host, "", LISTED_MAX))
