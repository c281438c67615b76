"""MongooseIM big_tests, mam_SUITE, complete_flag_cases: each test has the name of their case.

Of fifteen messages, a page of five is complete if no message lies beyond it.
"""

from __future__ import annotations

from support.numbered_archive import NumberedArchive


async def test_before_complete_false_last5(fifteen: NumberedArchive) -> None:
    assert not (await fifteen.page(max=5, before="")).complete


async def test_before_complete_false_before10(fifteen: NumberedArchive) -> None:
    assert not (await fifteen.page(max=5, before=10)).complete


async def test_before_complete_true_before1(fifteen: NumberedArchive) -> None:
    assert (await fifteen.page(max=5, before=1)).complete


async def test_before_complete_true_before5(fifteen: NumberedArchive) -> None:
    assert (await fifteen.page(max=5, before=5)).complete


async def test_before_complete_true_before6(fifteen: NumberedArchive) -> None:
    assert (await fifteen.page(max=5, before=6)).complete


async def test_after_complete_false_first_page(fifteen: NumberedArchive) -> None:
    assert not (await fifteen.page(max=5)).complete


async def test_after_complete_false_after2(fifteen: NumberedArchive) -> None:
    assert not (await fifteen.page(max=5, after=2)).complete


async def test_after_complete_false_after9(fifteen: NumberedArchive) -> None:
    assert not (await fifteen.page(max=5, after=9)).complete


async def test_after_complete_true_after10(fifteen: NumberedArchive) -> None:
    assert (await fifteen.page(max=5, after=10)).complete


async def test_after_complete_true_after11(fifteen: NumberedArchive) -> None:
    assert (await fifteen.page(max=5, after=11)).complete
