"""Export of an archive over HTTP."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import replace

import pytest
from aiohttp import ClientPayloadError
from aiohttp.test_utils import TestClient
from pytest_aiohttp import AiohttpClient
from support.builders import ALICE, entries, entry, message
from support.http_services import SETTINGS
from support.stanzas import parse

from component.core.access.principals import Operator, Role
from component.web.app import make_app
from component.web.server.settings import Services

PERSONAL_DATA = f"/api/v1/archives/{ALICE}/personal-data"
EXPORT = f"/api/v1/archives/{ALICE}/export"


async def test_export_is_json_lines_by_default(api: TestClient, services: Services) -> None:
    await services.storage.archive.append(entries(450))

    answer = await api.get(EXPORT)
    lines = [json.loads(line) for line in (await answer.text()).splitlines()]

    assert answer.content_type == "application/x-ndjson"
    assert answer.headers["Cache-Control"] == "no-store"
    assert [line["xml"] for line in lines] == [row.xml for row in entries(450)]


async def test_export_is_xep_0227_on_request(api: TestClient, services: Services) -> None:
    await services.storage.archive.append([entry(n, xml=message(f"{n}")) for n in range(450)])

    answer = await api.get(EXPORT, params={"format": "xep0227"})
    root = parse(await answer.text())

    assert answer.content_type == "application/xml"
    assert len(root.findall(".//{urn:xmpp:mam:2}result")) == 450


async def test_export_of_an_empty_archive_is_empty(api: TestClient) -> None:
    answer = await api.get(EXPORT)

    assert (answer.status, await answer.read()) == (200, b"")


async def test_reader_may_export_and_is_in_the_audit_log(
    aiohttp_client: AiohttpClient, services: Services
) -> None:
    reader = Operator(name="rob", role=Role.READER, secret="of rob")
    client = await aiohttp_client(make_app(replace(SETTINGS, operators=(reader,)), services))

    answer = await client.get(EXPORT, headers={"X-Api-Key": "of rob"})

    assert answer.status == 200
    [audit_entry] = await services.storage.audit_log.entries(limit=10)
    assert (audit_entry.actor, audit_entry.action, audit_entry.subject, audit_entry.detail) == (
        "rob",
        "export",
        ALICE,
        "jsonl",
    )


async def test_number_of_messages_is_told_before_the_first(
    api: TestClient, services: Services
) -> None:
    await services.storage.archive.append(entries(7))

    assert (await api.get(EXPORT)).headers["Muniment-Messages"] == "7"


async def test_personal_data_is_a_zip_file_with_the_audit_entry_of_the_export(
    api: TestClient, services: Services
) -> None:
    await services.storage.archive.append(entries(7))

    answer = await api.get(PERSONAL_DATA)
    with zipfile.ZipFile(io.BytesIO(await answer.read())) as archive:
        messages = archive.read("messages.jsonl").splitlines()
        [line] = archive.read("audit-log.jsonl").splitlines()

    assert answer.content_type == "application/zip"
    assert answer.headers["Cache-Control"] == "no-store"
    assert len(messages) == 7
    audited = json.loads(line)
    assert (audited["action"], audited["detail"]) == ("export", "personal-data")


async def test_reader_gets_no_personal_data(
    aiohttp_client: AiohttpClient, services: Services
) -> None:
    reader = Operator(name="rob", role=Role.READER, secret="of rob")
    client = await aiohttp_client(make_app(replace(SETTINGS, operators=(reader,)), services))

    answer = await client.get(PERSONAL_DATA, headers={"X-Api-Key": "of rob"})

    assert answer.status == 403
    assert await services.storage.audit_log.entries(limit=10) == ()


async def test_personal_data_takes_no_parameters(api: TestClient) -> None:
    assert (await api.get(f"{PERSONAL_DATA}?format=jsonl")).status == 400


@pytest.mark.parametrize("query", ["format=mbox", "since=1", "format=jsonl&format=jsonl"])
async def test_unknown_parameters_are_refused(api: TestClient, query: str) -> None:
    assert (await api.get(f"{EXPORT}?{query}")).status == 400


async def test_store_failure_before_the_first_byte_is_503(
    api: TestClient, services: Services
) -> None:
    await services.storage.close()

    assert (await api.get(EXPORT)).status == 503


async def test_export_that_is_cut_off_ends_in_an_error(
    api: TestClient, services: Services
) -> None:
    """The store is closed while the system's buffers are full and the client has not read them."""
    await services.storage.archive.append([entry(n, xml="x" * 100_000) for n in range(600)])
    answer = await api.get(EXPORT)
    await services.storage.close()

    with pytest.raises(ClientPayloadError):
        await answer.read()
