"""Select the releases of ejabberd for each test, and share the tests out to processes.

A test that needs an ejabberd, through the fixture `release`, is parametrized with the versions of
ejabberd: `test_x[26.07]`.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import pytest
from xdist.scheduler import LoadFileScheduling

from support.releases import versions

#: A test with one of these marks runs on every release, or on the newest one alone; another one
#: runs on the oldest and the newest.
EVERY, NEWEST = "every_ejabberd", "newest_ejabberd"

OPTION = "--ejabberd"

#: The release in the id of a test.
_RELEASE = re.compile(r"\[.*?\b(\d\d\.\d\d)\b")


def add_option(parser: pytest.Parser) -> None:
    """Declare the option that names the versions to test with."""
    parser.addoption(
        OPTION,
        metavar="VERSION,...",
        help="run the integration tests with these versions of ejabberd"
        " (default: the newest one; with REQUIRE_ALL=1 all that are supported)",
    )


def declare_marks(config: pytest.Config) -> None:
    """Declare the marks of tests that run on other releases than the oldest and the newest."""
    config.addinivalue_line("markers", f"{EVERY}: runs on every version of ejabberd")
    config.addinivalue_line(
        "markers", f"{NEWEST}: runs on the newest version of ejabberd, as others prove the rest"
    )


def parametrize(metafunc: pytest.Metafunc, *, is_everything_required: bool) -> None:
    """Parametrize a test that needs an ejabberd with the versions that it runs on."""
    if "release_version" not in metafunc.fixturenames:
        return
    option = metafunc.config.getoption(OPTION)
    if option:
        chosen = option.split(",")
    elif not is_everything_required:
        chosen = [versions()[-1]]
    else:
        # The mark of a test goes before that of its module.
        marks = (mark.name for mark in metafunc.definition.iter_markers())
        mark = next((name for name in marks if name in (EVERY, NEWEST)), None)
        oldest, *between, newest = versions()
        chosen = {EVERY: [oldest, *between, newest], NEWEST: [newest]}.get(mark, [oldest, newest])
    metafunc.parametrize("release_version", chosen, scope="session")


class FileAndReleaseScheduling(LoadFileScheduling):  # type: ignore[misc]
    """Shares tests out by file, as `--dist loadfile` does, and by release of ejabberd.

    A worker stays with a release until no file of that release is left, because it starts servers
    of each release that it tests, and keeps them.
    """

    def __init__(self, config: pytest.Config, log: Any) -> None:
        super().__init__(config, log)
        self._releases: dict[object, str] = {}  #: by worker

    def _split_scope(self, nodeid: str) -> str:
        release = _RELEASE.search(nodeid)
        return f"{super()._split_scope(nodeid)}@{release[1] if release else ''}"

    def _assign_work_unit(self, node: object) -> None:
        self.workqueue.move_to_end(self._next_scope(node), last=False)
        super()._assign_work_unit(node)

    def _next_scope(self, node: object) -> str:
        """Return the first file of the worker's release.

        A worker without a release, or whose release has no file left, gets the release that the
        fewest workers have.
        """
        first: dict[str, str] = {}
        for scope in self.workqueue:
            first.setdefault(scope.rpartition("@")[2], scope)
        if self._releases.get(node) not in first:
            self._releases.pop(node, None)
            workers = Counter(self._releases.values())
            self._releases[node] = min(filter(None, first), key=workers.__getitem__, default="")
        return first[self._releases[node]]


def scheduling(config: pytest.Config, log: Any) -> FileAndReleaseScheduling | None:
    """Return the scheduling for xdist, None if another one than by files was requested."""
    if config.getvalue("dist") != "loadfile":
        return None
    # Not by the number of tests: few tests with real servers take longer than many without.
    config.option.loadscopereorder = False
    return FileAndReleaseScheduling(config, log)


def sort_for_workers(items: list[pytest.Item]) -> None:
    """Put the tests with real servers first, and then the files with the most tests.

    The last files are short, so that the workers end at about the same time.
    """
    counts = Counter(item.path for item in items)

    def rank(item: pytest.Item) -> tuple[int, int]:
        folder = item.path.relative_to(item.config.rootpath / "tests").parts[0]
        if folder in ("integration", "browser", "torture"):
            return 0, 0
        return (1, 0) if folder == "property" else (2, -counts[item.path])

    items.sort(key=rank)
