"""The contract of the full-text search, on every backend."""

from __future__ import annotations

import pytest
from support.builders import ALICE, BOB, NOON, ROMEO, delete_all_but, entry, everything, texts

from storage.interface import Archive, Storage
from storage.rows import Filter, Kind, NewMessage, Page, Phrase


def phrases(*phrase_texts: str) -> tuple[Phrase, ...]:
    """Return a phrase for each text; a text that ends with * is a prefix."""
    return tuple(
        Phrase(words=tuple(text.rstrip("*").split()), is_prefix=text.endswith("*"))
        for text in phrase_texts
    )


def with_texts(*lines: str) -> list[NewMessage]:
    """Return rows with these texts, a microsecond after each other."""
    return [entry(n, at=NOON + n, text=line) for n, line in enumerate(lines)]


LINES = [
    "the rain in spain",
    "spain in the rain",
    "rainbow",
    "",
    "ünï wörld 你 好 吗",
    "the the rain rain",
    "42 rain2",
]


@pytest.mark.parametrize(
    ("phrase_texts", "matching"),
    [
        (["rain"], [0, 1, 5]),
        (["rain*"], [0, 1, 2, 5, 6]),
        (["the rain"], [0, 1, 5]),
        (["the rain in"], [0]),
        (["rain the"], []),
        (["in the ra*"], [1]),
        (["in sp*"], [0]),
        (["rain", "spain"], [0, 1]),
        (["rain", "bow"], []),
        (["rain", "rain"], [0, 1, 5]),
        (["rain rain"], [5]),
        (["ünï"], [4]),
        (["uni"], []),
        (["你 好"], [4]),
        (["好 你"], []),
        (["w*"], [4]),
        (["42"], [6]),
        (["4*"], [6]),
        (["nothing"], []),
    ],
    ids=str,
)
async def test_phrases_are_found_in_texts(
    archive: Archive, phrase_texts: list[str], matching: list[int]
) -> None:
    rows = with_texts(*LINES)
    await archive.append(rows)
    search = Filter(phrases=phrases(*phrase_texts))

    expected = texts([rows[n] for n in matching])
    assert texts(await everything(archive, filter=search)) == expected
    assert texts(await archive.page_by_time(ALICE, search, limit=None)) == expected
    assert await archive.count(ALICE, search) == len(matching)


@pytest.mark.parametrize(
    "word",
    ['a"b', "a OR b", "NOT", "text", "peer", "a:b", "(a", "*", "^a", "-a", "'", "{a}", "NEAR"],
)
async def test_search_has_no_operators(archive: Archive, word: str) -> None:
    await archive.append(with_texts("rain", "a"))

    page = await everything(archive, filter=Filter(phrases=(Phrase(words=(word, "zebra")),)))

    assert page == Page()


async def test_search_without_phrases_matches_everything(archive: Archive) -> None:
    await archive.append(with_texts("rain", ""))

    assert texts(await everything(archive, filter=Filter(phrases=()))) == texts(with_texts("", ""))


@pytest.mark.parametrize("phrase_texts", ["p*", "n*", "a*", "0*", "1*", "f*", "bob*", "message*"])
async def test_search_finds_no_names_or_columns(archive: Archive, phrase_texts: str) -> None:
    names = (1, -1, 2**63 - 1, 0xABCDEF)
    await archive.append(
        [entry(n, text="rain", name_hashes=names, refers_to=(n,)) for n in range(20)]
    )

    assert await everything(archive, filter=Filter(phrases=phrases(phrase_texts))) == Page()


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("limit", [1, 2, 3, 7])
async def test_search_results_are_paged(archive: Archive, limit: int, backwards: bool) -> None:
    rows = with_texts(*(("rain", "sun", "rain cloud")[n % 3] for n in range(21)))
    await archive.append(rows)
    search, matching, place = Filter(phrases=phrases("rain")), [], {}
    while True:
        page = await archive.page(
            ALICE, search, limit=limit, backwards=backwards, counted=True, **place
        )
        matching = texts(page) + matching if backwards else matching + texts(page)
        assert page.count == 14
        assert page.index == (
            14 - len(matching) if backwards else len(matching) - len(page.messages)
        )
        if page.complete:
            break
        id = page.messages[0 if backwards else -1].id
        place = {"before": id} if backwards else {"after": id}

    assert matching == texts([row for n, row in enumerate(rows) if n % 3 != 1])


@pytest.mark.parametrize(
    ("phrase_texts", "matching"),
    [
        (Filter(peer=ROMEO), [1, 4, 7]),
        (Filter(peer_local="romeo"), [1, 4, 7]),
        (Filter(peer=BOB, resource="r"), [3]),
        (Filter(since=NOON + 2, until=NOON + 4), [2, 3, 4]),
        (Filter(groupchat=True), [2, 5, 8]),
        (Filter(kinds=frozenset({Kind.ANNOTATION})), [0, 4, 8]),
        (Filter(peer="romeo@example.org"), []),
    ],
    ids=str,
)
async def test_search_is_combined_with_the_rest_of_the_filter(
    archive: Archive, phrase_texts: Filter, matching: list[int]
) -> None:
    rows = [
        entry(
            n,
            at=NOON + n,
            text="rain",
            peer=(BOB, ROMEO, "room@x")[n % 3],
            type="groupchat" if n % 3 == 2 else "chat",
            resource="r" if n % 2 else "",
            kind=Kind.MESSAGE if n % 4 else Kind.ANNOTATION,
        )
        for n in range(9)
    ]
    await archive.append(rows)
    search = Filter(
        phrases=phrases("rain"),
        **{
            name: getattr(phrase_texts, name)
            for name in ("peer", "peer_local", "resource", "kinds")
        },
        **{name: getattr(phrase_texts, name) for name in ("since", "until", "groupchat")},
    )

    page = await archive.page(ALICE, search, limit=20, counted=True)

    assert texts(page) == texts([rows[n] for n in matching])
    assert page.count == await archive.count(ALICE, search) == len(matching)


async def test_search_is_combined_with_ids(archive: Archive) -> None:
    rows = with_texts("rain", "sun", "rain", "rain")
    await archive.append(rows)
    ids = [stored.id for stored in (await everything(archive)).messages]

    chosen = Filter(phrases=phrases("rain"), ids=(ids[1], ids[2]))
    between = Filter(phrases=phrases("rain"), after=ids[0], before=ids[3])

    assert texts(await everything(archive, filter=chosen)) == texts([rows[2]])
    assert texts(await everything(archive, filter=between)) == texts([rows[2]])


async def test_search_result_page_begins_at_an_index(archive: Archive) -> None:
    rows = with_texts(*["rain", "sun"] * 5)
    await archive.append(rows)

    page = await archive.page(ALICE, Filter(phrases=phrases("rain")), limit=2, index=2)

    assert (texts(page), page.index) == (texts([rows[4], rows[6]]), 2)


async def test_search_does_not_cross_archives(archive: Archive) -> None:
    owners = [f"{n}@example.org" for n in range(5)]
    await archive.append([entry(o, owner=o, text="rain") for o in owners for _ in range(2)])

    matching = [await everything(archive, o, Filter(phrases=phrases("rain"))) for o in owners]

    assert [texts(page) for page in matching] == [texts([entry(owner)]) for owner in owners]


async def test_deleted_message_is_not_found_by_search(storage: Storage, archive: Archive) -> None:
    rows = with_texts("rain", "rain", "rain")
    await archive.append(rows)
    await delete_all_but(storage, 2)

    assert texts(await everything(archive, filter=Filter(phrases=phrases("rain")))) == texts(
        rows[1:]
    )


async def test_duplicate_adds_no_words_to_the_index(archive: Archive) -> None:
    await archive.append(with_texts("rain"))
    await archive.append([entry(0, text="snow"), entry(9, text="sleet")])

    matching = [
        texts(await everything(archive, filter=Filter(phrases=phrases(word))))
        for word in ("rain", "snow", "sleet")
    ]

    assert matching == [texts([entry(0)]), [], texts([entry(9)])]
