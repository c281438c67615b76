"""The sessions of users, learnt from copies of their presences (RFC 6121 section 4).

A session that began before our stream to the server is unknown until it sends a presence, and a
session that is cut off sends none. So nothing here proves that a user is away.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from component.core.xml import jids

#: A user who sends nothing for longer than this may have been away.
QUIET_AFTER = 60_000_000  # microseconds

#: Within this time after its recipient came on line, the server delivers all offline messages.
OFFLINE_DELIVERY = 300_000_000  # microseconds

#: The stamps of offline messages are by the clock of the server.
_CLOCK_TOLERANCE = 1_000_000  # microseconds

#: Limits of remembered users, and of sessions of each; ejabberd allows fewer by default.
USERS_MAX = 50_000
RESOURCES_MAX = 20


@dataclass(slots=True)
class _Session:
    priority: int | None  #: None: the session has ended
    since: int  #: time of its first presence, microseconds
    last_presence: int  #: time of its last presence, microseconds


@dataclass(slots=True)
class _Activity:
    """The last activity of a user, and the last long silence before it: microseconds."""

    last_active: int
    quiet_since: int
    active_since: int


class Sessions:
    """Remembers the sessions of users."""

    def __init__(self, began: int = 0) -> None:
        """`began` is when the stream of copies began, microseconds; 0: not known."""
        self._began = began
        self._latest = 0  #: time of the last activity of anybody, microseconds
        self._activity: OrderedDict[str, _Activity] = OrderedDict()
        self._users: OrderedDict[str, OrderedDict[str, _Session]] = OrderedDict()

    def available(self, jid: str, priority: int, at: int) -> None:
        """Note an available presence of a full JID."""
        sessions = self._of(jids.bare(jid))
        resource = jids.resource(jid)
        previous = sessions.pop(resource, None)
        since = at if previous is None or previous.priority is None else previous.since
        sessions[resource] = _Session(priority, since, at)
        if len(sessions) > RESOURCES_MAX:
            sessions.popitem(last=False)

    def unavailable(self, jid: str, at: int) -> None:
        """Note that a full JID is no longer available."""
        if (session := self._session(jid)) is not None:
            session.priority, session.last_presence = None, at

    def reaches(self, address: str, at: int) -> bool:
        """Return whether a message to an address at that time had a known session to go to.

        A message to an absent resource goes to the others (RFC 6121 section 8.5.3.2).
        """
        sessions = self._users.get(jids.bare(address))
        if not sessions:
            return False
        named = sessions.get(jids.resource(address))
        if named is not None and named.priority is not None and named.since <= at:
            return True
        return any(
            session.priority is not None and session.priority >= 0 and session.since <= at
            for session in sessions.values()
        )

    def last_presence(self, jid: str) -> int:
        """Return the time of the last presence of a full JID, 0 if none is known."""
        session = self._session(jid)
        return 0 if session is None else session.last_presence

    def last_announced(self, user: str) -> int:
        """Return the time of a user's last presence that accepts messages, 0 if none is known."""
        sessions = self._users.get(user)
        heard = [
            session.last_presence
            for session in (sessions or {}).values()
            if session.priority is not None and session.priority >= 0
        ]
        return max(heard, default=0)

    def note_activity(self, user: str, at: int) -> None:
        """Note that a session of a user sent a stanza."""
        if at < self._latest:
            self._set_back(at)
        self._latest = at
        activity = self._activity.get(user)
        if activity is None:
            self._activity[user] = _Activity(at, self._began or at, at)
            if len(self._activity) > USERS_MAX:
                self._activity.popitem(last=False)
            return
        if at - activity.last_active > QUIET_AFTER:
            activity.quiet_since, activity.active_since = activity.last_active, at
        activity.last_active = max(activity.last_active, at)
        self._activity.move_to_end(user)

    def was_away(self, user: str, since: int, at: int) -> bool:
        """Return whether a user may have been away at `since`, and came back shortly before `at`.

        A silent user counts as away. Nothing is known of the time before the stream began.
        """
        activity = self._activity.get(user)
        if activity is None or at - activity.active_since > OFFLINE_DELIVERY:
            return False
        return (
            activity.quiet_since - _CLOCK_TOLERANCE
            <= since
            <= activity.active_since + _CLOCK_TOLERANCE
        )

    def forget(self, at: int = 0) -> None:
        """Forget all sessions, because the connection to the server was lost at that time."""
        self._users.clear()
        self._activity.clear()
        self._began = at

    def _set_back(self, at: int) -> None:
        """Note that the clock was set back to `at`: nothing known was later than that.

        Otherwise each session would begin in the future, as another one than that of its messages.
        """
        for sessions in self._users.values():
            for session in sessions.values():
                session.since = min(session.since, at)
                session.last_presence = min(session.last_presence, at)
        for activity in self._activity.values():
            activity.last_active = min(activity.last_active, at)
            activity.quiet_since = min(activity.quiet_since, at)
            activity.active_since = min(activity.active_since, at)

    def _session(self, jid: str) -> _Session | None:
        sessions = self._users.get(jids.bare(jid))
        return None if sessions is None else sessions.get(jids.resource(jid))

    def _of(self, user: str) -> OrderedDict[str, _Session]:
        sessions = self._users.get(user)
        if sessions is None:
            sessions = self._users[user] = OrderedDict()
            if len(self._users) > USERS_MAX:
                self._users.popitem(last=False)
        else:
            self._users.move_to_end(user)
        return sessions
