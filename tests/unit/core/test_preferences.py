"""Which messages a user wants archived, and who may say so."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.builders import ALICE, BOB, HOST, OTHER_HOST, ROMEO, ROOM
from support.rosters import FixedRosters

from component.core.archiving import preferences
from component.core.archiving.preferences import DEFAULTS, LIST_MAX, HostRules, Preferences
from component.core.errors import BadRequest, NotImplementedHere, Overloaded, TooLarge
from component.xmpp.connection.addresses import Addresses
from storage.interface import Storage
from storage.open import open_storage
from storage.rows import PreferencesRow

CAROL = f"carol@{OTHER_HOST}"
HOSTS = {HOST: HostRules(), OTHER_HOST: HostRules()}

Lists = tuple[str, ...]


@pytest.fixture
def wishes(storage: Storage) -> Preferences:
    return wishes_in(storage)


def wishes_in(
    storage: Storage, rules: HostRules | None = None, *, readable: bool = True
) -> Preferences:
    hosts = HOSTS if rules is None else dict.fromkeys(HOSTS, rules)
    return Preferences(storage.records, Addresses(), FixedRosters(is_readable=readable), hosts)


def prefs(default: str = "always", always: Lists = (), never: Lists = ()) -> PreferencesRow:
    return PreferencesRow(owner=ALICE, default=default, always=always, never=never)


async def wants(wishes: Preferences, owner: str, peer: str, resource: str) -> bool | None:
    return (await wishes.read(owner)).wants(owner, peer, resource)


# What is applied


async def test_all_is_archived_of_who_has_set_nothing(wishes: Preferences) -> None:
    assert await wishes.of(ALICE) == prefs("always")


async def test_what_is_set_is_applied(wishes: Preferences) -> None:
    wanted = prefs("roster", (ROMEO,), (BOB,))

    assert await wishes.set(ALICE, wanted) == wanted == await wishes.of(ALICE)


async def test_what_is_set_takes_the_place_of_what_was(wishes: Preferences) -> None:
    await wishes.set(ALICE, prefs("roster", (ROMEO,), (BOB,)))
    await wishes.set(ALICE, prefs("never"))

    assert await wishes.of(ALICE) == prefs("never")


async def test_what_is_set_outlives_the_program(storage: Storage, wishes: Preferences) -> None:
    wanted = prefs("never", (ROMEO, f"{BOB}/phone"), (ROOM,))
    await wishes.set(ALICE, wanted)
    later = wishes_in(storage)
    await later.load()

    assert await later.of(ALICE) == wanted


@pytest.mark.parametrize("is_loaded", [False, True])
async def test_what_is_not_remembered_is_read_again(
    storage: Storage, is_loaded: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And nobody is taken for one who has set nothing."""
    monkeypatch.setattr(preferences, "PAGE", 2)
    wishes = Preferences(
        storage.records, Addresses(), FixedRosters(), {HOST: HostRules()}, size=2000
    )
    owners = [f"user{n}@{HOST}" for n in range(10)]
    if is_loaded:
        await wishes.load()
    for owner in owners:
        await wishes.set(owner, PreferencesRow(owner=owner, default="never", always=(ROMEO,)))
    if is_loaded:
        await wishes.load()

    assert sum(wishes.remembered(owner) is not None for owner in owners) == 3
    assert wishes.remembered(ALICE) is None
    for owner in owners:
        assert await wants(wishes, owner, BOB, "") is False
        assert await wants(wishes, owner, ROMEO, "") is True
    assert await wants(wishes, ALICE, BOB, "") is True


async def test_who_has_set_nothing_is_known_where_all_is_remembered(
    storage: Storage, wishes: Preferences
) -> None:
    await wishes.set(BOB, PreferencesRow(owner=BOB, default="never"))
    later = wishes_in(storage)
    await later.load()

    applied = [later.remembered(owner) for owner in (ALICE, BOB)]

    assert [one and one.default for one in applied] == ["always", "never"]


async def test_what_is_set_while_it_is_read_is_not_forgotten(
    storage: Storage, wishes: Preferences
) -> None:
    for default in ("never", "always") * 20:
        reading = asyncio.create_task(wishes.read(ALICE))
        await asyncio.sleep(0)
        await wishes.set(ALICE, prefs(default))
        await reading

        assert (await wishes.of(ALICE)).default == default
        wishes.forget(ALICE)


async def test_what_one_user_sets_is_nothing_to_others(wishes: Preferences) -> None:
    await wishes.set(ALICE, prefs("never"))

    assert ((await wishes.of(BOB)).default, (await wishes.of(CAROL)).default) == (
        "always",
        "always",
    )


async def test_what_was_set_is_forgotten_with_the_archive(
    storage: Storage, wishes: Preferences
) -> None:
    await wishes.set(ALICE, prefs("never"))
    await storage.retention.erase(ALICE, limit=1)
    wishes.forget(ALICE)
    wishes.forget(BOB)

    assert await wishes.of(ALICE) == prefs("always")


async def test_addresses_are_prepared(wishes: Preferences) -> None:
    applied = await wishes.set(
        ALICE, prefs("never", ("ROMEO@Remote.Example", "JOSÉ@remote.example/A"))
    )

    assert applied.always == (ROMEO, "josé@remote.example/A")


async def test_an_address_is_listed_once(wishes: Preferences) -> None:
    applied = await wishes.set(ALICE, prefs("never", (BOB, ROMEO, f" {BOB.upper()} ")))

    assert applied.always == (BOB, ROMEO)


@pytest.mark.parametrize("address", ["", " ", "a@b@c", "@", "a@", "/x", "\ud800@example.org"])
async def test_what_is_no_address_is_refused(wishes: Preferences, address: str) -> None:
    with pytest.raises(BadRequest):
        await wishes.set(ALICE, prefs("always", never=(address,)))


@pytest.mark.parametrize("default", ["", "Always", "sometimes"])
async def test_an_unknown_default_is_refused(wishes: Preferences, default: str) -> None:
    with pytest.raises(BadRequest, match="always, never, roster"):
        await wishes.set(ALICE, prefs(default))


async def test_a_list_can_be_long(wishes: Preferences) -> None:
    many = tuple(f"u{n}@{HOST}" for n in range(LIST_MAX))

    assert (await wishes.set(ALICE, prefs("never", many, many))).always == many


async def test_a_list_has_an_end(wishes: Preferences) -> None:
    with pytest.raises(TooLarge):
        await wishes.set(ALICE, prefs("never", (BOB,) * (LIST_MAX + 1)))


async def test_what_is_refused_changes_nothing(storage: Storage, wishes: Preferences) -> None:
    await wishes.set(ALICE, prefs("never", (BOB,)))
    with pytest.raises(BadRequest):
        await wishes.set(ALICE, prefs("always", (ROMEO,), ("@",)))

    assert [await wishes.of(ALICE)] == [await storage.records.preferences(ALICE)]


async def test_what_is_not_durable_is_not_applied(storage: Storage, wishes: Preferences) -> None:
    await wishes.load()
    await storage.close()
    with pytest.raises(Overloaded):
        await wishes.set(ALICE, prefs("never"))

    assert (await wishes.of(ALICE)).default == "always"


async def test_a_roster_that_cannot_be_read_is_no_default(storage: Storage) -> None:
    with pytest.raises(NotImplementedHere):
        await wishes_in(storage, readable=False).set(ALICE, prefs("roster"))


# What is wanted


@pytest.mark.parametrize(
    ("default", "verdict"), [("always", True), ("never", False), ("roster", None)]
)
@pytest.mark.parametrize("peer", [BOB, ROMEO, ROOM, ALICE, "remote.example"])
async def test_the_default_decides_where_no_list_does(
    wishes: Preferences, default: str, peer: str, verdict: bool | None
) -> None:
    await wishes.set(ALICE, prefs(default, (CAROL,), (f"dave@{HOST}",)))

    assert await wants(wishes, ALICE, peer, "x") is verdict


@pytest.mark.parametrize("default", DEFAULTS)
async def test_a_list_decides_before_the_default(wishes: Preferences, default: str) -> None:
    await wishes.set(ALICE, prefs(default, (BOB,), (ROMEO,)))

    assert (await wants(wishes, ALICE, BOB, ""), await wants(wishes, ALICE, ROMEO, "")) == (
        True,
        False,
    )


@pytest.mark.parametrize("default", DEFAULTS)
@pytest.mark.parametrize("always", [BOB, f"{BOB}/phone"])
@pytest.mark.parametrize("never", [BOB, f"{BOB}/phone"])
async def test_never_wins_where_both_lists_name_somebody(
    wishes: Preferences, default: str, always: str, never: str
) -> None:
    await wishes.set(ALICE, prefs(default, (always,), (never,)))

    assert await wants(wishes, ALICE, BOB, "phone") is False


@pytest.mark.parametrize("resource", ["", "phone", "Phone"])
async def test_a_bare_address_names_all_its_resources(wishes: Preferences, resource: str) -> None:
    await wishes.set(ALICE, prefs("never", (BOB,)))

    assert await wants(wishes, ALICE, BOB, resource) is True


@pytest.mark.parametrize(
    ("resource", "verdict"), [("phone", True), ("Phone", False), ("", False), ("phone/x", False)]
)
async def test_a_full_address_names_that_resource(
    wishes: Preferences, resource: str, verdict: bool
) -> None:
    await wishes.set(ALICE, prefs("never", (f"{BOB}/phone",)))

    assert await wants(wishes, ALICE, BOB, resource) is verdict


async def test_a_listed_domain_is_the_address_of_a_server(wishes: Preferences) -> None:
    await wishes.set(ALICE, prefs("never", ("remote.example",)))

    named = await wants(wishes, ALICE, "remote.example", ""), await wants(wishes, ALICE, ROMEO, "")
    assert named == (True, False)


@given(
    default=st.sampled_from(DEFAULTS),
    always=st.frozensets(st.sampled_from([BOB, f"{BOB}/a", f"{BOB}/b", ROMEO])),
    never=st.frozensets(st.sampled_from([BOB, f"{BOB}/a", f"{BOB}/b", ROMEO])),
    resource=st.sampled_from(["", "a", "b", "c"]),
)
async def test_the_rules_of_the_document_hold(
    default: str, always: frozenset[str], never: frozenset[str], resource: str
) -> None:
    """XEP-0441 section 2.3.1, said once more: each listed address is compared by itself."""

    def names(listed: str) -> bool:
        return listed == (f"{BOB}/{resource}" if "/" in listed else BOB)

    async with open_storage("sqlite::memory:") as storage:
        wishes = wishes_in(storage)
        await wishes.set(ALICE, prefs(default, tuple(always), tuple(never)))
        verdict = await wants(wishes, ALICE, BOB, resource)

    if any(map(names, never)):
        assert verdict is False
    elif any(map(names, always)):
        assert verdict is True
    else:
        assert verdict is {"always": True, "never": False, "roster": None}[default]


# What operators say


@pytest.mark.parametrize("default", DEFAULTS)
async def test_operators_choose_for_who_has_set_nothing(storage: Storage, default: str) -> None:
    assert await wishes_in(storage, HostRules(default=default)).of(ALICE) == prefs(default)


async def test_users_choose_otherwise(storage: Storage) -> None:
    wishes = wishes_in(storage, HostRules(default="never"))
    await wishes.set(ALICE, prefs("always"))

    assert (await wants(wishes, ALICE, BOB, ""), await wants(wishes, CAROL, BOB, "")) == (
        True,
        False,
    )


async def test_operators_choose_for_each_host_apart(storage: Storage) -> None:
    hosts = {HOST: HostRules(default="never"), OTHER_HOST: HostRules()}
    wishes = Preferences(storage.records, Addresses(), FixedRosters(), hosts)

    assert (await wants(wishes, ALICE, BOB, ""), await wants(wishes, CAROL, BOB, "")) == (
        False,
        True,
    )


@pytest.mark.parametrize("forbidden", [ROMEO, "remote.example"])
async def test_what_operators_forbid_is_never_wanted(storage: Storage, forbidden: str) -> None:
    wishes = wishes_in(storage, HostRules(never=frozenset({forbidden})))
    await wishes.set(ALICE, prefs("always", (ROMEO, f"{ROMEO}/x")))

    assert (await wants(wishes, ALICE, ROMEO, "x"), await wants(wishes, ALICE, BOB, "x")) == (
        False,
        True,
    )


@pytest.mark.parametrize("forbidden", [ALICE, HOST])
async def test_who_operators_forbid_has_nothing_archived(storage: Storage, forbidden: str) -> None:
    wishes = wishes_in(storage, HostRules(never=frozenset({forbidden})))

    assert await wants(wishes, ALICE, ROMEO, "x") is False


async def test_what_operators_forbid_is_not_said_to_be_applied(storage: Storage) -> None:
    wishes = wishes_in(storage, HostRules(never=frozenset({"remote.example"})))

    assert (await wishes.set(ALICE, prefs("always", (ROMEO, BOB, f"{ROMEO}/x")))).always == (BOB,)


async def test_what_operators_allow_again_is_applied_again(storage: Storage) -> None:
    forbidding = wishes_in(storage, HostRules(never=frozenset({ROMEO})))
    await forbidding.set(ALICE, prefs("never", (ROMEO,)))
    later = wishes_in(storage)
    await later.load()

    assert (await later.of(ALICE)).always == (ROMEO,)


@pytest.mark.parametrize("owner", [ROOM, ROMEO, HOST])
async def test_archives_of_others_know_no_preferences(storage: Storage, owner: str) -> None:
    rules = HostRules(default="never", never=frozenset({BOB}))

    assert await wants(wishes_in(storage, rules), owner, BOB, "x") is True
