"""The command: `python -m benchmarks run|show|publish`."""

from __future__ import annotations

import argparse
import secrets
import time
from dataclasses import asdict, replace
from pathlib import Path

import uvloop
from support.ejabberd import ROOT

from benchmarks.machine import commit, describe
from benchmarks.parts import (
    burst,
    commands,
    delivery,
    fairness,
    growth,
    http,
    ingest,
    inside,
    page,
    pages,
    people,
    polls,
    search,
    start,
    streams,
)
from benchmarks.plan import FULL, QUICK, SHORT, Plan, large
from benchmarks.publishing import publish
from benchmarks.samples import Results, Sample
from benchmarks.servers.ejabberd import measured_release, measured_version
from benchmarks.tables import tables
from benchmarks.usage import busy_seconds
from benchmarks.workspace import workspace

RESULTS = ROOT / ".run" / "benchmarks.json"
PAGE = ROOT / "docs" / "performance.md"

SEEDS = 1_000_000

#: The parts of the benchmarks, in the order of their measurement.
PARTS = {
    module.PART: module.measure
    for module in (
        *(
            start,
            ingest,
            people,
            delivery,
            burst,
            inside,
            pages,
            http,
            commands,
            search,
            polls,
            streams,
            page,
            fairness,
            growth,
        ),
    )
}


def main() -> None:
    """Run the command."""
    chosen = _parser().parse_args()
    if chosen.command == "run":
        plan = _plan(chosen)
        measured_version.set(chosen.ejabberd or "")
        print(f"seed {plan.seed}: the same order of turns comes with --seed {plan.seed}")
        for part in chosen.parts or PARTS:
            uvloop.run(_run(part, plan, chosen.results, chosen.folder))
    results = Results.load(chosen.results)
    if chosen.publishes:
        publish(results, PAGE)
    print()
    for table in tables(results):
        print(table.terminal())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--results", type=Path, default=RESULTS, help="the JSON file of results")
    run = commands.add_parser("run", parents=[common], help="measure; parts not named stay")
    run.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}")
    run.add_argument("--rounds", type=int, help=f"how often each has its turn ({FULL.rounds})")
    run.add_argument("--seed", type=int, help="the order of the turns (a random one)")
    length = run.add_mutually_exclusive_group()
    length.add_argument("--short", action="store_true", help=f"{SHORT.rounds} shorter rounds")
    length.add_argument("--quick", action="store_true", help="only to see that all of it works")
    run.add_argument(
        "--large", action="store_true", help="also archives of a million, and large stores"
    )
    run.add_argument("--ejabberd", metavar="VERSION", help="another than the installed one")
    run.add_argument("--folder", type=Path, help="on the disk to be measured (a temporary one)")
    publishes = "put it into docs/performance.md"
    run.add_argument("--publish", action="store_true", dest="publishes", help=publishes)
    show = commands.add_parser("show", parents=[common], help="print what was measured")
    show.set_defaults(publishes=False)
    put = commands.add_parser("publish", parents=[common], help=publishes)
    put.set_defaults(publishes=True)
    return parser


def _plan(chosen: argparse.Namespace) -> Plan:
    if unknown := set(chosen.parts) - PARTS.keys():
        raise SystemExit(f"no such part: {', '.join(sorted(unknown))}")
    plan = QUICK if chosen.quick else SHORT if chosen.short else FULL
    plan = large(plan) if chosen.large else plan
    seed = secrets.randbelow(SEEDS) if chosen.seed is None else chosen.seed
    return replace(plan, rounds=chosen.rounds or plan.rounds, seed=seed)


async def _run(part: str, plan: Plan, path: Path, folder: Path | None) -> None:
    """Measure one part, and replace the samples of this part in the file."""
    samples: list[Sample] = []
    begun = time.monotonic()
    _, stolen = busy_seconds()
    with workspace(folder) as space:
        async for turn in PARTS[part](plan, space):
            samples += turn
            _tell(turn)
    results = Results.load(path) if path.exists() else Results()
    results.machine = describe()
    described = asdict(plan) | {"commit": commit(), "day": results.machine["day"]}
    results.note(part, measured_release().version, samples, described)
    results.save(path)
    stolen = busy_seconds()[1] - stolen
    print(f"{part}: done in {time.monotonic() - begun:.0f} s, {stolen:.1f} CPU s taken from here")


def _tell(turn: list[Sample]) -> None:
    first = turn[0]
    figures = ", ".join(f"{sample.metric} {sample.value:.4g}" for sample in turn[:3])
    print(f"{first.part} {first.round + 1} {first.contender} {first.case}: {figures}", flush=True)


if __name__ == "__main__":
    main()
