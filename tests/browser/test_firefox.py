"""The page in Firefox, as Debian ships it.

Playwright drives a Firefox of its own only: what it sends to others (WebDriver BiDi) begins with
a command that Firefox ESR does not know. So Puppeteer drives this one.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from shutil import which
from typing import NoReturn

from support.browser import AXE
from support.sign_in_server import SigningIn

CHECKS = Path(__file__).parents[1] / "support/page_checks"


async def test_two_people_chat_in_firefox(
    signing_in: SigningIn, missing: Callable[[object], NoReturn]
) -> None:
    if not which("firefox-esr") or not AXE.exists():
        missing(f"install firefox-esr, nodejs and the npm packages of {CHECKS}")
    ann, ben = signing_in.server.accounts("ann", "ben")
    people = [ann.jid, ann.password, ben.jid, ben.password]

    command = ["node", CHECKS / "firefox.mjs", signing_in.url, *people]
    run = subprocess.run(command, capture_output=True, text=True)

    assert run.returncode == 0, run.stderr
