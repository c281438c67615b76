"""What the benchmarks make of their samples: ratios, goals, tables, plots, the published page."""

from pathlib import Path
from xml.etree import ElementTree

import pytest
from benchmarks.goals import outcomes
from benchmarks.plots import plots
from benchmarks.publishing import BEGIN, END, inserted
from benchmarks.samples import Results, Sample, of_turn, percentile
from benchmarks.tables import Table, number, tables

RATE = "messages_per_second"


def ingest(contender: str, *rates: float) -> list[Sample]:
    return [
        sample
        for turn, rate in enumerate(rates)
        for sample in of_turn("ingest", contender, turn, {RATE: rate, "lost": 0})
    ]


def pages(contender: str, rate: float, size: int) -> list[Sample]:
    return of_turn("pages", contender, 0, {"pages_per_second": rate}, f"last/{size}/8")


@pytest.mark.parametrize(
    ("percent", "expected"), [(0, 1), (50, 50), (99, 99), (99.5, 100), (100, 100)]
)
def test_a_percentile_is_one_of_the_values(percent: float, expected: int) -> None:
    assert percentile(range(100, 0, -1), percent) == expected


def test_a_ratio_compares_within_rounds_only() -> None:
    results = Results(samples=[*ingest("D", 200, 20, 220), *ingest("B", 100, 10, 200)])

    ratio = results.ratio("ingest", RATE, ("D", ""), ("B", ""))

    assert ratio == 2


def test_a_ratio_leaves_out_rounds_that_only_one_took_part_in() -> None:
    results = Results(samples=[*ingest("D", 200, 900), *ingest("B", 100)])

    assert results.ratio("ingest", RATE, ("D", ""), ("B", "")) == 2
    assert results.ratio("ingest", RATE, ("D", ""), ("A", "")) is None


def test_results_come_back_from_their_file(tmp_path: Path) -> None:
    results = Results(machine={"day": "2026-01-01"}, plan={"ingest": {"rounds": 2}})
    results.replace("ingest", ingest("D", 1, 2))

    results.save(tmp_path / "results.json")

    assert Results.load(tmp_path / "results.json") == results


def test_a_part_measured_again_replaces_its_samples_and_no_others() -> None:
    results = Results(samples=[*ingest("D", 1), *pages("D", 7, 1000)])

    results.replace("ingest", ingest("D", 2))

    assert results.median("ingest", "D", "", RATE) == 2
    assert results.median("pages", "D", "last/1000/8", "pages_per_second") == 7


def test_a_goal_is_met_missed_or_not_measured() -> None:
    results = Results(samples=[*ingest("D", 100), *ingest("B", 100)])

    found = {outcome.goal.partition(",")[0]: outcome for outcome in outcomes(results)}

    assert found["Ingest"].measured == 1
    assert not found["Ingest"].is_met
    assert found["Messages lost"].is_met
    assert found["Start"].measured is None
    assert not found["Start"].is_met


def test_pages_are_judged_by_the_way_that_compares_worst() -> None:
    samples = [
        sample
        for way, ours in (("last", 300), ("back", 140))
        for contender, rate in (("D", ours), ("A", 100))
        for sample in of_turn("pages", contender, 0, {"pages_per_second": rate}, f"{way}/100000/8")
    ]

    found = next(o for o in outcomes(Results(samples=samples)) if "SQLite" in o.goal)

    assert found.measured == pytest.approx(1.4)


def test_ratios_stand_before_absolute_figures() -> None:
    results = Results(samples=[*ingest("D", 300), *ingest("B", 100)])

    titles = [table.title for table in tables(results)]

    assert titles[0] == "Goals"
    assert titles[1].startswith("Ratios")
    assert all("this machine" in title or "Memory" in title for title in titles[2:])


def test_a_table_is_the_same_in_the_terminal_and_in_markdown() -> None:
    table = Table("Title", ("what", "n"), [("one", "1"), ("eleven", "11")])

    assert table.terminal() == "Title\n-----\nwhat     n\none      1\neleven  11\n"
    assert table.markdown() == (
        "### Title\n\n| what | n |\n| --- | ---: |\n| one | 1 |\n| eleven | 11 |\n"
    )


@pytest.mark.parametrize(
    ("value", "shown"),
    [(None, "-"), (0, "0"), (0.123, "0.12"), (12.34, "12.3"), (1234.5, "1,234")],
)
def test_figures_have_the_digits_that_mean_something(value: float | None, shown: str) -> None:
    assert number(value) == shown


def test_plots_are_well_formed_and_there_for_what_was_measured() -> None:
    samples = [*ingest("D", 300), *ingest("B", 100)]
    samples += [*pages("D", 300, 1000), *pages("D", 280, 10_000)]
    samples += of_turn("pages", "F", 0, {"pages_per_second": 320}, "last/constant/8")

    drawn = plots(Results(samples=samples))

    assert set(drawn) == {"ingest.svg", "pages.svg"}
    for svg in drawn.values():
        assert ElementTree.fromstring(svg).tag.endswith("svg")  # noqa: S314


def test_publishing_touches_only_what_is_between_the_marks() -> None:
    page = f"before\n{BEGIN}\nold\n{END}\nafter\n"

    assert inserted(page, "new") == f"before\n{BEGIN}\n\nnew\n{END}\nafter\n"
    with pytest.raises(ValueError, match="marks"):
        inserted("nothing to see", "new")
