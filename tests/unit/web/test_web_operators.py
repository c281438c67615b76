"""Operators sign in to their pages, and each role reaches its own pages."""

from __future__ import annotations

import logging
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from support.archives import Talk, to_bob
from support.clock import Clock
from support.http_services import HOST, SECRET
from support.operators import (
    AUDITOR,
    CHIEF,
    PREFIX,
    WITH_OPERATORS,
    OperatorBrowser,
    operator_browser,
)

from component.web.operators import sessions
from component.web.operators.family import OPERATOR_PAGES, OPERATOR_SIGN_IN
from component.web.operators.sessions import OperatorSessions
from component.web.operators.sign_in import COOKIE
from component.web.server.settings import Services

OWNER = f"alice@{HOST}"

#: Pages and forms that readers may use.
FOR_READERS = {
    "GET /operators",
    "GET /operators/archives",
    "GET /operators/open",
    "GET /operators/archives/{owner}",
    "GET /operators/archives/{owner}/calendar",
    "GET /operators/archives/{owner}/days/{day}",
    "GET /operators/archives/{owner}/messages/{id}",
    "GET /operators/archives/{owner}/search",
    "GET /operators/archives/{owner}/files",
    "GET /operators/archives/{owner}/figures",
    "GET /operators/archives/{owner}/export",
    "POST /operators/archives/{owner}/export",
    "GET /operators/gaps",
    "POST /operators/sign-out",
}


@pytest.fixture
async def nobody(services: Services) -> AsyncIterator[OperatorBrowser]:
    async with operator_browser(services, None) as browser:
        yield browser


def routes(services: Services) -> set[str]:
    """Return the routes of the pages that need a sign-in."""
    return {
        f"{route.method} {route.resource.canonical.rstrip('/')}"
        for route in OPERATOR_PAGES.app(WITH_OPERATORS, services).router.routes()
        if route.resource is not None and route.method != "HEAD"
    }


def filled(route: str) -> tuple[str, str]:
    """Return the method and the path of a route, with values in its variable parts."""
    method, path = route.split(" ")
    values = {"owner": OWNER, "jid": OWNER, "day": "2026-01-01", "id": "nothing"}
    for name, value in values.items():
        path = path.replace(f"{{{name}}}", value)
    return method, path


async def test_each_route_is_documented(services: Services) -> None:
    page = (Path(__file__).parents[3] / "docs/operators-page.md").read_text()
    public = {
        f"{route.method} {route.resource.canonical.rstrip('/')}"
        for route in OPERATOR_SIGN_IN.app(WITH_OPERATORS, services).router.routes()
        if route.resource is not None and route.method != "HEAD"
    }

    assert set(re.findall(r"^\| `([A-Z]+ /\S*)` \|", page, re.MULTILINE)) == {
        *routes(services),
        *public,
    }


async def test_every_page_asks_for_a_sign_in(services: Services, nobody: OperatorBrowser) -> None:
    for route in sorted(routes(services)):
        method, path = filled(route)
        headers = {"Origin": nobody.origin}
        async with nobody.client.request(
            method, path, headers=headers, allow_redirects=False
        ) as response:
            assert response.status == 303, route
            assert response.headers["Location"].startswith(f"{PREFIX}/sign-in"), route
            assert await response.text() == ""


async def test_sign_in_leads_to_the_page_that_was_asked_for(nobody: OperatorBrowser) -> None:
    page = await nobody.get("audit", subject=OWNER)
    [hidden] = [field for field in page.elements("input") if field["name"] == "next"]

    page = await nobody.post("sign-in", secret="rules-everything", next=hidden["value"] or "")

    assert (page.status, page.path) == (200, f"{PREFIX}/audit?subject=alice@example.org")
    assert "chief" in page.text


@pytest.mark.parametrize(
    "next",
    [
        "https://elsewhere.example/",
        "//elsewhere.example/operators/",
        "/operators//elsewhere.example",
        "/operators/\\elsewhere.example",
        "/api/v1/audit",
        "javascript:alert(1)",
        "/operators/\r\nSet-Cookie: a=b",
        "",
    ],
)
async def test_sign_in_leads_to_no_page_of_others(nobody: OperatorBrowser, next: str) -> None:
    page = await nobody.post("sign-in", secret="rules-everything", next=next)

    assert page.path == f"{PREFIX}/archives"


async def test_form_of_the_sign_in_shows_no_address_of_others(nobody: OperatorBrowser) -> None:
    page = await nobody.get("sign-in", next="https://elsewhere.example/")

    assert "elsewhere" not in page.html


@pytest.mark.parametrize(
    "secret", ["", "wrong", "reads", "reads-everythingx", "x" * 1000, "é\ud800"]
)
async def test_wrong_secret_is_401_with_the_form(nobody: OperatorBrowser, secret: str) -> None:
    page = await nobody.send(
        "sign-in",
        {"secret": secret.encode(errors="replace").decode()},
        {"Origin": nobody.origin},
    )

    assert page.status == 401
    assert "No operator has this secret" in page.text
    assert "Set-Cookie" not in page.headers


async def test_secret_of_the_server_is_no_operators_secret(nobody: OperatorBrowser) -> None:
    page = await nobody.post("sign-in", secret=SECRET)

    assert page.status == 401
    assert "secret of the server" in page.text
    assert (await nobody.get("archives")).path.startswith(f"{PREFIX}/sign-in")


async def test_guesses_of_secrets_are_limited(nobody: OperatorBrowser) -> None:
    for _ in range(20):
        assert (await nobody.post("sign-in", secret="guess")).status == 401

    page = await nobody.post("sign-in", secret="rules-everything")

    assert page.status == 429
    assert "Too many wrong secrets" in page.text
    assert int(page.headers["Retry-After"]) > 0


async def test_secrets_and_tokens_are_in_no_page_and_in_no_log(
    nobody: OperatorBrowser, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    pages = [await nobody.post("sign-in", secret="guessed-secret")]
    pages.append(await nobody.sign_in(CHIEF))
    [cookie] = nobody.client.session.cookie_jar
    pages += [
        await nobody.get(path) for path in ("archives", f"archives/{OWNER}", "audit", "nothing")
    ]

    shown = "".join(page.html for page in pages) + caplog.text
    for secret in (AUDITOR.secret, CHIEF.secret, SECRET, "guessed-secret", cookie.value):
        assert str(secret) not in shown


async def test_cookie_is_only_for_this_server_and_not_for_scripts(
    nobody: OperatorBrowser,
) -> None:
    async with nobody.client.post(
        f"{PREFIX}/sign-in",
        data={"secret": CHIEF.secret},
        headers={"Origin": nobody.origin},
        allow_redirects=False,
    ) as response:
        cookie = response.headers["Set-Cookie"]

    assert cookie.startswith(f"{COOKIE}=")
    assert {"HttpOnly", f"Path={PREFIX}", "SameSite=Strict"} <= set(cookie.split("; "))
    assert "Secure" not in cookie


async def test_cookie_is_secure_behind_a_proxy_with_tls(nobody: OperatorBrowser) -> None:
    host = nobody.origin.removeprefix("http://")
    async with nobody.client.post(
        f"{PREFIX}/sign-in",
        data={"secret": CHIEF.secret},
        headers={"Origin": f"https://{host}"},
        allow_redirects=False,
    ) as response:
        assert "Secure" in response.headers["Set-Cookie"].split("; ")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "null"},
        {"Origin": "https://elsewhere.example"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "http://["},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
    ],
)
async def test_form_of_another_origin_is_403_and_does_nothing(
    services: Services, headers: dict[str, str]
) -> None:
    async with operator_browser(services, CHIEF) as chief:
        for route in sorted(routes(services) | {"POST /operators/sign-in"}):
            method, path = filled(route)
            if method == "POST":
                async with chief.client.post(
                    path, data={"secret": CHIEF.secret or ""}, headers=headers
                ) as response:
                    assert response.status == 403, route
                    assert "does not come from a page of this server" in await response.text()
        assert (await chief.get("archives")).path == f"{PREFIX}/archives"


async def test_fetch_metadata_of_the_same_origin_is_enough(services: Services) -> None:
    async with operator_browser(services, CHIEF) as chief:
        page = await chief.send(
            "holds", {"subject": OWNER, "reason": "case 7"}, {"Sec-Fetch-Site": "same-origin"}
        )

        assert (page.status, "case 7" in page.text) == (200, True)


async def test_each_route_is_for_its_role(services: Services) -> None:
    async with operator_browser(services, AUDITOR) as auditor:
        allowed = set()
        for route in sorted(routes(services) - {"POST /operators/sign-out"}):
            method, path = filled(route)
            async with auditor.client.request(
                method,
                path,
                headers={"Origin": auditor.origin},
                data={} if method == "POST" else None,
            ) as response:
                if response.status != 403:
                    allowed.add(route)

    assert allowed | {"POST /operators/sign-out"} == FOR_READERS


async def test_reader_sees_no_links_to_pages_of_admins(services: Services) -> None:
    await Talk(services.writer).take(to_bob("hello", "m1"))
    for operator, is_shown in ((AUDITOR, False), (CHIEF, True)):
        async with operator_browser(services, operator) as browser:
            page = await browser.get(f"archives/{OWNER}")
            for path in (
                *("accounts", "holds", "purges", "audit", "doctor"),
                *(f"accounts/{OWNER}", f"archives/{OWNER}/erase"),
            ):
                assert (f"{PREFIX}/{path}" in page.links) is is_shown


async def test_secret_in_a_header_opens_no_page(nobody: OperatorBrowser) -> None:
    headers = {"Authorization": f"Bearer {CHIEF.secret}"}
    async with nobody.client.get(f"{PREFIX}/audit", headers=headers) as response:
        assert response.url.path == f"{PREFIX}/sign-in"


async def test_cookie_opens_no_api(services: Services) -> None:
    async with (
        operator_browser(services, CHIEF) as chief,
        chief.client.get("/api/v1/audit") as response,
    ):
        assert response.status == 401


async def test_trusted_network_opens_no_page(services: Services) -> None:
    settings = replace(WITH_OPERATORS, trusts_network=True)
    async with operator_browser(services, None, settings) as browser:
        assert (await browser.get("archives")).path.startswith(f"{PREFIX}/sign-in")


async def test_operator_signs_out(services: Services) -> None:
    async with operator_browser(services, CHIEF) as chief:
        [cookie] = chief.client.session.cookie_jar
        page = await chief.post("sign-out")

        assert "You have signed out" in page.text
        async with chief.client.get(
            f"{PREFIX}/audit", headers={"Cookie": f"{COOKIE}={cookie.value}"}
        ) as response:
            assert response.url.path == f"{PREFIX}/sign-in"


async def test_second_sign_in_ends_the_first_one_of_a_browser(services: Services) -> None:
    async with operator_browser(services, AUDITOR) as browser:
        [cookie] = browser.client.session.cookie_jar
        first = cookie.value
        await browser.sign_in(CHIEF)
        browser.client.session.cookie_jar.clear()

        async with browser.client.get(
            f"{PREFIX}/archives", headers={"Cookie": f"{COOKIE}={first}"}
        ) as response:
            assert response.url.path == f"{PREFIX}/sign-in"


async def test_every_response_has_a_strict_policy(
    services: Services, nobody: OperatorBrowser
) -> None:
    async with operator_browser(services, CHIEF) as chief:
        pages = [
            await chief.get("archives"),
            await chief.get("nothing"),
            await chief.post("holds", subject="@", reason=""),
            await nobody.get("sign-in"),
            await nobody.post("sign-in", secret="wrong"),
        ]

    for page in pages:
        policy = page.headers["Content-Security-Policy"]
        assert "unsafe" not in policy
        assert "default-src 'none'" in policy
        assert "form-action 'self'" in policy
        assert "frame-ancestors 'none'" in policy
        assert page.headers["Cache-Control"] == "no-store"
        assert page.headers["Content-Type"] == "text/html; charset=utf-8"
        # The policy forbids them.
        assert not re.search(
            r"<style|\sstyle=|\son\w+=|<script(?! type=\"module\" src=)", page.html
        )


async def test_files_of_the_pages_need_no_sign_in(nobody: OperatorBrowser) -> None:
    page = await nobody.get("sign-in")
    files = [str(link["href"]) for link in page.elements("link")]
    files += [str(script["src"]) for script in page.elements("script")]

    assert len(files) == 3
    for path in files:
        async with nobody.client.get(path) as response:
            assert response.status == 200
            assert response.url.path == path


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("nothing", 404, "There is nothing at this path"),
        ("archives/nobody", 404, "An archive belongs to a bare JID"),
        ("archives/a@elsewhere.example", 404, "is not served here"),
        (f"archives/{OWNER}/messages/nothing", 404, "no message of this archive"),
        (f"archives/{OWNER}/days/2026-02-30", 404, "like 2026-01-31"),
        (f"archives/{OWNER}/days/0001-01-01", 404, "this year"),
        (f"archives/{OWNER}/calendar?year=x", 400, "year"),
        (f"archives/{OWNER}/calendar?year=1", 400, "year"),
        (f"archives/{OWNER}/calendar?nonsense=1", 400, "nonsense"),
        (f"archives/{OWNER}/calendar?with=@", 400, ""),
        ("audit?before=x", 400, "before"),
        ("purges/preview", 405, "does not allow"),
    ],
)
async def test_errors_are_pages_in_plain_words(
    services: Services, path: str, status: int, words: str
) -> None:
    async with operator_browser(services, CHIEF) as chief:
        page = await chief.get(path)

    assert page.status == status
    assert page.html.startswith("<!DOCTYPE html>")
    assert words in page.text


async def test_page_is_503_if_the_read_cannot_be_audited(services: Services) -> None:
    async with operator_browser(services, CHIEF) as chief:
        await services.storage.close()

        page = await chief.get(f"archives/{OWNER}/days/2026-01-01")

    assert page.status == 503
    assert "overloaded" in page.text


def test_sign_in_ends_when_it_is_not_used() -> None:
    clock = Clock()
    sign_ins = OperatorSessions(clock=clock)
    token = sign_ins.begin(CHIEF)

    clock.now += sessions.IDLE_SECONDS
    assert sign_ins.find(token) == CHIEF
    clock.now += sessions.IDLE_SECONDS + 1
    assert sign_ins.find(token) is None
    clock.now -= sessions.IDLE_SECONDS
    assert sign_ins.find(token) is None


def test_sign_in_ends_even_if_it_is_used() -> None:
    clock = Clock()
    sign_ins = OperatorSessions(clock=clock)
    token = sign_ins.begin(CHIEF)

    while clock.now < sessions.LONGEST_SECONDS:
        assert sign_ins.find(token) == CHIEF
        clock.now += sessions.IDLE_SECONDS
    clock.now += 1
    assert sign_ins.find(token) is None


def test_number_of_sign_ins_is_bounded() -> None:
    sign_ins = OperatorSessions(limit=2)
    tokens = [sign_ins.begin(CHIEF) for _ in range(2)]
    sign_ins.find(tokens[0])
    tokens.append(sign_ins.begin(AUDITOR))

    assert [sign_ins.find(token) for token in tokens] == [CHIEF, None, AUDITOR]
    assert sign_ins.find("") is None
    assert sign_ins.find("\udcff") is None
