"""An unserved domain is refused; an owner on a served domain may have an empty archive."""

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
async def test_owner_on_a_served_domain_may_have_an_empty_archive(
    served: ServedArchives, owner: str
) -> None:
    await served.check(owner, READER)


@pytest.mark.parametrize("owner", [ROMEO, "remote.example", f"alice@not{HOST}", "alice@org"])
async def test_unserved_domain_without_an_archive_is_item_not_found(
    served: ServedArchives, owner: str
) -> None:
    with pytest.raises(ItemNotFound, match="is not served here"):
        await served.check(owner, READER)


@pytest.mark.parametrize("subject", [ROMEO, "remote.example"])
async def test_stored_archive_of_an_unserved_domain_is_found(
    served: ServedArchives, storage: Storage, subject: str
) -> None:
    await storage.archive.append([entry(owner=ROMEO)])

    await served.check(subject, READER)
    with pytest.raises(ItemNotFound):
        await served.check("juliet@remote.example", READER)


def test_refusal_names_served_domains_for_admins_only(served: ServedArchives) -> None:
    assert served.refusal("exmaple.org", READER).message == "exmaple.org is not served here"
    assert served.refusal("exmaple.org", SERVER).message == (
        f"exmaple.org is not served here, did you mean {HOST}? Served are {HOST}, rooms.example."
    )


def test_refusal_names_some_of_many_domains(storage: Storage) -> None:
    served = ServedArchives([f"h{n}.example" for n in range(NAMED_MAX + 3)], storage.retention)

    message = served.refusal("remote.test", SERVER).message

    assert message.startswith("remote.test is not served here. Served are h0.example, ")
    assert message.endswith("h9.example and 3 more.")
