"""`muniment doctor`: examine ejabberd and this machine, and print faults and remedies."""

from __future__ import annotations

import argparse
import asyncio
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from component import logs
from component.cli.check_config import package_conflicts
from component.cli.colours import Colour, painted
from component.cli.exit_codes import FAILED, OK, USAGE
from component.cli.failures import fail
from component.cli.parsers import Parsers, add_json
from component.config import Config
from component.core.doctor.checks import CONFIG, SERVER, unexamined
from component.core.doctor.finding import Finding, Severity, ok
from component.core.ejabberd_options import as_yaml
from component.core.wording import count_of

if TYPE_CHECKING:
    from component.handlers.functions import Handlers

DESCRIPTION = """\
Find out whether ejabberd grants Muniment what it needs, and whether this machine does. A Muniment
that runs is asked over HTTP. Otherwise this command connects to ejabberd as the component for some
seconds: use it then only if no Muniment of this name runs on another machine.
"""

EPILOG = """\
exit codes:
  0    no errors
  1    at least one error was found
  2    ejabberd could not be examined, or the command line is wrong
"""

ADVICE = (
    "`muniment ejabberd-config VERSION` prints all options of ejabberd.yml that Muniment needs. "
    "After a change of ejabberd.yml: `ejabberdctl reload_config` (or a restart of ejabberd for "
    "listeners), then `muniment doctor --reconnect`."
)

COLOURS = {
    Severity.OK: Colour.GREEN,
    Severity.SKIPPED: Colour.FAINT,
    Severity.WARNING: Colour.YELLOW,
    Severity.ERROR: Colour.RED,
}

_WIDTH = 18


def add_parser(parsers: Parsers, common: argparse.ArgumentParser) -> None:
    """Add the parser of the command."""
    parser = parsers.add_parser(
        "doctor",
        parents=[common],
        help="find out what ejabberd does not grant, and print what to change",
        description=DESCRIPTION,
        epilog=EPILOG,
        examples=("muniment doctor", "muniment doctor --reconnect --json"),
    )
    add_json(parser)
    parser.add_argument(
        "--reconnect",
        action="store_true",
        help="have a running Muniment reconnect first, as ejabberd says only after a connect what "
        "it grants; messages of that moment are not archived",
    )


def run(path: Path | None, config: Config, chosen: argparse.Namespace) -> int:
    """Print the findings of all checks, and return an exit code."""
    # The findings are the report, and the log would repeat them.
    logs.setup("error", "text")
    return asyncio.run(_run(path, config, in_json=chosen.json, reconnect=chosen.reconnect))


def refuse(problems: Iterable[str], *, in_json: bool) -> int:
    """Print that the configuration is wrong, and return an exit code."""
    wrong = [_wrong(problem) for problem in problems]
    return report([*wrong, *unexamined("the configuration is wrong")], in_json=in_json)


async def _run(path: Path | None, config: Config, *, in_json: bool, reconnect: bool) -> int:
    from component.handlers.functions import Handlers
    from component.wiring.doctor.checks import checks
    from component.wiring.doctor.running import NotExamined

    handlers, findings = await asyncio.to_thread(_configuration, path, config)
    failure = ""
    try:
        async for finding in checks(
            config, handlers or Handlers(), live=True, reconnect=reconnect
        ):
            findings.append(finding)
    except NotExamined as error:
        failure = str(error)
        findings += unexamined("ejabberd was not examined")
    return report(findings, in_json=in_json, failure=failure)


def _configuration(path: Path | None, config: Config) -> tuple[Handlers | None, list[Finding]]:
    """Return the operator's functions, and findings about the configuration and the packages."""
    from component.handlers.loading import HandlersError
    from component.wiring import settings

    findings = [ok(CONFIG, f"configuration: {path or 'from the environment'}")]
    findings += (
        Finding(id=CONFIG, severity=Severity.WARNING, seen=warning) for warning in config.warnings
    )
    findings += map(_wrong, package_conflicts())
    try:
        return settings.handlers(config), findings
    except HandlersError as error:
        findings += (_wrong(f"handlers.module: {problem}") for problem in error.problems)
        return None, findings


def _wrong(problem: str) -> Finding:
    return Finding(id=CONFIG, severity=Severity.ERROR, seen=problem)


def report(findings: Sequence[Finding], *, in_json: bool = False, failure: str = "") -> int:
    """Print findings, and return an exit code.

    `failure` is the reason if ejabberd was not examined.
    """
    counts = Counter(finding.severity for finding in findings)
    if in_json:
        print(json.dumps(_data(findings, counts, failure), ensure_ascii=False))
    else:
        for line in _lines(findings, counts):
            print(line)
        if failure:
            fail(failure, USAGE, in_json=False)
    if counts[Severity.ERROR]:
        return FAILED
    return USAGE if failure else OK


def _data(
    findings: Sequence[Finding], counts: Counter[Severity], failure: str
) -> dict[str, object]:
    return {
        "summary": {severity.value: counts[severity] for severity in Severity},
        "failure": failure,
        "findings": [finding.fields for finding in findings],
    }


def _lines(findings: Sequence[Finding], counts: Counter[Severity]) -> Iterator[str]:
    margin = " " * (len(Severity.SKIPPED) + 2 + _WIDTH)
    for finding in findings:
        severity = f"{finding.severity:<{len(Severity.SKIPPED)}}"
        severity = painted(severity, COLOURS[finding.severity])
        yield f"{severity}  {finding.id:<{_WIDTH}}{finding.seen}"
        if finding.change:
            yield f"{margin}{finding.change}{':' if finding.options else '.'}"
        for line in as_yaml(finding.options).splitlines():
            yield f"{margin}  {line}"
    yield ""
    yield _summary(counts)
    if any(finding.is_fault and finding.id in SERVER for finding in findings):
        yield ADVICE


def _summary(counts: Counter[Severity]) -> str:
    errors, warnings = counts[Severity.ERROR], counts[Severity.WARNING]
    if not errors and not warnings:
        return f"All is well: {count_of(counts[Severity.OK], 'check')} passed."
    return f"{count_of(errors, 'error')}, {count_of(warnings, 'warning')}."
