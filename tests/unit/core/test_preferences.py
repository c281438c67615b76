"""Which messages a user wants archived, and who may say so."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.builders import ALICE, BOB, HOST, OTHER_HOST, ROMEO, ROOM
from support.rosters import FixedRosters

from component.core.errors import BadRequest, Forbidden, NotImplementedHere, Overloaded, TooLarge
from component.core.preferences import DEFAULTS, LIST_MAX, HostRules, Wishes
from component.xmpp.addresses import Addresses
from storage.interface import Storage
from storage.open import open_storage
from storage.rows import Preferences

CAROL = f"carol@{OTHER_HOST}"
HOSTS = {HOST: HostRules(), OTHER_HOST: HostRules()}

Lists = tuple[str, ...]


@pytest.fixture
def wishes(storage: Storage) -> Wishes:
    return wishes_in(storage)


def wishes_in(
    storage: Storage, rules: HostRules | None = None, *, readable: bool = True
) -> Wishes:
    hosts = HOSTS if rules is None else dict.fromkeys(HOSTS, rules)
    return Wishes(storage.records, Addresses(), FixedRosters(is_readable=readable), hosts)


def prefs(default: str = "always", always: Lists = (), never: Lists = ()) -> Preferences:
    return Preferences(owner=ALICE, default=default, always=always, never=never)


# What is applied


def test_all_is_archived_of_who_has_set_nothing(wishes: Wishes) -> None:
    assert wishes.of(ALICE) == prefs("always")


async def test_what_is_set_is_applied(wishes: Wishes) -> None:
    wanted = prefs("roster", (ROMEO,), (BOB,))

    assert await wishes.set(ALICE, wanted) == wanted == wishes.of(ALICE)


async def test_what_is_set_takes_the_place_of_what_was(wishes: Wishes) -> None:
    await wishes.set(ALICE, prefs("roster", (ROMEO,), (BOB,)))
    await wishes.set(ALICE, prefs("never"))

    assert wishes.of(ALICE) == prefs("never")


async def test_what_is_set_outlives_the_program(storage: Storage, wishes: Wishes) -> None:
    wanted = prefs("never", (ROMEO, f"{BOB}/phone"), (ROOM,))
    await wishes.set(ALICE, wanted)
    later = wishes_in(storage)
    await later.load()

    assert later.of(ALICE) == wanted


async def test_what_one_user_sets_is_nothing_to_others(wishes: Wishes) -> None:
    await wishes.set(ALICE, prefs("never"))

    assert (wishes.of(BOB).default, wishes.of(CAROL).default) == ("always", "always")


async def test_what_was_set_is_forgotten_with_the_archive(wishes: Wishes) -> None:
    await wishes.set(ALICE, prefs("never"))
    wishes.forget(ALICE)
    wishes.forget(BOB)

    assert wishes.of(ALICE) == prefs("always")


async def test_addresses_are_prepared(wishes: Wishes) -> None:
    applied = await wishes.set(
        ALICE, prefs("never", ("ROMEO@Remote.Example", "JOSÉ@remote.example/A"))
    )

    assert applied.always == (ROMEO, "josé@remote.example/A")


async def test_an_address_is_listed_once(wishes: Wishes) -> None:
    applied = await wishes.set(ALICE, prefs("never", (BOB, ROMEO, f" {BOB.upper()} ")))

    assert applied.always == (BOB, ROMEO)


@pytest.mark.parametrize("address", ["", " ", "a@b@c", "@", "a@", "/x", "\ud800@example.org"])
async def test_what_is_no_address_is_refused(wishes: Wishes, address: str) -> None:
    with pytest.raises(BadRequest):
        await wishes.set(ALICE, prefs("always", never=(address,)))


@pytest.mark.parametrize("default", ["", "Always", "sometimes"])
async def test_an_unknown_default_is_refused(wishes: Wishes, default: str) -> None:
    with pytest.raises(BadRequest, match="always, never, roster"):
        await wishes.set(ALICE, prefs(default))


async def test_a_list_can_be_long(wishes: Wishes) -> None:
    many = tuple(f"u{n}@{HOST}" for n in range(LIST_MAX))

    assert (await wishes.set(ALICE, prefs("never", many, many))).always == many


async def test_a_list_has_an_end(wishes: Wishes) -> None:
    with pytest.raises(TooLarge):
        await wishes.set(ALICE, prefs("never", (BOB,) * (LIST_MAX + 1)))


async def test_what_is_refused_changes_nothing(storage: Storage, wishes: Wishes) -> None:
    await wishes.set(ALICE, prefs("never", (BOB,)))
    with pytest.raises(BadRequest):
        await wishes.set(ALICE, prefs("always", (ROMEO,), ("@",)))

    assert [wishes.of(ALICE)] == list(await storage.records.preferences())


async def test_what_is_not_durable_is_not_applied(storage: Storage, wishes: Wishes) -> None:
    await storage.close()
    with pytest.raises(Overloaded):
        await wishes.set(ALICE, prefs("never"))

    assert wishes.of(ALICE).default == "always"


async def test_a_roster_that_cannot_be_read_is_no_default(storage: Storage) -> None:
    with pytest.raises(NotImplementedHere):
        await wishes_in(storage, readable=False).set(ALICE, prefs("roster"))


# Whose they are


def test_preferences_are_their_owners(wishes: Wishes) -> None:
    wishes.authorize(ALICE, ALICE)


@pytest.mark.parametrize(
    ("requester", "owner"),
    [(BOB, ALICE), (ROMEO, ALICE), (HOST, ALICE), (ROMEO, ROMEO), (HOST, HOST), ("", "")],
)
def test_preferences_are_nobody_elses(wishes: Wishes, requester: str, owner: str) -> None:
    with pytest.raises(Forbidden):
        wishes.authorize(requester, owner)


# What is wanted


@pytest.mark.parametrize(
    ("default", "verdict"), [("always", True), ("never", False), ("roster", None)]
)
@pytest.mark.parametrize("peer", [BOB, ROMEO, ROOM, ALICE, "remote.example"])
async def test_the_default_decides_where_no_list_does(
    wishes: Wishes, default: str, peer: str, verdict: bool | None
) -> None:
    await wishes.set(ALICE, prefs(default, (CAROL,), (f"dave@{HOST}",)))

    assert wishes.wants(ALICE, peer, "x") is verdict


@pytest.mark.parametrize("default", DEFAULTS)
async def test_a_list_decides_before_the_default(wishes: Wishes, default: str) -> None:
    await wishes.set(ALICE, prefs(default, (BOB,), (ROMEO,)))

    assert (wishes.wants(ALICE, BOB, ""), wishes.wants(ALICE, ROMEO, "")) == (True, False)


@pytest.mark.parametrize("default", DEFAULTS)
@pytest.mark.parametrize("always", [BOB, f"{BOB}/phone"])
@pytest.mark.parametrize("never", [BOB, f"{BOB}/phone"])
async def test_never_wins_where_both_lists_name_somebody(
    wishes: Wishes, default: str, always: str, never: str
) -> None:
    await wishes.set(ALICE, prefs(default, (always,), (never,)))

    assert wishes.wants(ALICE, BOB, "phone") is False


@pytest.mark.parametrize("resource", ["", "phone", "Phone"])
async def test_a_bare_address_names_all_its_resources(wishes: Wishes, resource: str) -> None:
    await wishes.set(ALICE, prefs("never", (BOB,)))

    assert wishes.wants(ALICE, BOB, resource) is True


@pytest.mark.parametrize(
    ("resource", "verdict"), [("phone", True), ("Phone", False), ("", False), ("phone/x", False)]
)
async def test_a_full_address_names_that_resource(
    wishes: Wishes, resource: str, verdict: bool
) -> None:
    await wishes.set(ALICE, prefs("never", (f"{BOB}/phone",)))

    assert wishes.wants(ALICE, BOB, resource) is verdict


async def test_a_listed_domain_is_the_address_of_a_server(wishes: Wishes) -> None:
    await wishes.set(ALICE, prefs("never", ("remote.example",)))

    named = wishes.wants(ALICE, "remote.example", ""), wishes.wants(ALICE, ROMEO, "")
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
        verdict = wishes.wants(ALICE, BOB, resource)

    if any(map(names, never)):
        assert verdict is False
    elif any(map(names, always)):
        assert verdict is True
    else:
        assert verdict is {"always": True, "never": False, "roster": None}[default]


# What operators say


@pytest.mark.parametrize("default", DEFAULTS)
def test_operators_choose_for_who_has_set_nothing(storage: Storage, default: str) -> None:
    assert wishes_in(storage, HostRules(default=default)).of(ALICE) == prefs(default)


async def test_users_choose_otherwise(storage: Storage) -> None:
    wishes = wishes_in(storage, HostRules(default="never"))
    await wishes.set(ALICE, prefs("always"))

    assert (wishes.wants(ALICE, BOB, ""), wishes.wants(CAROL, BOB, "")) == (True, False)


def test_operators_choose_for_each_host_apart(storage: Storage) -> None:
    hosts = {HOST: HostRules(default="never"), OTHER_HOST: HostRules()}
    wishes = Wishes(storage.records, Addresses(), FixedRosters(), hosts)

    assert (wishes.wants(ALICE, BOB, ""), wishes.wants(CAROL, BOB, "")) == (False, True)


@pytest.mark.parametrize("forbidden", [ROMEO, "remote.example"])
async def test_what_operators_forbid_is_never_wanted(storage: Storage, forbidden: str) -> None:
    wishes = wishes_in(storage, HostRules(never=frozenset({forbidden})))
    await wishes.set(ALICE, prefs("always", (ROMEO, f"{ROMEO}/x")))

    assert (wishes.wants(ALICE, ROMEO, "x"), wishes.wants(ALICE, BOB, "x")) == (False, True)


@pytest.mark.parametrize("forbidden", [ALICE, HOST])
def test_who_operators_forbid_has_nothing_archived(storage: Storage, forbidden: str) -> None:
    wishes = wishes_in(storage, HostRules(never=frozenset({forbidden})))

    assert wishes.wants(ALICE, ROMEO, "x") is False


async def test_what_operators_forbid_is_not_said_to_be_applied(storage: Storage) -> None:
    wishes = wishes_in(storage, HostRules(never=frozenset({"remote.example"})))

    assert (await wishes.set(ALICE, prefs("always", (ROMEO, BOB, f"{ROMEO}/x")))).always == (BOB,)


async def test_what_operators_allow_again_is_applied_again(storage: Storage) -> None:
    forbidding = wishes_in(storage, HostRules(never=frozenset({ROMEO})))
    await forbidding.set(ALICE, prefs("never", (ROMEO,)))
    later = wishes_in(storage)
    await later.load()

    assert later.of(ALICE).always == (ROMEO,)


@pytest.mark.parametrize("owner", [ROOM, ROMEO, HOST])
def test_archives_of_others_know_no_preferences(storage: Storage, owner: str) -> None:
    rules = HostRules(default="never", never=frozenset({BOB}))

    assert wishes_in(storage, rules).wants(owner, BOB, "x") is True
