"""Samples, which are measured figures, and values that combine several of them."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from statistics import median
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A figure of a contender in a round."""

    part: str
    contender: str
    case: str  #: the case of the part, "" if the part has one case only
    metric: str
    value: float
    round: int
    release: str = ""  #: the version of ejabberd, "" if it was not noted


def of_turn(
    part: str, contender: str, number: int, figures: Mapping[str, float], case: str = ""
) -> list[Sample]:
    """Return the samples of one contender's turn in a round."""
    return [
        Sample(part=part, contender=contender, case=case, metric=metric, value=value, round=number)
        for metric, value in figures.items()
    ]


@dataclass
class Results:
    """All samples of a run, and a description of its machine."""

    machine: dict[str, Any] = field(default_factory=dict)
    plan: dict[str, Any] = field(default_factory=dict)
    samples: list[Sample] = field(default_factory=list)

    def by_round(self, part: str, contender: str, case: str, metric: str) -> dict[int, float]:
        """Return the figure of each round by its number."""
        return {
            sample.round: sample.value
            for sample in self.samples
            if (sample.part, sample.contender, sample.case, sample.metric)
            == (part, contender, case, metric)
        }

    def median(self, part: str, contender: str, case: str, metric: str) -> float | None:
        """Return the median over the rounds."""
        values = self.by_round(part, contender, case, metric).values()
        return median(values) if values else None

    def worst(self, part: str, contender: str, case: str, metric: str) -> float | None:
        """Return the maximum over the rounds."""
        values = self.by_round(part, contender, case, metric).values()
        return max(values) if values else None

    def ratios(
        self, part: str, metric: str, ours: tuple[str, str], theirs: tuple[str, str]
    ) -> dict[int, float]:
        """Return the ratio of our figure to theirs, for each round that has both.

        `ours` and `theirs` are a contender and a case. Load that slows a whole round slows both.
        """
        our_values = self.by_round(part, *ours, metric)
        their_values = self.by_round(part, *theirs, metric)
        return {n: our_values[n] / their_values[n] for n in our_values if their_values.get(n)}

    def ratio(
        self, part: str, metric: str, ours: tuple[str, str], theirs: tuple[str, str]
    ) -> float | None:
        """Return the median of the ratios."""
        ratios = self.ratios(part, metric, ours, theirs)
        return median(ratios.values()) if ratios else None

    def cases(self, part: str) -> list[str]:
        """Return the cases of a part, in the order of their first measurement."""
        return list(dict.fromkeys(s.case for s in self.samples if s.part == part))

    @property
    def releases(self) -> list[str]:
        """The versions of ejabberd that were measured, the oldest first."""
        return sorted({sample.release for sample in self.samples}) or [""]

    def on(self, release: str) -> Results:
        """Return the results with one version of ejabberd."""
        return replace(self, samples=[s for s in self.samples if s.release == release])

    def note(
        self, part: str, release: str, samples: Iterable[Sample], plan: Mapping[str, Any]
    ) -> None:
        """Replace what was measured of a part with one version of ejabberd, or with no noted one.

        The samples may be in any order.
        """
        replaced = (release, "")
        others = [s for s in self.samples if s.part != part or s.release not in replaced]
        noted = (replace(sample, release=release) for sample in samples)
        self.samples = others + sorted(noted, key=lambda sample: sample.contender)
        self.plan.pop(part, None)
        self.plan[f"{part} {release}".strip()] = dict(plan)

    def save(self, path: Path) -> None:
        """Write the results as JSON."""
        path.parent.mkdir(parents=True, exist_ok=True)
        rows = [json.dumps(_row(sample)) for sample in self.samples]
        head = json.dumps({"machine": self.machine, "plan": self.plan}, indent=1)
        body = ",\n  ".join(rows)
        path.write_text(f'{head[:-2]},\n "samples": [\n  {body}\n ]\n}}\n')

    @classmethod
    def load(cls, path: Path) -> Results:
        """Return the results from a file of `save`."""
        read = json.loads(path.read_text())
        samples = [Sample(**row) for row in read["samples"]]
        return cls(machine=read["machine"], plan=read["plan"], samples=samples)


def _row(sample: Sample) -> dict[str, Any]:
    row = asdict(sample)
    return row if sample.release else {k: v for k, v in row.items() if k != "release"}


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the smallest value that `percent` percent of all values do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]
