"""Archiving preferences of users (XEP-0441) and the rules of operators."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.builders import ALICE, BOB, HOST, OTHER_HOST, ROMEO, ROOM
from support.rosters import FixedRosters

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
def service(storage: Storage) -> Preferences:
    return service_in(storage)


def service_in(
    storage: Storage, rules: HostRules | None = None, *, readable: bool = True
) -> Preferences:
    hosts = HOSTS if rules is None else dict.fromkeys(HOSTS, rules)
    return Preferences(storage.preferences, Addresses(), FixedRosters(is_readable=readable), hosts)


def prefs(default: str = "always", always: Lists = (), never: Lists = ()) -> PreferencesRow:
    return PreferencesRow(owner=ALICE, default=default, always=always, never=never)


async def wants(service: Preferences, owner: str, peer: str, resource: str) -> bool | None:
    return (await service.read(owner)).wants(owner, peer, resource)


# Set and applied preferences


async def test_all_messages_are_archived_without_preferences(service: Preferences) -> None:
    assert await service.of(ALICE) == prefs("always")


async def test_set_preferences_are_applied(service: Preferences) -> None:
    row = prefs("roster", (ROMEO,), (BOB,))

    assert await service.set(ALICE, row) == row == await service.of(ALICE)


async def test_set_replaces_the_preferences(service: Preferences) -> None:
    await service.set(ALICE, prefs("roster", (ROMEO,), (BOB,)))
    await service.set(ALICE, prefs("never"))

    assert await service.of(ALICE) == prefs("never")


async def test_preferences_survive_a_restart(storage: Storage, service: Preferences) -> None:
    row = prefs("never", (ROMEO, f"{BOB}/phone"), (ROOM,))
    await service.set(ALICE, row)
    later = service_in(storage)
    await later.load()

    assert await later.of(ALICE) == row


@pytest.mark.parametrize("is_loaded", [False, True])
async def test_evicted_preferences_are_read_from_the_store(
    storage: Storage, is_loaded: bool
) -> None:
    """Every user's own preferences count, in memory or not."""
    service = Preferences(
        storage.preferences,
        Addresses(),
        FixedRosters(),
        {HOST: HostRules()},
        size=2000,
        load_page_size=2,
    )
    owners = [f"user{n}@{HOST}" for n in range(10)]
    if is_loaded:
        await service.load()
    for owner in owners:
        await service.set(owner, PreferencesRow(owner=owner, default="never", always=(ROMEO,)))
    if is_loaded:
        await service.load()

    assert sum(service.remembered(owner) is not None for owner in owners) == 3
    assert service.remembered(ALICE) is None
    for owner in owners:
        assert await wants(service, owner, BOB, "") is False
        assert await wants(service, owner, ROMEO, "") is True
    assert await wants(service, ALICE, BOB, "") is True


async def test_defaults_apply_without_a_read_if_all_preferences_are_in_memory(
    storage: Storage, service: Preferences
) -> None:
    await service.set(BOB, PreferencesRow(owner=BOB, default="never"))
    later = service_in(storage)
    await later.load()

    applied = [later.remembered(owner) for owner in (ALICE, BOB)]

    assert [row and row.default for row in applied] == ["always", "never"]


async def test_set_during_a_read_is_applied(storage: Storage, service: Preferences) -> None:
    for default in ("never", "always") * 20:
        read_task = asyncio.create_task(service.read(ALICE))
        await asyncio.sleep(0)
        await service.set(ALICE, prefs(default))
        await read_task

        assert (await service.of(ALICE)).default == default
        service.forget(ALICE)


async def test_preferences_of_one_user_do_not_change_others(service: Preferences) -> None:
    await service.set(ALICE, prefs("never"))

    assert ((await service.of(BOB)).default, (await service.of(CAROL)).default) == (
        "always",
        "always",
    )


async def test_erasure_resets_preferences(storage: Storage, service: Preferences) -> None:
    await service.set(ALICE, prefs("never"))
    await storage.retention.erase(ALICE, limit=1)
    service.forget(ALICE)
    service.forget(BOB)

    assert await service.of(ALICE) == prefs("always")


async def test_listed_jids_are_prepared(service: Preferences) -> None:
    applied = await service.set(
        ALICE, prefs("never", ("ROMEO@Remote.Example", "JOSÉ@remote.example/A"))
    )

    assert applied.always == (ROMEO, "josé@remote.example/A")


async def test_duplicate_jids_are_listed_once(service: Preferences) -> None:
    applied = await service.set(ALICE, prefs("never", (BOB, ROMEO, f" {BOB.upper()} ")))

    assert applied.always == (BOB, ROMEO)


@pytest.mark.parametrize("address", ["", " ", "a@b@c", "@", "a@", "/x", "\ud800@example.org"])
async def test_invalid_jid_is_bad_request(service: Preferences, address: str) -> None:
    with pytest.raises(BadRequest):
        await service.set(ALICE, prefs("always", never=(address,)))


@pytest.mark.parametrize("default", ["", "Always", "sometimes"])
async def test_unknown_default_is_bad_request(service: Preferences, default: str) -> None:
    with pytest.raises(BadRequest, match="always, never, roster"):
        await service.set(ALICE, prefs(default))


async def test_list_at_the_limit_is_accepted(service: Preferences) -> None:
    jids = tuple(f"u{n}@{HOST}" for n in range(LIST_MAX))

    assert (await service.set(ALICE, prefs("never", jids, jids))).always == jids


async def test_list_over_the_limit_is_too_large(service: Preferences) -> None:
    with pytest.raises(TooLarge):
        await service.set(ALICE, prefs("never", (BOB,) * (LIST_MAX + 1)))


async def test_refused_preferences_change_nothing(storage: Storage, service: Preferences) -> None:
    await service.set(ALICE, prefs("never", (BOB,)))
    with pytest.raises(BadRequest):
        await service.set(ALICE, prefs("always", (ROMEO,), ("@",)))

    assert [await service.of(ALICE)] == [await storage.preferences.get(ALICE)]


async def test_preferences_that_are_not_stored_are_not_applied(
    storage: Storage, service: Preferences
) -> None:
    await service.load()
    await storage.close()
    with pytest.raises(Overloaded):
        await service.set(ALICE, prefs("never"))

    assert (await service.of(ALICE)).default == "always"


async def test_default_roster_is_not_implemented_without_rosters(storage: Storage) -> None:
    with pytest.raises(NotImplementedHere):
        await service_in(storage, readable=False).set(ALICE, prefs("roster"))


# Verdicts


@pytest.mark.parametrize(
    ("default", "verdict"), [("always", True), ("never", False), ("roster", None)]
)
@pytest.mark.parametrize("peer", [BOB, ROMEO, ROOM, ALICE, "remote.example"])
async def test_default_decides_about_unlisted_jids(
    service: Preferences, default: str, peer: str, verdict: bool | None
) -> None:
    await service.set(ALICE, prefs(default, (CAROL,), (f"dave@{HOST}",)))

    assert await wants(service, ALICE, peer, "x") is verdict


@pytest.mark.parametrize("default", DEFAULTS)
async def test_list_decides_before_the_default(service: Preferences, default: str) -> None:
    await service.set(ALICE, prefs(default, (BOB,), (ROMEO,)))

    assert (await wants(service, ALICE, BOB, ""), await wants(service, ALICE, ROMEO, "")) == (
        True,
        False,
    )


@pytest.mark.parametrize("default", DEFAULTS)
@pytest.mark.parametrize("always", [BOB, f"{BOB}/phone"])
@pytest.mark.parametrize("never", [BOB, f"{BOB}/phone"])
async def test_never_list_wins_over_always_list(
    service: Preferences, default: str, always: str, never: str
) -> None:
    await service.set(ALICE, prefs(default, (always,), (never,)))

    assert await wants(service, ALICE, BOB, "phone") is False


@pytest.mark.parametrize("resource", ["", "phone", "Phone"])
async def test_bare_jid_matches_all_its_resources(service: Preferences, resource: str) -> None:
    await service.set(ALICE, prefs("never", (BOB,)))

    assert await wants(service, ALICE, BOB, resource) is True


@pytest.mark.parametrize(
    ("resource", "verdict"), [("phone", True), ("Phone", False), ("", False), ("phone/x", False)]
)
async def test_full_jid_matches_its_resource_only(
    service: Preferences, resource: str, verdict: bool
) -> None:
    await service.set(ALICE, prefs("never", (f"{BOB}/phone",)))

    assert await wants(service, ALICE, BOB, resource) is verdict


async def test_listed_domain_matches_the_domain_jid_only(service: Preferences) -> None:
    await service.set(ALICE, prefs("never", ("remote.example",)))

    assert await wants(service, ALICE, "remote.example", "") is True
    assert await wants(service, ALICE, ROMEO, "") is False


@given(
    default=st.sampled_from(DEFAULTS),
    always=st.frozensets(st.sampled_from([BOB, f"{BOB}/a", f"{BOB}/b", ROMEO])),
    never=st.frozensets(st.sampled_from([BOB, f"{BOB}/a", f"{BOB}/b", ROMEO])),
    resource=st.sampled_from(["", "a", "b", "c"]),
)
async def test_verdict_follows_xep_0441(
    default: str, always: frozenset[str], never: frozenset[str], resource: str
) -> None:
    """XEP-0441 section 2.3.1: compare each listed JID by itself."""

    def matches(listed: str) -> bool:
        return listed == (f"{BOB}/{resource}" if "/" in listed else BOB)

    async with open_storage("sqlite::memory:") as storage:
        service = service_in(storage)
        await service.set(ALICE, prefs(default, tuple(always), tuple(never)))
        verdict = await wants(service, ALICE, BOB, resource)

    if any(map(matches, never)):
        assert verdict is False
    elif any(map(matches, always)):
        assert verdict is True
    else:
        assert verdict is {"always": True, "never": False, "roster": None}[default]


# Rules of operators


@pytest.mark.parametrize("default", DEFAULTS)
async def test_host_default_applies_without_preferences(storage: Storage, default: str) -> None:
    assert await service_in(storage, HostRules(default=default)).of(ALICE) == prefs(default)


async def test_preferences_override_the_host_default(storage: Storage) -> None:
    service = service_in(storage, HostRules(default="never"))
    await service.set(ALICE, prefs("always"))

    assert (await wants(service, ALICE, BOB, ""), await wants(service, CAROL, BOB, "")) == (
        True,
        False,
    )


async def test_host_default_applies_to_its_host_only(storage: Storage) -> None:
    hosts = {HOST: HostRules(default="never"), OTHER_HOST: HostRules()}
    service = Preferences(storage.preferences, Addresses(), FixedRosters(), hosts)

    assert (await wants(service, ALICE, BOB, ""), await wants(service, CAROL, BOB, "")) == (
        False,
        True,
    )


@pytest.mark.parametrize("forbidden", [ROMEO, "remote.example"])
async def test_peer_in_the_host_never_list_is_never_archived(
    storage: Storage, forbidden: str
) -> None:
    service = service_in(storage, HostRules(never=frozenset({forbidden})))
    await service.set(ALICE, prefs("always", (ROMEO, f"{ROMEO}/x")))

    assert (await wants(service, ALICE, ROMEO, "x"), await wants(service, ALICE, BOB, "x")) == (
        False,
        True,
    )


@pytest.mark.parametrize("forbidden", [ALICE, HOST])
async def test_owner_in_the_host_never_list_has_no_message_archived(
    storage: Storage, forbidden: str
) -> None:
    service = service_in(storage, HostRules(never=frozenset({forbidden})))

    assert await wants(service, ALICE, ROMEO, "x") is False


async def test_applied_preferences_leave_out_jids_of_the_host_never_list(storage: Storage) -> None:
    service = service_in(storage, HostRules(never=frozenset({"remote.example"})))

    assert (await service.set(ALICE, prefs("always", (ROMEO, BOB, f"{ROMEO}/x")))).always == (BOB,)


async def test_jid_removed_from_the_host_never_list_is_applied_again(storage: Storage) -> None:
    earlier = service_in(storage, HostRules(never=frozenset({ROMEO})))
    await earlier.set(ALICE, prefs("never", (ROMEO,)))
    later = service_in(storage)
    await later.load()

    assert (await later.of(ALICE)).always == (ROMEO,)


@pytest.mark.parametrize("owner", [ROOM, ROMEO, HOST])
async def test_archives_of_other_owners_have_no_preferences(storage: Storage, owner: str) -> None:
    rules = HostRules(default="never", never=frozenset({BOB}))

    assert await wants(service_in(storage, rules), owner, BOB, "x") is True


# Several processes


async def test_preferences_that_another_process_has_set_are_read_again(storage: Storage) -> None:
    one, other = service_in(storage), service_in(storage)
    for service in (one, other):
        await service.load()
    await one.set(ALICE, prefs("never"))
    assert await wants(other, ALICE, BOB, "phone")

    other.changed_elsewhere(ALICE)

    assert other.remembered(ALICE) is None
    assert not await wants(other, ALICE, BOB, "phone")
    assert other.remembered(ALICE) is not None


async def test_missed_changes_of_preferences_are_read_again(storage: Storage) -> None:
    one, other = service_in(storage), service_in(storage)
    await other.load()
    await one.set(ALICE, prefs("never"))

    other.missed()

    assert not await wants(other, ALICE, BOB, "phone")
    assert await wants(other, BOB, ALICE, "phone")
