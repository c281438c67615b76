"""An archive of fifteen messages, as in the suites of other servers."""

from __future__ import annotations

import pytest
from support.numbered_archive import NumberedArchive
from support.wire import ALICE, BOB, OTHER_HOST, Wire

CAROL = f"carol@{OTHER_HOST}"


@pytest.fixture(params=["rsm", "with_rsm"])
async def fifteen(wire: Wire, request: pytest.FixtureRequest) -> NumberedArchive:
    """Messages 1 to 15, alone in the archive, or filtered by their peer from among others."""
    is_filtered = request.param == "with_rsm"
    for number in range(1, 16):
        if is_filtered:
            wire.say(f"for carol {number}", to=CAROL)
        sender, to = (ALICE, BOB) if number % 2 else (BOB, ALICE)
        wire.say(str(number), sender=f"{sender}/phone", to=to)
    return await NumberedArchive.of(wire, {"with": BOB} if is_filtered else {})
