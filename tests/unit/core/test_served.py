"""A domain that is not served is told from an archive that is empty."""

from __future__ import annotations

import pytest
from support.builders import ALICE, HOST, ROMEO, ROOM, entry

from component.core.access.principals import SERVER, Operator, Role
from component.core.access.served import NAMED_MAX, ServedArchives
from component.core.errors import ItemNotFound
from storage.interface import Storage

READER = Operator(name="eve", role=Role.READER)


@pytest.fixture
def served(storage: Storage) -> ServedArchives:
    return ServedArchives([HOST, "rooms.example"], storage.retention)


@pytest.mark.parametrize("owner", [ALICE, f"nobody@{HOST}", HOST, ROOM, "a@rooms.example"])
async def test_on_a_domain_that_is_served_an_archive_may_be_empty(
    served: ServedArchives, owner: str
) -> None:
    await served.check(owner, READER)


@pytest.mark.parametrize("owner", [ROMEO, "remote.example", f"alice@not{HOST}", "alice@org"])
async def test_an_unserved_domain_without_an_archive_is_refused(
    served: ServedArchives, owner: str
) -> None:
    with pytest.raises(ItemNotFound, match="is not served here"):
        await served.check(owner, READER)


@pytest.mark.parametrize("subject", [ROMEO, "remote.example"])
async def test_what_is_stored_of_a_domain_that_was_served_is_found(
    served: ServedArchives, storage: Storage, subject: str
) -> None:
    await storage.archive.append([entry(owner=ROMEO)])

    await served.check(subject, READER)
    with pytest.raises(ItemNotFound):
        await served.check("juliet@remote.example", READER)


def test_only_admins_are_told_what_is_served(served: ServedArchives) -> None:
    assert served.refusal("exmaple.org", READER).message == "exmaple.org is not served here"
    assert served.refusal("exmaple.org", SERVER).message == (
        f"exmaple.org is not served here, did you mean {HOST}? Served are {HOST}, rooms.example."
    )


def test_of_many_domains_some_are_named(storage: Storage) -> None:
    served = ServedArchives([f"h{n}.example" for n in range(NAMED_MAX + 3)], storage.retention)

    said = served.refusal("remote.test", SERVER).message

    assert said.startswith("remote.test is not served here. Served are h0.example, ")
    assert said.endswith("h9.example and 3 more.")
