"""A process that joins others on one store writes behind what they got before."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from support.builders import entry, everything, texts

from component.core.archiving.coverage import Coverage
from component.core.archiving.joining import Joining
from component.core.archiving.writer import Writer
from component.core.errors import Overloaded
from storage.errors import Unavailable
from storage.processes import Alone
from storage.sql.store import SqlStorage

#: The longest wait of a test that fails.
DEADLINE = 30.0


class Shared(Alone):
    """The processes on a store, as one of them sees them; the test says which there are."""

    is_shared = True

    def __init__(self, running: dict[str, bool]) -> None:
        super().__init__()
        self._running = running
        self.name = ""
        self.failures = 0  #: how often the store will not answer
        self.notes: list[str] = []

    async def others(self) -> dict[str, bool]:
        """Return the processes that run, and whether they get copies."""
        if self.failures:
            self.failures -= 1
            raise Unavailable
        return {name: gets for name, gets in self._running.items() if name != self.name}

    async def note_disconnected(self) -> None:
        self.notes.append("disconnected")

    async def note_written(self) -> None:
        self.notes.append("written")


class Installation:
    """Processes on one store; each asks the others, who hear it at once."""

    def __init__(self, storage: SqlStorage) -> None:
        self.storage = storage
        self.running: dict[str, bool] = {}
        self.silent: set[str] = set()  #: processes that hang
        self.time = 0
        self.asked: list[tuple[str, str]] = []
        self._joinings: dict[str, Joining] = {}
        self._tasks: list[tuple[Writer, asyncio.Task[None]]] = []

    def add(self, name: str, *, patience: float = DEADLINE, is_writing: bool = True) -> Process:
        """Add a process that gets copies."""
        writer, processes = Writer(self.storage.archive), Shared(self.running)
        processes.name = name
        joining = Joining(
            name,
            processes,
            writer,
            writer.wait_durable,
            _Questions(self, name),
            clock=lambda: self.time,
            settle_seconds=0.0,
            patience_seconds=patience,
        )
        self.running[name] = True
        self._joinings[name] = joining
        process = Process(self, writer, joining, processes)
        if is_writing:
            process.write()
        return process

    def start(self, writer: Writer) -> None:
        self._tasks.append((writer, asyncio.create_task(writer.run())))

    async def has_written(self, asker: str, process: str, joined_at: int) -> bool:
        self.asked.append((asker, process))
        if process in self.silent:
            await asyncio.Event().wait()
        await self._joinings[process].wait_written(asker, joined_at)
        return True

    async def stored(self) -> list[str]:
        return texts(await everything(self.storage.archive))

    async def end(self) -> None:
        for writer, _ in self._tasks:
            writer.release()
            writer.stop()
        await asyncio.gather(*(task for _, task in self._tasks))


class Process:
    """One process."""

    def __init__(
        self, installation: Installation, writer: Writer, joining: Joining, processes: Shared
    ) -> None:
        self._installation = installation
        self.writer = writer
        self.joining = joining
        self.processes = processes

    def get(self, *numbers: int) -> None:
        """Get copies of messages."""
        self.writer.put([entry(n) for n in numbers])

    def write(self) -> None:
        """Write from now on."""
        self._installation.start(self.writer)

    def connect(self) -> None:
        """Join, a moment after everything before."""
        self._installation.time += 1
        self.joining.connected()


class _Questions:
    def __init__(self, installation: Installation, asker: str) -> None:
        self._installation = installation
        self._asker = asker

    async def has_written(self, process: str, joined_at: int, *, patience: float) -> bool:
        return await self._installation.has_written(self._asker, process, joined_at)


@pytest.fixture
async def installation(storage: SqlStorage) -> AsyncIterator[Installation]:
    installation = Installation(storage)
    async with asyncio.timeout(DEADLINE):
        yield installation
        await installation.end()


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 - a state, not an event
        await asyncio.sleep(0.001)


@asynccontextmanager
async def still(condition: Callable[[], bool]) -> AsyncIterator[None]:
    """Expect that a state lasts for a moment before the block."""
    for _ in range(20):
        await asyncio.sleep(0.001)
        assert condition()
    yield


async def test_message_of_a_joining_process_comes_behind_those_that_the_others_got_before(
    installation: Installation,
) -> None:
    first = installation.add("first", is_writing=False)
    first.get(1, 2, 3)
    second = installation.add("second")
    second.connect()
    first.get(4)
    second.get(4)
    async with still(lambda: second.writer.backlog == 1):
        first.write()
    await second.writer.wait_durable()

    assert await installation.stored() == texts([entry(n) for n in (1, 2, 3, 4)])


async def test_messages_from_before_the_connection_are_written_at_once(
    installation: Installation,
) -> None:
    installation.silent.add("first")
    installation.add("first")
    second = installation.add("second")
    second.get(1)
    second.connect()
    second.get(2)
    await second.writer.wait_durable_before_hold()

    assert await installation.stored() == texts([entry(1)])


async def test_processes_that_join_at_once_do_not_wait_for_each_other_for_ever(
    installation: Installation,
) -> None:
    both = [installation.add("first"), installation.add("second")]
    for process in both:
        process.connect()
    for process in both:
        process.get(1)
        await process.writer.wait_durable()

    assert not any(process.joining.is_joining for process in both)
    assert await installation.stored() == texts([entry(1)])


async def test_later_one_of_two_joining_processes_writes_behind_the_earlier_one(
    installation: Installation,
) -> None:
    # The names would say the opposite order.
    second, first = installation.add("a"), installation.add("b")
    first.connect()
    first.get(1)
    second.connect()
    first.get(2)
    second.get(2)
    await second.writer.wait_durable()

    assert await installation.stored() == texts([entry(1), entry(2)])


async def test_process_that_joins_waits_only_for_a_time_for_one_that_hangs(
    installation: Installation, caplog: pytest.LogCaptureFixture
) -> None:
    installation.add("first")
    installation.silent.add("first")
    second = installation.add("second", patience=0.05)
    second.connect()
    second.get(1)
    await second.writer.wait_durable()

    assert "within 0.05 seconds no answer from first" in caplog.text


async def test_process_that_ends_while_it_is_asked_is_not_waited_for(
    installation: Installation, caplog: pytest.LogCaptureFixture
) -> None:
    installation.add("first")
    installation.silent.add("first")
    second = installation.add("second")
    second.connect()
    second.get(1)
    await until(lambda: bool(installation.asked))
    del installation.running["first"]
    await second.writer.wait_durable()

    assert caplog.text == ""


async def test_process_that_is_away_is_not_asked(installation: Installation) -> None:
    installation.add("first")
    del installation.running["first"]
    second = installation.add("second")
    second.connect()
    second.get(1)
    await second.writer.wait_durable()

    assert installation.asked == []


async def test_process_without_connection_is_not_asked_but_writes_its_messages_first(
    installation: Installation,
) -> None:
    installation.add("first")
    installation.running["first"] = False
    second = installation.add("second")
    second.connect()
    second.get(1)
    async with still(lambda: second.writer.backlog == 1):
        del installation.running["first"]
    await second.writer.wait_durable()

    assert installation.asked == []


async def test_process_that_refuses_to_answer_is_asked_again(installation: Installation) -> None:
    first = installation.add("first")
    second = installation.add("second")
    answers = iter([Overloaded])

    async def refuse_once(asker: str, joined_at: int) -> None:
        for error in answers:
            raise error

    first.joining.wait_written = refuse_once  # type: ignore[method-assign]
    second.connect()
    second.get(1)
    await second.writer.wait_durable()

    assert installation.asked == [("second", "first")] * 2


async def test_store_that_cannot_be_read_is_asked_again(installation: Installation) -> None:
    installation.add("first")
    second = installation.add("second")
    second.processes.failures = 1
    second.connect()
    second.get(1)
    await second.writer.wait_durable()

    assert installation.asked == [("second", "first")]


async def test_second_connection_keeps_back_what_the_first_one_kept_back(
    installation: Installation,
) -> None:
    first = installation.add("first", is_writing=False)
    first.get(1)
    second = installation.add("second")
    second.connect()
    second.get(2)
    await until(lambda: bool(installation.asked))
    second.connect()
    second.get(3)
    async with still(lambda: second.writer.backlog == 2):
        first.write()
    await second.writer.wait_durable()

    assert await installation.stored() == texts([entry(n) for n in (1, 2, 3)])


async def test_process_that_is_alone_on_its_store_holds_nothing_back(storage: SqlStorage) -> None:
    writer = Writer(storage.archive)
    joining = Joining("one", Alone(), writer, writer.wait_durable, _Questions(None, "one"))  # type: ignore[arg-type]
    joining.connected()
    writer.put([entry(1)])
    writing = asyncio.create_task(writer.run())
    async with asyncio.timeout(DEADLINE):
        await writer.wait_durable()
        writer.stop()
        await writing

    assert not joining.is_joining


async def test_process_that_loses_its_connection_notes_when_it_has_written_all(
    installation: Installation,
) -> None:
    process = installation.add("one", is_writing=False)
    process.get(1)
    coverage = Coverage(process.processes, lambda _: None, process.writer.wait_durable)
    coverage.connected(1)
    coverage.disconnected()
    await until(lambda: process.processes.notes == ["disconnected"])
    process.write()
    await until(lambda: process.processes.notes == ["disconnected", "written"])


async def test_process_that_connects_anew_does_not_note_that_it_has_written_all(
    installation: Installation,
) -> None:
    process = installation.add("one", is_writing=False)
    process.get(1)
    coverage = Coverage(process.processes, lambda _: None, process.writer.wait_durable)
    coverage.connected(1)
    coverage.disconnected()
    await until(lambda: process.processes.notes == ["disconnected"])
    coverage.connected(2)
    process.write()
    await process.writer.wait_durable()
    async with still(lambda: process.processes.notes == ["disconnected"]):
        pass
