"""Files in messages: on the upload service, where pictures are shown, and elsewhere."""

from __future__ import annotations

import asyncio
from io import BytesIO

import pytest
from aiohttp import ClientSession
from PIL import Image
from playwright.async_api import Route, expect
from support.browser import Visit
from support.ports import LOOPBACK
from support.sign_in_server import SigningIn
from yarl import URL

#: The origin of the upload service.
UPLOADS = "https://one.test"

#: What the service lets pages of other origins do.
ALLOWED = {"Access-Control-Allow-Origin": "*"}


def image(width: int, height: int) -> bytes:
    """Return a PNG of one colour."""
    content = BytesIO()
    Image.new("1", (width, height)).save(content, "png")
    return content.getvalue()


async def test_file_goes_to_the_upload_service_and_its_picture_to_the_contact(
    visit: Visit, signing_in: SigningIn
) -> None:
    ann, ben = signing_in.server.accounts("ann", "ben")
    visitor, other = await visit(), await visit()
    received: list[bytes] = []

    async def forward(route: Route) -> None:
        """Pass a request on, as the proxy with TLS in front of the upload service does."""
        url, content = URL(route.request.url), route.request.post_data_buffer
        headers = {"Host": str(url.host)}
        if content is not None:
            headers["Content-Type"] = route.request.headers["content-type"]
            received.append(content)
        local = f"http://{LOOPBACK}:{signing_in.server.ejabberd.ports.http}{url.path}"
        method = route.request.method
        async with (
            ClientSession() as http,
            http.request(method, local, data=content, headers=headers) as answer,
        ):
            body = await answer.read()
            await route.fulfill(status=answer.status, headers=ALLOWED, body=body)

    for person, own, contact in ((visitor, ann, ben), (other, ben, ann)):
        await person.page.route(f"{UPLOADS}/**", forward)
        await person.sign_in(own)
        await person.chat(contact.jid)
    field = visitor.page.locator("input[type=file]")
    file = {"name": "plans.txt", "mimeType": "text/plain", "buffer": b"a town hall"}
    await field.set_input_files(file)
    link = other.page.locator("#conversation").get_by_role("link", name="plans.txt")
    await expect(link).to_be_visible()

    assert received == [b"a town hall"]
    assert (await link.get_attribute("href") or "").startswith(f"{UPLOADS}/upload/")
    await expect(other.page.locator(".file")).to_contain_text("text/plain, 11 byte")

    file = {"name": "hall.png", "mimeType": "image/png", "buffer": image(640, 480)}
    await field.set_input_files(file)
    for person in (visitor, other):
        picture = person.page.locator("li.row .picture").get_by_role("img", name="hall.png")
        await expect(picture).to_be_visible()
        assert await picture.evaluate("img => [img.naturalWidth, img.naturalHeight]") == [640, 480]
    assert await other.violations() == []


@pytest.mark.parametrize("width", [360, 1280])
async def test_pictures_of_the_upload_service_alone_are_shown_and_move_nothing(
    visit: Visit, signing_in: SigningIn, width: int
) -> None:
    ann, ben = signing_in.server.accounts("ann", "ben")
    visitor = await visit(viewport={"width": width, "height": 1000})
    content = {
        "/good.png": image(900, 900),
        "/untyped.JPG": image(3, 3),
        "/lying.png": bytes(6 * 1024 * 1024),
        "/bomb.png": image(10_000, 6_000),
        "/text.png": b"no picture",
    }
    asked: list[str] = []
    answers = asyncio.Event()

    async def serve(route: Route) -> None:
        asked.append(route.request.url)
        await answers.wait()
        body = content.get(URL(route.request.url).path)
        await route.fulfill(status=200 if body else 404, headers=ALLOWED, body=body or b"")

    png = {"type": "image/png", "size": 1000}
    files = [
        {"url": f"{UPLOADS}/large.png", "type": "image/png", "size": 6 * 1024 * 1024},
        {"url": f"{UPLOADS}/drawing.svg", "type": "image/svg+xml"},
        {"url": f"{UPLOADS}/page.png", "type": "text/html"},
        {"url": "https://elsewhere.example/cat.png", **png},
        {"url": f"{UPLOADS}/lying.png", **png},
        {"url": f"{UPLOADS}/bomb.png", **png},
        {"url": f"{UPLOADS}/text.png", **png},
        {"url": f"{UPLOADS}/gone.png", **png},
        {"url": f"{UPLOADS}/untyped.JPG"},
        {"url": f"{UPLOADS}/good.png", "name": "<b>good</b>", **png},
    ]
    async with signing_in.user(await signing_in.sign_in(ben)) as http:
        path = f"/api/v1/archives/{ben.jid}/messages"
        for file in files:
            answer = await http.post(path, json={"to": ann.jid, "file": file})
            assert answer.status == 201, await answer.text()
    await visitor.page.route(lambda url: not url.startswith(visitor.url), serve)
    visitor.expect_problem("404")
    await visitor.sign_in(ann)
    await visitor.chat(ben.jid)
    rows = visitor.page.locator("li.row")
    await expect(rows).to_have_count(len(files))
    tops = """() => [...document.querySelectorAll("li.row")].map(
        (row) => row.getBoundingClientRect().top)"""
    before = await visitor.page.evaluate(tops)
    answers.set()
    await rows.first.scroll_into_view_if_needed()
    pictures = visitor.page.locator(".picture")
    hints = ["too large", "too large", "cannot be loaded", "cannot be loaded"]
    for place, text in enumerate(hints):
        await expect(pictures.nth(place)).to_contain_text(text)
    await rows.last.scroll_into_view_if_needed()
    await expect(pictures.locator("img")).to_have_count(2)
    await expect(pictures.last.get_by_role("img", name="<b>good</b>")).to_be_visible()

    after = await visitor.page.evaluate(tops)
    assert [round(top - after[0]) for top in after] == [round(top - before[0]) for top in before]
    assert await pictures.count() == 6
    allowed = {f"/{name}.png" for name in ("lying", "bomb", "text", "gone", "good")}
    assert {URL(url).path for url in asked} == allowed | {"/untyped.JPG"}
    wide = await visitor.page.evaluate("() => document.documentElement.scrollWidth > innerWidth")
    assert not wide
