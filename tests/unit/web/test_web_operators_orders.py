"""The forms of operators: rules, holds, purges, erasure, export, and what else admins see."""

from __future__ import annotations

import asyncio
import io
import re
import zipfile
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from support.archives import Talk, to_alice, to_bob
from support.builders import NOON, SECOND, entries
from support.http_services import HOST, FakeGrants, note_gap
from support.operators import AUDITOR, CHIEF, OperatorBrowser, operator_browser

from component.core.doctor.finding import Finding, Severity
from component.core.figures import Figures, Sample
from component.web.operators.views.store_figures import plots
from component.web.server.settings import Services
from storage.rows import ANY, Kind, Rule

OWNER = f"alice@{HOST}"
ARCHIVE = f"archives/{OWNER}"


@pytest.fixture
async def chief(services: Services) -> AsyncIterator[OperatorBrowser]:
    async with operator_browser(services, CHIEF) as browser:
        yield browser


async def actions(services: Services) -> list[tuple[str, str, str]]:
    """Return the actions of the audit log, the oldest first."""
    await services.writer.wait_durable()
    entries = await services.storage.audit_log.entries(limit=100)
    return [(entry.action, entry.subject, entry.detail) for entry in entries[::-1]]


async def count(services: Services) -> int:
    await services.writer.wait_durable()
    return await services.storage.archive.count(OWNER, ANY)


async def test_rule_is_set_and_removed(services: Services, chief: OperatorBrowser) -> None:
    bob = f"bob@{HOST}"
    page = await chief.post(
        f"{ARCHIVE}/retention", peer=bob.upper(), days="30", messages="", bytes="0"
    )

    assert (page.status, page.path) == (200, f"/operators/{ARCHIVE}/retention")
    assert f"{bob} 30 default no limit" in page.text
    assert services.administration.rules.of(OWNER) == {
        bob: Rule(owner=OWNER, peer=bob, days=30, bytes=0)
    }
    page = await chief.post(f"{ARCHIVE}/retention/remove", peer=bob)
    assert "This archive has no rule of its own" in page.text
    assert await actions(services) == [
        ("set retention", OWNER, f"days 30, messages None, bytes 0, with {bob}"),
        ("drop retention", OWNER, f"with {bob}"),
    ]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "enter at least one limit"),
        ({"days": "x"}, "days: "),
        ({"days": "-1"}, "days: "),
        ({"messages": str(2**60)}, "messages: "),
        ({"days": "1", "peer": "@"}, ""),
        ({"days": "1", "nonsense": "1"}, "nonsense"),
    ],
)
async def test_wrong_rule_is_refused_beside_the_form(
    services: Services, chief: OperatorBrowser, fields: dict[str, str], words: str
) -> None:
    page = await chief.post(f"{ARCHIVE}/retention", **fields)

    assert page.status == 400
    assert words in page.text
    shown = {field["name"]: field.get("value") for field in page.elements("input")}
    assert shown["days"] == fields.get("days", "")
    assert services.administration.rules.of(OWNER) == {}
    assert await actions(services) == []


async def test_rule_that_deletes_much_has_to_be_confirmed(
    services: Services, chief: OperatorBrowser
) -> None:
    await services.storage.archive.append(entries(20))

    page = await chief.post(f"{ARCHIVE}/retention", messages="5")
    assert page.status == 409
    assert "would delete 15 messages" in page.text
    assert services.administration.rules.of(OWNER) == {}

    assert (await chief.post(f"{ARCHIVE}/retention", messages="5", confirm="true")).status == 200
    assert services.administration.rules.of(OWNER)[""].messages == 5


async def test_limits_and_sizes_are_shown_as_people_write_them(
    services: Services, chief: OperatorBrowser
) -> None:
    await services.storage.archive.append(entries(20))

    assert (
        "By default an archive keeps all messages."
        in (await chief.get(f"{ARCHIVE}/retention")).text
    )
    page = await chief.get(f"{ARCHIVE}/erase")
    assert re.search(r"Size [\d.]+ kB Oldest 2026-\d\d-\d\d \d\d:\d\d:\d\d UTC", page.text)
    assert "Limits are confirmed yes" in (await chief.post("purges/preview", owner=OWNER)).text


async def test_hold_is_placed_shown_and_released(
    services: Services, chief: OperatorBrowser
) -> None:
    page = await chief.post("holds", subject=f" {OWNER}", reason="case 7")

    assert f"{OWNER} case 7 chief" in page.text
    assert services.administration.holds.is_held(OWNER)
    assert "Legal hold" in (await chief.get(ARCHIVE)).text
    page = await chief.post("holds/release", subject=OWNER)
    assert (page.status, services.administration.holds.is_held(OWNER)) == (400, True)
    page = await chief.post("holds/release", subject=OWNER, confirm="true")
    assert "There is no legal hold" in page.text
    assert not services.administration.holds.is_held(OWNER)
    orders = [entry for entry in await actions(services) if entry[0] in ("hold", "release")]
    assert orders == [("hold", OWNER, "case 7"), ("release", OWNER, "")]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"subject": OWNER}, "reason: "),
        ({"subject": OWNER, "reason": "x" * 1001}, "reason: "),
        ({"subject": "a@elsewhere.example", "reason": "x"}, "is not served here"),
        ({"subject": f"{OWNER}/phone", "reason": "x"}, "bare JID"),
    ],
)
async def test_wrong_hold_is_refused_beside_the_form(
    services: Services, chief: OperatorBrowser, fields: dict[str, str], words: str
) -> None:
    page = await chief.post("holds", **fields)

    assert page.status in (400, 404)
    assert words in page.text
    assert services.administration.holds.all() == ()


async def test_purge_is_previewed_confirmed_and_shown(
    services: Services, chief: OperatorBrowser
) -> None:
    # The purge at the start of the program would delete them.
    while "The last purge" not in (await chief.get("purges")).text:
        continue
    await services.storage.archive.append(entries(20))
    await services.administration.rules.set(Rule(owner=OWNER, messages=5))

    preview = await chief.post("purges/preview", owner=OWNER)
    assert "This deletes 15 messages" in preview.text
    assert await count(services) == 20

    page = await chief.post("purges", owner=OWNER)
    assert page.status == 400
    assert await count(services) == 20

    page = await chief.post("purges", owner=OWNER, confirm="true")
    assert page.status == 200
    while "A purge is running" in page.text:
        page = await chief.get("purges")
    assert "15 messages" in page.text
    assert "Given back to the disk 0 bytes" in page.text
    assert "Unused in the files 0 bytes" in page.text
    assert await count(services) == 5
    async with asyncio.timeout(30):
        while len(done := await actions(services)) < 3:  # noqa: ASYNC110 - a state, no event
            await asyncio.sleep(0.01)
    assert done[:2] == [("preview", OWNER, "purge"), ("purge", OWNER, "confirm true")]
    assert done[2][:2] == ("purged", OWNER)
    assert done[2][2].startswith("done, 15 messages deleted, ")


async def test_erasure_needs_the_typed_owner(services: Services, chief: OperatorBrowser) -> None:
    await Talk(services.writer).take(to_bob("hello", "m1"), to_alice("hi", "m2"))

    page = await chief.get(f"{ARCHIVE}/erase")
    assert "This erases the archive of alice@example.org with 2 messages" in page.text
    for typed in ("", "alice", f"bob@{HOST}", OWNER.upper()):
        page = await chief.post(f"{ARCHIVE}/erase", owner=typed)
        assert (page.status, "Nothing is erased" in page.text) == (400, True)
    assert await count(services) == 2
    assert "erase" not in [action for action, _, _ in await actions(services)]

    page = await chief.post(f"{ARCHIVE}/erase", owner=OWNER)

    assert (page.status, page.path) == (200, f"/operators/{ARCHIVE}?done=erased")
    assert "The archive is erased" in page.text
    assert await count(services) == 0
    assert ("erase", OWNER, "") in await actions(services)


async def test_erasure_is_refused_under_a_hold(services: Services, chief: OperatorBrowser) -> None:
    await Talk(services.writer).take(to_bob("hello", "m1"))
    await chief.post("holds", subject=HOST, reason="case 7")

    form = await chief.get(f"{ARCHIVE}/erase")
    page = await chief.post(f"{ARCHIVE}/erase", owner=OWNER)

    assert "cannot be erased" in form.text
    assert (page.status, await count(services)) == (409, 1)


async def test_content_of_a_message_is_removed(services: Services, chief: OperatorBrowser) -> None:
    await Talk(services.writer).take(to_bob("regretted", "m1"))
    [row] = (await services.storage.archive.page(OWNER, ANY, limit=1)).messages

    form = await chief.get(f"{ARCHIVE}/messages/{row.id}/blank")
    page = await chief.post(f"{ARCHIVE}/messages/{row.id}/blank")

    assert "cannot be undone" in form.text
    assert "The content of the message is removed" in page.text
    [row] = (await services.storage.archive.page(OWNER, ANY, limit=1)).messages
    assert row.kind is Kind.BLANKED
    assert "was removed by an operator" in (await chief.get(f"{ARCHIVE}/days/2026-01-01")).text


@pytest.mark.parametrize(
    ("format", "type", "words"),
    [("jsonl", "application/x-ndjson", '"xml"'), ("xep0227", "application/xml", "<archive")],
)
async def test_confirmed_export_is_a_file(
    services: Services, format: str, type: str, words: str
) -> None:
    await Talk(services.writer).take(to_bob("hello", "m1"))
    async with operator_browser(services, AUDITOR) as auditor:
        form = await auditor.get(f"{ARCHIVE}/export")
        refused = await auditor.post(f"{ARCHIVE}/export", format=format)
        assert "Export" in form.text
        assert (refused.status, "tick the box" in refused.text) == (400, True)

        page = await auditor.post(f"{ARCHIVE}/export", format=format, confirm="true")

    assert (page.status, page.headers["Content-Type"]) == (200, type)
    assert page.headers["Content-Disposition"].startswith("attachment; ")
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert "hello" in page.html
    assert words in page.html
    assert await actions(services) == [("export", OWNER, format)]


async def test_personal_data_is_exported_for_admins_alone(services: Services) -> None:
    fields = {"format": "personal-data", "confirm": "true"}
    async with operator_browser(services, AUDITOR) as auditor:
        form = await auditor.get(f"{ARCHIVE}/export")
        refused = await auditor.post(f"{ARCHIVE}/export", **fields)
    async with operator_browser(services, CHIEF) as chief:
        choice = await chief.get(f"{ARCHIVE}/export")
        headers = {"Origin": chief.origin}
        path = f"/operators/{ARCHIVE}/export"
        async with chief.client.post(path, data=fields, headers=headers) as answer:
            file = await answer.read()

    assert ("Personal data" in form.text, "Personal data" in choice.text) == (False, True)
    assert refused.status == 403
    assert (answer.content_type, zipfile.is_zipfile(io.BytesIO(file))) == ("application/zip", True)
    assert await actions(services) == [("export", OWNER, "personal-data")]


async def test_audit_log_is_filtered_and_paged(services: Services, chief: OperatorBrowser) -> None:
    for n in range(60):
        await services.commands.audit.record("auditor", "read", f"u{n:02d}@{HOST}", "<b>all</b>")

    first = await chief.get("audit")
    [link] = [link for link in first.links if "before=" in link]
    second = await chief.get(link)
    some = await chief.get("audit", subject=f"u07@{HOST}")

    assert "u59@" in first.text
    assert "<b>all</b>" in first.text
    assert "u09@" not in first.text
    assert "u09@" in second.text
    assert "u08@" not in some.text
    assert "There are no entries about" in (await chief.get("audit", subject="nobody")).text


async def test_doctor_shows_its_findings(services: Services) -> None:
    findings = (
        Finding(
            id="copies",
            severity=Severity.ERROR,
            seen="chat.example: messages are not copied",
            change="mod_service_log has to name the component",
            options={"modules": {"mod_service_log": {"loggers": ["m.example"]}}},
        ),
        Finding(id="roster", severity=Severity.OK, seen="<script>fine</script>"),
    )
    grants = FakeGrants(findings)
    async with operator_browser(replace(services, grants=grants), CHIEF) as chief:
        form = await chief.get("doctor")
        page = await chief.post("doctor", reconnect="true")

    assert "copies" not in form.text
    for text in ("error copies", "not copied", "has to name", "loggers:", "<script>fine</script>"):
        assert text in page.text
    assert grants.reconnects == 1


async def test_forms_refuse_unknown_fields(chief: OperatorBrowser) -> None:
    for path in (
        f"{ARCHIVE}/erase",
        f"{ARCHIVE}/export",
        f"{ARCHIVE}/retention/remove",
        "holds",
        "holds/release",
        "purges",
        "purges/preview",
        "doctor",
        "sign-in",
    ):
        page = await chief.post(path, nonsense="1")
        assert (page.status, "nonsense" in page.text) == (400, True), path


async def test_figures_of_the_store_are_plots(services: Services, chief: OperatorBrowser) -> None:
    await services.storage.archive.append(entries(20))

    page = await chief.get("figures")

    assert "Messages 20" in page.text
    assert "There are no figures yet" in page.text
    assert len(page.elements("svg")) == 3


async def test_store_is_sampled_while_the_program_runs(services: Services) -> None:
    await services.storage.archive.append(entries(3))
    figures = Figures(services.administration, pause=0.0, limit=2)
    sampling = asyncio.create_task(figures.run())
    while len(figures.samples()) < 2:
        await figures.sample()
    await services.storage.archive.append(entries(5, owner=f"bob@{HOST}"))
    while figures.samples()[0].archives < 2:
        await figures.sample()
    sampling.cancel()

    assert [sample.messages for sample in figures.samples()] == [8, 8]


@pytest.mark.parametrize("count", [1, 2, 99, 100, 101, 2016])
def test_plots_have_some_of_many_samples_and_the_newest_one(count: int) -> None:
    samples = [
        Sample(at=NOON + n * 300 * SECOND, archives=1, messages=n, bytes=n) for n in range(count)
    ]

    arrived, messages, size, _ = plots(samples)

    assert len(messages.bars) <= 100
    assert len(arrived.bars) == len(messages.bars) - 1
    assert messages.bars[-1].value == size.bars[-1].value == count - 1
    assert sum(bar.value for bar in arrived.bars) == count - 1 - messages.bars[0].value


async def test_gap_is_listed_and_noted_as_filled_by_admins_alone(
    services: Services, chief: OperatorBrowser
) -> None:
    await note_gap(services, NOON, NOON + 125 * SECOND)
    await note_gap(services, NOON + 500 * SECOND, NOON + 501 * SECOND)

    page = await chief.get("gaps")
    assert "2 minutes 5 seconds Muniment did not run not fetched from anywhere" in page.text
    assert page.text.index("12:08:20") < page.text.index("12:00:00")
    assert (await chief.post("gaps/fill", number="2")).status == 400
    assert (
        "There is no gap with this number"
        in (await chief.post("gaps/fill", number="77", confirm="true")).text
    )
    page = await chief.post("gaps/fill", number="2", confirm="true")

    assert (page.path, "filled, " in page.text) == ("/operators/gaps", True)
    assert page.text.index("12:00:00") < page.text.index("12:08:20")
    assert services.gaps.unfilled()[0].number == 1
    assert ("fill-gap", "*", "number 2") in await actions(services)
    async with operator_browser(services, AUDITOR) as auditor:
        page = await auditor.get("gaps")
        assert ("2 minutes 5 seconds" in page.text, "Note as filled" in page.text) == (True, False)
