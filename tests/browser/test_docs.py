"""The page of the APIs in a browser: its policy, its width on a phone, and accessibility."""

from __future__ import annotations

from dataclasses import replace

import pytest
from aiohttp.test_utils import TestServer
from playwright.async_api import Browser, expect
from support.browser import THEMES, WIDTHS, visitor
from support.chat import with_chat_for
from support.ejabberd_api import with_ejabberd_api
from support.gateway import with_gateway_for
from support.http_services import open_services
from support.sign_in import BOTH, with_sign_in

from component.web.app import make_app
from component.web.drf.settings import BpoChatSettings, CondorChatSettings
from component.web.server.settings import Listener

#: Every API is served.
EVERYTHING = replace(BOTH, condor_chat=CondorChatSettings(), bpo_chat=BpoChatSettings())

PHONE = {"width": WIDTHS[0], "height": 800}


@pytest.mark.parametrize(("listener", "theme"), list(zip(Listener, THEMES, strict=True)))
async def test_page_of_the_apis_is_read_on_a_phone(
    browser: Browser, listener: Listener, theme: str
) -> None:
    async with open_services() as services:
        every = with_gateway_for(with_ejabberd_api(with_chat_for(with_sign_in(services))))
        async with TestServer(make_app(EVERYTHING, every, listener)) as server:
            url = str(server.make_url("")).rstrip("/")
            async with visitor(browser, url, viewport=PHONE, color_scheme=theme) as someone:
                await someone.open("docs")
                apis = someone.page.get_by_role("navigation", name="APIs")
                link = apis.get_by_role("link").first
                name = await link.inner_text()
                await link.click()
                await expect(
                    someone.page.get_by_role("heading", name=name, exact=True)
                ).to_be_in_viewport()
                width = await someone.page.evaluate("document.documentElement.scrollWidth")
                violations = await someone.violations()

    assert width <= PHONE["width"]
    assert violations == []
    # Neither the policy nor a missing file keeps the page from its styles.
    assert someone.unexpected == []
