"""Full-text search inside our process, beside a page of the same archive without a search.

No peer can be compared: ejabberd's `withtext` needs MySQL, and Prosody has no such field.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from itertools import pairwise
from xml.etree.ElementTree import Element

from benchmarks import mam
from benchmarks.loading.dialogue import line
from benchmarks.parts.inside import OWNER, PLACES, measure_ways, parsed
from benchmarks.plan import Plan
from benchmarks.samples import Sample
from benchmarks.servers.ejabberd import HOST
from benchmarks.workspace import Workspace
from benchmarks.xmpp import Session
from storage.interface import Archive

PART = "search"

#: Words that more than half of all messages have.
COMMON = ("quick", "brown", "fox", "wizards", "zebras")


async def measure(plan: Plan, space: Workspace) -> AsyncIterator[list[Sample]]:
    """Search archives of each size."""
    async for turn in measure_ways(PART, _ways, plan, space):
        yield turn


async def _ways(_: Archive, size: int) -> dict[str, list[Element]]:
    session = Session(OWNER)
    places = [line(size * n // PLACES, size) for n in range(PLACES)]
    texts = {
        "no search": [mam.query(session, before="")],
        # Each message begins with its own number, which no other message has.
        "rare word": [mam.query(session, search=str(place.number)) for place in places],
        "common word": [mam.query(session, before="", search=word) for word in COMMON],
        "two common words": [
            mam.query(session, before="", search=f"{first} {second}")
            for first, second in pairwise(COMMON)
        ],
        "common word, with": [
            mam.query(session, before="", search=COMMON[0], peer=f"{place.peer}@{HOST}")
            for place in places
        ],
    }
    return {way: parsed(queries) for way, queries in texts.items()}
