"""The report of the benchmarks: ratios, goals, tables, plots and the published page."""

from dataclasses import asdict, replace
from itertools import product
from pathlib import Path
from xml.etree import ElementTree

import pytest
from benchmarks.goals import outcomes
from benchmarks.plan import FULL, Plan
from benchmarks.plots import plots
from benchmarks.publishing import BEGIN, END, inserted, section
from benchmarks.samples import Results, Sample, of_turn, percentile
from benchmarks.tables import Table, number, tables
from support.ejabberd import ROOT

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
def test_percentile_is_one_of_the_values(percent: float, expected: int) -> None:
    assert percentile(range(100, 0, -1), percent) == expected


def test_ratio_compares_samples_of_the_same_round() -> None:
    results = Results(samples=[*ingest("D", 200, 20, 220), *ingest("B", 100, 10, 200)])

    ratio = results.ratio("ingest", RATE, ("D", ""), ("B", ""))

    assert ratio == 2


def test_ratio_leaves_out_rounds_of_only_one_contender() -> None:
    results = Results(samples=[*ingest("D", 200, 900), *ingest("B", 100)])

    assert results.ratio("ingest", RATE, ("D", ""), ("B", "")) == 2
    assert results.ratio("ingest", RATE, ("D", ""), ("A", "")) is None


def test_results_are_read_from_their_file(tmp_path: Path) -> None:
    results = Results(machine={"day": "2026-01-01"})
    results.note("ingest", "23.01", ingest("D", 1, 2), {"rounds": 2})

    results.save(tmp_path / "results.json")

    assert Results.load(tmp_path / "results.json") == results


def test_part_measured_again_replaces_its_own_samples() -> None:
    results = Results(samples=[*ingest("D", 1), *pages("D", 7, 1000)])

    results.note("ingest", "23.01", ingest("D", 2), {})
    results.note("ingest", "23.01", ingest("D", 3), {})
    results.note("ingest", "26.07", ingest("D", 4), {})

    assert results.on("23.01").by_round("ingest", "D", "", RATE) == {0: 3}
    assert results.on("26.07").by_round("ingest", "D", "", RATE) == {0: 4}
    assert results.median("pages", "D", "last/1000/8", "pages_per_second") == 7


def test_goal_is_met_not_met_or_not_measured() -> None:
    results = Results(samples=[*ingest("D", 100), *ingest("B", 100)])

    reported = {outcome.goal: outcome for outcome in outcomes(results)}

    assert reported["Ingest, ratio to ejabberd + PostgreSQL"].measured == 1
    assert reported["Ingest, ratio to ejabberd + PostgreSQL"].verdict == "not met"
    assert reported["Messages lost"].verdict == "met"
    assert reported["Start"].measured is None
    assert reported["Start"].verdict == "not measured"


def test_goal_with_rounds_on_both_sides_of_its_bound_is_undecided() -> None:
    results = Results(samples=[*ingest("D", 130, 200, 120), *ingest("B", 100, 100, 100)])

    reported = next(o for o in outcomes(results) if o.goal.startswith("Ingest"))

    assert reported.measured == 1.3
    assert reported.verdict == "undecided"


def test_goal_is_not_met_if_one_round_loses_messages() -> None:
    samples = of_turn("ingest", "D", 0, {"lost": 0}) + of_turn("ingest", "D", 1, {"lost": 3})

    reported = next(o for o in outcomes(Results(samples=samples)) if "lost" in o.goal)

    assert reported.measured == 3
    assert reported.verdict == "not met"


def test_small_archives_and_single_clients_are_goals_against_every_peer() -> None:
    texts = [outcome.goal for outcome in outcomes(Results())]

    for size, clients in product(("1,000", "10,000"), ("1 client", "8 clients")):
        for peer in ("ejabberd + SQLite", "ejabberd + PostgreSQL", "Prosody + SQLite"):
            assert f"Pages of {size}, {clients}, slowest way, ratio to {peer}" in texts
        assert (
            f"Pages of {size}, {clients}, slowest way, ratio to ejabberd + constant page" in texts
        )


def test_memory_goals_have_the_highest_peak_of_polls_and_of_all_other_parts() -> None:
    samples = of_turn("start", "D", 0, {"rss_muniment": 70, "peak_muniment": 75})
    samples += of_turn("ingest", "D", 0, {"rss_muniment": 90, "peak_muniment": 149})
    samples += of_turn("pages", "D", 0, {"rss_muniment": 80, "peak_muniment": 95}, "after 1000")

    samples += of_turn("polls", "D", 0, {"rss_muniment": 190, "peak_muniment": 220})

    reported = [o for o in outcomes(Results(samples=samples)) if "Memory" in o.goal]

    assert [(o.measured, o.verdict) for o in reported] == [(220, "met"), (149, "not met")]


def test_goal_of_polls_is_undecided_between_rounds_on_both_sides() -> None:
    samples = [
        s for n, p99 in enumerate((20, 70)) for s in of_turn("polls", "D", n, {"p99_ms": p99})
    ]

    reported = next(o for o in outcomes(Results(samples=samples)) if "waiting poll, p99" in o.goal)

    assert (reported.bound, reported.measured, reported.verdict) == ("≤ 50 ms", 45, "undecided")


def test_memory_table_shows_the_growth_of_ejabberd() -> None:
    figures = {"before_ejabberd": 100, "rss_ejabberd": 337, "peak_ejabberd": 340}

    report_tables = tables(Results(samples=of_turn("ingest", "D", 0, figures)))

    memory = next(table for table in report_tables if table.title.startswith("Memory"))
    assert memory.rows == [
        ("ingest: ejabberd + Muniment, ejabberd", "100", "337", "237", "340", "-")
    ]


def test_cost_of_a_page_is_that_of_the_whole_process() -> None:
    samples = of_turn("inside", "D", 0, {"cpu_ms": 0.5}, "last/1000")
    samples += of_turn("pages", "D", 0, {"cpu_ms_muniment": 2.4}, "last/1000/8")
    samples += of_turn("pages", "D", 0, {"cpu_ms_muniment": 3.9}, "forward/1000/1")

    reported = next(o for o in outcomes(Results(samples=samples)) if "costliest" in o.goal)

    assert reported.measured == 3.9


def test_order_of_turns_is_shuffled_by_the_seed() -> None:
    orders = [Plan(seed=7).order("ingest", turn, "ABCDEF") for turn in range(9)]

    assert orders == [Plan(seed=7).order("ingest", turn, "ABCDEF") for turn in range(9)]
    assert orders != [Plan(seed=8).order("ingest", turn, "ABCDEF") for turn in range(9)]
    assert len(set(map(tuple, orders))) > 1
    assert all(sorted(order) == list("ABCDEF") for order in orders)


def test_table_shows_options_of_a_plan_that_are_not_the_default() -> None:
    plan = asdict(replace(FULL, rounds=3, seed=7, page_seconds=0.5)) | {"commit": "abc"}

    report_tables = tables(Results(plan={"pages": plan}))

    table = next(
        table for table in report_tables if table.title == "How these figures were measured"
    )
    assert table.rows == [("pages", "-", "abc", "3", "7", "page_seconds 0.5")]


def test_goal_of_pages_uses_the_worst_ratio() -> None:
    samples = [
        sample
        for way, ours in (("last", 300), ("back", 140))
        for contender, rate in (("D", ours), ("A", 100))
        for sample in of_turn("pages", contender, 0, {"pages_per_second": rate}, f"{way}/100000/8")
    ]

    measured = [o.measured for o in outcomes(Results(samples=samples)) if "Pages" in o.goal]

    assert [value for value in measured if value is not None] == [pytest.approx(1.4)]


def test_ratios_are_listed_before_absolute_figures() -> None:
    results = Results(samples=[*ingest("D", 300), *ingest("B", 100)])

    titles = [table.title for table in tables(results)]

    assert titles[0] == "Goals"
    assert titles[1].startswith("Ratios")
    assert all("this machine" in title for title in titles[2:])


def test_each_version_of_ejabberd_has_tables_of_its_own() -> None:
    results = Results()
    for version, rate in (("26.07", 150), ("23.01", 300)):
        samples = [*ingest("D", rate), *ingest("B", 100)]
        results.note("ingest", version, samples, {"seed": 7})

    old, new = [table for table in tables(results) if table.title.startswith("Goals")]
    plans = tables(results)[-1]

    assert (old.title, new.title) == ("Goals, ejabberd 23.01", "Goals, ejabberd 26.07")
    assert [row[2] for row in (old.rows[0], new.rows[0])] == ["3.00 x", "1.50 x"]
    assert [row[0] for row in plans.rows] == ["ingest 26.07", "ingest 23.01"]
    assert len(new.rows) == len([row for row in old.rows if row[-1] != "not measured"])


def test_table_has_the_same_cells_in_the_terminal_and_in_markdown() -> None:
    table = Table("Title", ("what", "n"), [("one", "1"), ("eleven", "11")])

    assert table.terminal() == "Title\n-----\nwhat     n\none      1\neleven  11\n"
    assert table.markdown() == (
        "### Title\n\n| what | n |\n| --- | ---: |\n| one | 1 |\n| eleven | 11 |\n"
    )


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "-"), (0, "0"), (0.123, "0.12"), (12.34, "12.3"), (1234.5, "1,234")],
)
def test_figures_have_significant_digits_only(value: float | None, text: str) -> None:
    assert number(value) == text


def test_plots_of_measured_parts_are_well_formed() -> None:
    samples = [*ingest("D", 300), *ingest("B", 100)]
    samples += [*pages("D", 300, 1000), *pages("D", 280, 10_000)]
    samples += of_turn("pages", "F", 0, {"pages_per_second": 320}, "last/constant/8")
    samples += [*growth("10 of 1000", 0.5), *growth("1 of 1000000", 0.6)]

    drawn = plots(Results(samples=samples))

    assert set(drawn) == {"ingest.svg", "pages.svg", "growth.svg"}
    for svg in drawn.values():
        assert ElementTree.fromstring(svg).tag.endswith("svg")  # noqa: S314


def test_ingest_on_postgres_is_compared_with_sqlite() -> None:
    results = Results(samples=[*ingest("D", 100), *ingest("G", 120), *ingest("H", 150)])

    reported = [o for o in outcomes(results) if o.goal.startswith("Ingest on")]
    table = next(t for t in tables(results) if "to Muniment on SQLite" in t.title)

    assert [(o.measured, o.verdict) for o in reported] == [(1.2, "met"), (1.5, "not met")]
    assert table.rows == [("ingest", "1.20 x", "1.50 x")]


def test_pages_on_postgres_may_take_longer_than_on_sqlite_by_a_bound() -> None:
    samples = [*pages("D", 300, 1000), *pages("G", 250, 1000)]
    samples += [*pages("D", 300, 10_000), *pages("G", 200, 10_000), *pages("G", 80, 1_000_000)]

    reported = {
        o.goal: o for o in outcomes(Results(samples=samples)) if "Time of a page" in o.goal
    }
    slower, _, flat = reported.values()

    assert (slower.measured, slower.verdict) == (1.5, "not met")
    assert (flat.measured, flat.verdict) == (2.5, "not met")


def growth(name: str, *milliseconds: float) -> list[Sample]:
    return [
        sample
        for turn, value in enumerate(milliseconds)
        for sample in of_turn("growth", "D", turn, {"newest_cpu_ms": value, "gib": 1}, name)
    ]


def test_growth_is_that_between_the_cheapest_and_the_dearest_store() -> None:
    samples = [*growth("10 of 1000", 0.5, 0.5), *growth("2 of 100000", 1.0)]
    samples += [*growth("1 of 1000000", 0.6, 0.6)]

    reported = next(
        o for o in outcomes(Results(samples=samples)) if o.goal.startswith("Growth: the newest")
    )

    assert reported.rounds == {0: 2.0}
    assert reported.verdict == "not met"


def test_growth_of_one_store_is_not_measured() -> None:
    reported = [
        o for o in outcomes(Results(samples=growth("10 of 1000", 0.5))) if "stores" in o.goal
    ]

    assert {o.verdict for o in reported} == {"not measured"}


def test_publishing_replaces_only_text_between_the_marks() -> None:
    page = f"before\n{BEGIN}\nold\n{END}\nafter\n"

    assert inserted(page, "new") == f"before\n{BEGIN}\n\nnew\n{END}\nafter\n"
    with pytest.raises(ValueError, match="marks"):
        inserted("nothing to see", "new")


def test_published_page_is_generated_from_its_results() -> None:
    page = ROOT / "docs" / "performance.md"
    folder = page.with_suffix("")
    results = Results.load(folder / "results.json")

    text = page.read_text()

    assert inserted(text, section(results, folder.name)) == text
    assert plots(results) == {path.name: path.read_text() for path in folder.glob("*.svg")}
