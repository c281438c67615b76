"""A use of all methods of a store, with values that no other use has."""

from __future__ import annotations

from dataclasses import replace

from storage.interface import Storage
from storage.rows import (
    READABLE,
    Account,
    AuditEntry,
    Contact,
    Cutoff,
    DeadLetter,
    DisplayedMarker,
    EntryKind,
    Filter,
    Hold,
    HostRetention,
    IdentifierKind,
    ImportedMessage,
    JournalEntry,
    Kind,
    Occupant,
    OfflineStanza,
    Phrase,
    PreferencesRow,
    Profile,
    PushKind,
    PushProgress,
    PushSubscription,
    RoomChanges,
    RoomInvitation,
    Rule,
    SignIn,
    UsageOrder,
)
from support.builders import NOON, ROMEO, carry_out, correction, entries, entry, retraction

KINDS = [frozenset({kind}) | {Kind.MESSAGE} for kind in Kind if kind is not Kind.BLANKED]


async def read_and_write(storage: Storage, n: int) -> None:
    """Use all of a store, with values that no other `n` has."""
    owner = f"user{n}@host{n}.example"
    peer, room = f"peer{n}@example.net", f"room{n}@rooms.example"
    rows = entries(20, owner=owner, peer=peer, text=f"word{n}", name_hashes=(n,))
    line = AuditEntry(number=0, at=n, actor=f"a{n}", action="read", subject=owner, detail=str(n))
    await storage.events.open(owner)
    await storage.archive.append([*rows, line])
    await storage.archive.append(
        [
            entry(f"x{n}", owner=owner),
            entry(f"y{n}", owner=owner, alternative_keys=(bytes(16), bytes(range(16)))),
            entry(f"z{n}", owner=owner, peer=peer, at=NOON - n, stanza_id=f"room-{n}"),
            correction(f"c{n}", n, owner=owner, peer=peer),
            retraction(n, name=f"r{n}", owner=owner, peer=peer),
        ]
    )
    await carry_out(storage.archive)
    await read(storage, owner, peer, n)
    await keep_records(storage, owner, peer, room, n)
    await keep_people(storage, owner, n)
    await chat(storage, owner, room, n)
    await follow(storage, owner, peer, n)
    await move_in(storage, n)
    await storage.retention.usage_of(owner)
    await storage.retention.totals()
    await storage.retention.over_limit(owner, Cutoff(since=n, messages=18, bytes=10**6 + n))
    await storage.retention.over_limit(
        owner, Cutoff(since=n, messages=18, bytes=10**6 + n), peer=peer
    )
    await storage.retention.usage(domain=f"host{n}.example", after=f"a{n}", limit=n)
    await storage.retention.usage(after=f"a{n}", limit=n)
    for order in UsageOrder:
        await storage.retention.ranked_usage(order, part=f"user{n}", limit=n)
        await storage.retention.ranked_usage(order, after=owner, limit=n)
    await storage.retention.blank_oldest(
        owner, peer, Cutoff(since=n, messages=18, bytes=10**6 + n), limit=n
    )
    await storage.retention.delete_oldest(
        owner, Cutoff(since=n, messages=15, bytes=10**6 + n), limit=n
    )
    for archive in (room, owner):
        await storage.retention.erase(archive, limit=100 + n)


async def move_in(storage: Storage, n: int) -> None:
    """Import messages before those that arrive, and a late one behind them."""
    owner, source = f"moved{n}@host{n}.example", f"source{n}"
    for start in (0, 10):
        rows = [row._replace(at=row.at + n) for row in entries(start + 10, owner=owner)[start:]]
        moved = [ImportedMessage(row, f"old-{n}-{row.at}") for row in rows]
        await storage.imports.outcomes(moved)
        await storage.imports.add(moved, source=source, place=f"{n}")
        await storage.archive.append([entry(f"after{start}", owner=owner, at=NOON - n)])
    await storage.archive.page(owner, Filter(after=f"old-{n}-{NOON + n}"), limit=n)
    await storage.imports.place(source)
    await storage.imports.forget(source)


async def read(storage: Storage, owner: str, peer: str, n: int) -> None:
    archive = storage.archive
    ids = [message.id for message in (await archive.page(owner, Filter(), limit=100 + n)).messages]
    for filter in (
        Filter(),
        Filter(peer=peer),
        Filter(peer_local=f"peer{n}", kinds=KINDS[n % len(KINDS)]),
        Filter(resource=f"r{n}", since=n, until=NOON + 10**9 + n),
        Filter(since=NOON + n),
        Filter(peer=peer, since=NOON + n, until=NOON + 10**9 + n),
        Filter(kinds=READABLE),
        Filter(phrases=(Phrase(words=(f"word{n}",)),)),
        Filter(peer=peer, phrases=(Phrase(words=(f"word{n}", f"x{n}"), is_prefix=True),)),
        Filter(ids=tuple(ids[n : n + 5])),
        Filter(after=ids[0], before=ids[10 + n % 5], groupchat=False),
    ):
        for backwards in (True, False):
            await archive.page(owner, filter, limit=n, backwards=backwards, counted=True)
        await archive.page(owner, filter, limit=n, index=n)
        await archive.page(owner, filter, limit=n, after=ids[n % 5], before=ids[-1])
        await archive.page_by_time(owner, filter, limit=n, newest=True, counted=True)
        await archive.count(owner, filter)
        await archive.days(owner, filter)
        if filter.phrases is None:
            texts = (f"body{n}", f"other{n}")
            await archive.search_xml(owner, filter, texts, limit=n, before=ids[-1])
    await archive.page_after(owner, ids[n], limit=n)
    await archive.first_and_last(owner)
    for max_bytes in (None, 10**6 + n):
        await archive.references(owner, ids[n : n + 2], limit=n, max_bytes=max_bytes)
    await archive.unfinished_retractions()
    await archive.conversations(owner, limit=n, before=ids[-1], since=ids[n])
    await archive.conversations(owner, limit=n, max_bytes=n, peers=[peer])
    await archive.page(owner, Filter(ids=(f"room-{n}",)), limit=n)
    await storage.retention.blank(owner, ids[n])


async def follow(storage: Storage, owner: str, peer: str, n: int) -> None:
    """Use the journal and the sign-ins of an account."""
    value = f'{{"n": {n}}}'
    entry = JournalEntry(owner=owner, kind=EntryKind.CONTACT, subject=peer, value=value, at=NOON)
    await storage.events.put([entry, replace(entry, subject=f"{peer}/r", value="")])
    page = await storage.archive.page(owner, Filter(peer=peer), limit=5)
    await storage.archive.note_displayed(
        [DisplayedMarker(owner=owner, peer=peer, id=page.messages[1].id, name_hash=n)]
    )
    await storage.events.owners()
    for past in (False, True):
        await storage.events.snapshot(owner, past=past)
    await storage.events.seen(owner)
    for newest in (False, True):
        await storage.events.messages(owner, Filter(), newest=newest, limit=n)
        await storage.events.messages(
            owner,
            Filter(peer=peer, kinds=READABLE),
            after=n,
            before=20 + n,
            newest=newest,
            limit=n,
            max_bytes=10**6 + n,
        )
    events = await storage.events.page(owner, 0, limit=10 + n, max_bytes=10**6 + n)
    await storage.events.page(owner, events.cursor, limit=10 + n)
    sign_in = SignIn(
        id=f"id{n}",
        jid=owner,
        created_at=n,
        refreshed_at=n,
        expires_at=NOON + n,
        token_hash=f"t{n}".encode(),
    )
    await storage.sign_ins.add(sign_in, limit=5, revocations=0)
    await storage.sign_ins.rotate(
        replace(sign_in, previous_hash=sign_in.token_hash, token_hash=f"u{n}".encode())
    )
    await storage.sign_ins.get(sign_in.id)
    await storage.sign_ins.list(owner)
    await storage.sign_ins.renew(sign_in.id, at=n, expires_at=NOON + n)
    await storage.sign_ins.set_gateway(sign_in.id, value)
    await storage.sign_ins.gateway_totals(at=n)
    await push(storage, sign_in, n)
    await storage.sign_ins.remove(owner, sign_in.id)
    await storage.sign_ins.remove_all(owner)
    await storage.events.close_unused(at=NOON)


async def push(storage: Storage, sign_in: SignIn, n: int) -> None:
    """Use the push subscriptions of a sign-in."""
    subscription = PushSubscription(
        id=f"push{n}",
        jid=sign_in.jid,
        sign_in=sign_in.id,
        kind=PushKind.WEBHOOK,
        endpoint=f"https://host{n}.example/",
        secret=f"s{n}".encode(),
        content="none",
        events=("message",),
        created_at=n,
        cursor=f"c{n}",
    )
    jid, id = subscription.jid, subscription.id
    letter = DeadLetter(event_id=n, type="message", at=n, attempts=n, failure=f"f{n}")
    for _ in range(2):
        await storage.push.add(subscription, limit=5)
    await storage.push.add(replace(subscription, id=f"other{n}", endpoint=f"e{n}"), limit=5)
    await storage.push.get(id, at=n)
    await storage.push.list(jid, at=n)
    await storage.push.times(at=n)
    await storage.push.set_content(jid, id, f"text{n}")
    await storage.push.set_cursor(jid, id, f"d{n}")
    progress = PushProgress(
        id=id, after=f"d{n}", cursor=f"e{n}", attempts=n, retry_at=n, dead_letters=(letter,)
    )
    await storage.push.save([progress], dead_letters_max=n)
    await storage.push.put_dead_letter(id, replace(letter, attempts=n + 1))
    await storage.push.dead_letters(id)
    await storage.push.replay_dead_letters(id)
    await storage.push.remove_dead_letter(id, n)
    await storage.push.unread(jid)
    await storage.push.remove(jid, id)
    await storage.push.add(replace(subscription, sign_in=f"ended{n}"), limit=5)
    await storage.push.remove_ended(at=n)


async def keep_records(storage: Storage, owner: str, peer: str, room: str, n: int) -> None:
    await storage.preferences.set(PreferencesRow(owner=owner, default="never", always=(peer,)))
    await storage.preferences.get(owner)
    await storage.preferences.list(after=owner, limit=n)
    await storage.rules.set(Rule(owner=owner, peer=peer, days=n))
    await storage.rules.list()
    await storage.rules.remove(owner, peer)
    await storage.rules.confirm([HostRetention(host=f"h{n}", days=n, messages=n, bytes=n)])
    await storage.rules.confirmed()
    await storage.holds.set(Hold(subject=owner, reason=f"r{n}", by=f"b{n}", at=n))
    await storage.holds.list()
    await storage.holds.remove(owner)
    await storage.audit_log.entries(limit=n, before=n)
    await storage.audit_log.entries(limit=n, subject=owner)
    members = (Occupant(room=room, jid=owner, affiliation="member", heard_at=n),)
    for keeps in (True, False):
        changes = RoomChanges(room=room, created_at=n, keep_banned=keeps, is_persistent=keeps)
        await storage.rooms.change(replace(changes, occupants=members, removed=members))
    await storage.rooms.affiliation(room, owner)
    await storage.rooms.get(room)


async def keep_people(storage: Storage, owner: str, n: int) -> None:
    await storage.accounts.add(Account(jid=owner, verifier=f"v{n}", created=n))
    await storage.accounts.change(Account(jid=owner, verifier=f"w{n}", created=n))
    await storage.accounts.get(owner)
    await storage.accounts.list(f"host{n}.example", after=f"a{n}", limit=n)
    await storage.accounts.count(f"host{n}.example")
    await storage.contacts.put(owner, Contact(jid=ROMEO, name=f"n{n}"))
    await storage.contacts.roster(owner)
    await storage.contacts.remove(owner, ROMEO)
    await storage.contacts.clear(owner)
    await storage.offline.add(owner, OfflineStanza(peer=ROMEO, stanza=f"<m{n}/>", at=n))
    await storage.offline.count(owner)
    await storage.offline.pop(owner)
    await storage.accounts.remove(owner)


async def chat(storage: Storage, owner: str, room: str, n: int) -> None:
    """Use what chat keeps; all of it stays."""
    profile = Profile(jid=owner, name=f"N{n}", email=f"e{n}@mail.example", folded_name=f"n{n}")
    await storage.profiles.add(owner)
    await storage.profiles.put(profile)
    await storage.profiles.get([owner])
    await storage.profiles.with_email(profile.email)
    for local, words in ((f"u{n}", f"n{n}"), (None, f"n{n}"), (f"u{n}", None)):
        await storage.profiles.search(f"host{n}.example", local=local, words=words, limit=n)
    for kind, key in (
        (IdentifierKind.USER, owner),
        (IdentifierKind.ROOM, room),
        (IdentifierKind.DIRECT, f"{owner} {ROMEO}"),
    ):
        identifier = (await storage.identifiers.of(kind, [key]))[key]
        await storage.identifiers.with_numbers(kind, [identifier.number])
        await storage.identifiers.with_uri(identifier.uri)
    members = tuple(
        Occupant(room=room, jid=jid, affiliation="member", heard_at=n) for jid in (owner, ROMEO)
    )
    await storage.rooms.change(RoomChanges(room=room, name=f"room {n}", occupants=members))
    await storage.rooms.memberships(owner)
    await storage.rooms.members(room)
    for has_left in (False, True):
        await storage.rooms.set_departed(room, owner, has_left)
    await storage.rooms.departed(room)
    invitation = RoomInvitation(
        token_hash=n.to_bytes(32), room=room, inviter=owner, expires_at=10**17 + n
    )
    await storage.rooms.invite(invitation, at=n)
    await storage.rooms.invitation(invitation.token_hash)
    rows = entries(5, owner=room, peer=room, type="groupchat", text=f"posted{n}")
    await storage.archive.append([row._replace(author=owner) for row in rows])
    await storage.archive.append([entry(f"more{n}", owner=room, peer=room, type="groupchat")])
    await storage.archive.read_rooms(room, [ROMEO])
    await storage.archive.room_conversations(owner, [room])
    page = await storage.archive.page(room, Filter(), limit=100 + n)
    marker = DisplayedMarker(owner=owner, peer=room, id=page.messages[-1].id, is_room=True)
    await storage.archive.note_displayed([marker])
