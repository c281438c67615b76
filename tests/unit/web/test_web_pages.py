"""The chat page and its files: content, caches, and the headers that keep texts from acting."""

from __future__ import annotations

import re
from base64 import b64encode
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
from aiohttp.test_utils import TestClient
from pytest_aiohttp import AiohttpClient
from support.chat import with_chat_for
from support.gateway import gateway_world
from support.sign_in import BOTH, with_sign_in

from component.web.app import make_app
from component.web.pages.files import STATIC, StaticFiles
from component.web.server.settings import Listener, PageSettings, Services


def signing_in(services: Services) -> Services:
    """Return services of users who chat."""
    return with_chat_for(with_sign_in(services))


@pytest.fixture
async def public(aiohttp_client: AiohttpClient, services: Services) -> TestClient:
    """A client of the public listener."""
    return await aiohttp_client(make_app(BOTH, signing_in(services), Listener.PUBLIC))


@pytest.fixture
async def document(public: TestClient) -> str:
    """The HTML of the chat page."""
    return await (await public.get("/")).text()


def loaded(document: str) -> list[str]:
    """Return the paths of the files that a page loads."""
    return re.findall(r'(?:href|src)="([^"]+)"', document)


async def test_page_and_all_its_files_are_served_to_strangers(
    public: TestClient, document: str
) -> None:
    paths = loaded(document)

    assert len(paths) > 3
    for path in paths:
        answer = await public.get(f"/{path}")
        assert answer.status == 200, path
        assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"


async def test_page_loads_every_module_in_advance(document: str) -> None:
    files = {
        path.relative_to(STATIC).as_posix()
        for folder in ("shared", "chat")
        for path in (STATIC / folder).rglob("*")
        if path.suffix == ".js"
    }

    assert {path.split("/", 2)[2] for path in loaded(document)} >= files


async def test_page_has_its_style_in_it_and_the_policy_allows_no_other(
    public: TestClient, document: str
) -> None:
    [style] = re.findall("<style>(.*?)</style>", document, re.DOTALL)
    policy = (await public.get("/")).headers["Content-Security-Policy"]
    digest = b64encode(sha256(style.encode()).digest()).decode()

    assert (
        style == (STATIC / "shared/base.css").read_text() + (STATIC / "chat/chat.css").read_text()
    )
    assert f"style-src 'self' 'sha256-{digest}';" in policy


async def test_page_knows_the_api_and_the_domain_of_users(document: str) -> None:
    assert '<meta name="muniment-api" content="api/v1">' in document
    assert '<meta name="muniment-domain" content="example.org">' in document
    assert "{{" not in document


async def test_page_is_not_sent_again_to_a_browser_that_has_it(public: TestClient) -> None:
    first = await public.get("/")
    tag = first.headers["ETag"]
    unchanged = await public.get("/", headers={"If-None-Match": f'"other", {tag}'})
    changed = await public.get("/", headers={"If-None-Match": '"other"'})

    assert first.headers["Cache-Control"] == "no-cache"
    assert (unchanged.status, await unchanged.read(), unchanged.headers["ETag"]) == (304, b"", tag)
    assert changed.status == 200


async def test_head_is_answered_like_get_without_the_body(
    public: TestClient, document: str
) -> None:
    for path in ("/", f"/{loaded(document)[0]}"):
        head, get = await public.head(path), await public.get(path)
        assert (head.status, head.headers["ETag"]) == (200, get.headers["ETag"])
        assert head.headers["Content-Length"] == get.headers["Content-Length"]
        assert await head.read() == b""


async def test_file_of_another_version_is_the_present_one_and_not_kept(
    public: TestClient, document: str
) -> None:
    present = next(path for path in loaded(document) if path.endswith("main.js"))
    other = re.sub("assets/[0-9a-f]+/", "assets/0123456789abcdef/", present)
    answer = await public.get(f"/{other}")

    assert await answer.read() == (STATIC / "chat/main.js").read_bytes()
    assert answer.headers["Cache-Control"] == "no-cache"


@pytest.mark.parametrize(
    "path",
    ["chat/none.js", "chat/index.html", "%2e%2e%2ffamily.py", "chat", "chat/", "//"],
)
async def test_nothing_but_the_files_of_pages_is_served(public: TestClient, path: str) -> None:
    answer = await public.get(f"/assets/0/{path}")

    assert answer.status == 404
    assert (await answer.json())["error"] == "item-not-found"


async def test_policy_allows_files_of_this_server_alone(
    aiohttp_client: AiohttpClient, services: Services
) -> None:
    pages = PageSettings(upload_origins=("https://upload.example",))
    app = make_app(replace(BOTH, pages=pages), signing_in(services), Listener.PUBLIC)
    answer = await (await aiohttp_client(app)).get("/")
    policy = dict(
        part.split(" ", 1) for part in answer.headers["Content-Security-Policy"].split("; ")
    )

    assert (
        policy["default-src"] == policy["trusted-types"] == policy["frame-ancestors"] == "'none'"
    )
    assert policy["script-src"] == "'self'"
    assert policy["require-trusted-types-for"] == "'script'"
    assert policy["connect-src"] == "'self' https://upload.example"
    assert policy["img-src"] == "'self' data: blob:"
    assert '<meta name="muniment-uploads" content="https://upload.example">' in await answer.text()
    assert "unsafe" not in answer.headers["Content-Security-Policy"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"


async def test_there_is_no_page_if_it_is_off_or_nobody_can_chat(
    aiohttp_client: AiohttpClient, services: Services
) -> None:
    off = replace(BOTH, pages=PageSettings(enabled=False))
    for app in (
        make_app(off, signing_in(services), Listener.PUBLIC),
        make_app(BOTH, services, Listener.PUBLIC),
        make_app(BOTH, with_sign_in(services), Listener.PUBLIC),
        make_app(BOTH, signing_in(services), Listener.PRIVATE),
    ):
        assert (await (await aiohttp_client(app)).get("/")).status in (401, 404)


async def test_gateway_at_the_root_keeps_its_paths_beside_the_page(
    aiohttp_client: AiohttpClient, services: Services
) -> None:
    world = await gateway_world(services, public_status=True)
    client = await aiohttp_client(
        make_app(world.web, with_chat_for(world.services), Listener.PUBLIC)
    )
    page, status = await client.get("/"), await client.get("/server-status")

    assert (page.status, page.content_type) == (200, "text/html")
    assert (status.status, status.content_type) == (200, "application/json")


def test_values_in_a_page_are_text(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text('<p title="{{name}}">{{assets}}</p>')
    page = StaticFiles.read(tmp_path).page("page.html", {"name": '"><script>'}, modules=())

    assert b'title="&quot;&gt;&lt;script&gt;"' in page.content


def test_version_changes_with_each_file(tmp_path: Path) -> None:
    versions = set()
    for name, text in (("a.js", "1"), ("a.js", "2"), ("b.css", "2")):
        (tmp_path / name).write_text(text)
        versions.add(StaticFiles.read(tmp_path).version)

    assert len(versions) == 3


def test_no_file_makes_html_or_code_from_text() -> None:
    sinks = re.compile(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|createContextualFragment"
        r"|\beval\(|new Function|srcdoc|setHTMLUnsafe|setAttribute\(.style"
    )
    scripts = list(STATIC.rglob("*.js"))

    assert scripts
    assert [path.name for path in scripts if sinks.search(path.read_text())] == []
