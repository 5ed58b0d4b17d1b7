"""A service in a process of its own, with its live feed as JSON lines on a pipe.

The measuring side shares neither loop nor interpreter lock with what it measures.
"""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import msgspec

from base.ids import TenantId
from base.processes import ended
from benchmarks.parts import cores
from benchmarks.parts.cores import pinned
from pipelines.calls import CallRecord, Closed, LiveEvent

START_TIMEOUT_S = 900.0
"""Voices are rendered before the service says that it is ready; once, then they are on disk."""
STOP_TIMEOUT_S = 30.0
UNBOUND = {
    "ATENDE_MAX_LATENESS_MS": "1000",
    "ATENDE_MAX_LOOP_LOAD": "1000",
    "ATENDE_MAX_STAGE_WAIT_MS": "60000",
    "ATENDE_MAX_STAGE_LOAD": "1000",
}
"""What is measured is how calls fare, also those that admission would refuse."""


class Ready(msgspec.Struct, tag=True):
    """The service takes calls, and everything that it may say is rendered."""

    esl_host: str
    esl_port: int
    tenants: dict[str, tuple[TenantId, dict[str, str]]]
    """Slug → tenant id, and signature by number."""


class Noted(msgspec.Struct, tag=True):
    """What a probed stage saw; see `benchmarks.parts.probes`."""

    call_id: str
    what: Literal["voice_found", "voice_begins"]
    """The detector's start came to the pipeline's first stage; a sentence's first audio left the voice."""
    at: float
    """`time.monotonic()`, which is one clock for all processes."""
    frame: int
    """voice_found: checksum (CRC-32) of the caller's 20 ms with which the detector's deciding window was complete."""


class Moment(msgspec.Struct, tag=True, kw_only=True):
    """What happened to a revision; see `benchmarks.parts.swapping`."""

    what: Literal["activated", "opened", "changed", "over"]
    """It answers from now on; a call began on it; a live call changed over to it; all swaps are done."""
    at: float
    """`time.monotonic()`."""
    revision: int = 0
    call_id: str = ""
    took_ms: float = 0.0
    """activated: from the file's saving; over: the garbage collector's longest pause."""
    longest_ms: float = 0.0
    """over: the longest time for which anything of publishing kept the event loop, in CPU time of its thread, without
    the garbage collector's."""


class Trimmed(msgspec.Struct, tag=True):
    """The process has collected its garbage and given free memory back, as it was asked to by SIGUSR1."""


_decode = msgspec.json.Decoder(LiveEvent | Ready | Noted | Moment | Trimmed).decode
_encode = msgspec.json.Encoder().encode


@dataclass
class Served:
    """A running service."""

    ready: Ready
    process: asyncio.subprocess.Process
    events: list[LiveEvent] = field(default_factory=list)
    notes: list[Noted] = field(default_factory=list)
    moments: list[Moment] = field(default_factory=list)
    records: dict[str, CallRecord] = field(default_factory=dict)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _trimmed: asyncio.Event = field(default_factory=asyncio.Event)

    def take(self, event: LiveEvent) -> None:
        """Keep an event of the feed."""
        self.events.append(event)
        if isinstance(event, Closed):
            self.records[event.record.call.id] = event.record
            self._changed.set()

    def trimmed(self) -> None:
        """The process has done what `trimmed_bytes` asked for."""
        self._trimmed.set()

    async def record(self, call_id: str, timeout_s: float = 10.0) -> CallRecord:
        """The record of a finished call. Raises TimeoutError."""
        async with asyncio.timeout(timeout_s):
            while call_id not in self.records:
                self._changed.clear()
                await self._changed.wait()
        return self.records[call_id]

    def rss_bytes(self) -> int:
        """Resident memory of the service's process."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    async def trimmed_bytes(self, timeout_s: float = 10.0) -> int:
        """Resident memory without garbage and without what the allocator keeps for later. Raises TimeoutError."""
        self._trimmed.clear()
        self.process.send_signal(signal.SIGUSR1)
        async with asyncio.timeout(timeout_s):
            await self._trimmed.wait()
        return self.rss_bytes()

    def cpu_s(self) -> float:
        """CPU seconds of the service's process so far, all threads."""
        return cores.cpu_s(self.process.pid)


@asynccontextmanager
async def served(
    environ: dict[str, str],
    *,
    core: int | None = None,
    program: Sequence[str] = ("benchmarks.parts.serve",),
    probed: bool = False,
) -> AsyncIterator[Served]:
    """Start a service with these `ATENDE_…` variables on top of ours; stop it in order at the end.

    `core`: the only one that any thread of it may use; `program`: another module to run, with its arguments;
    `probed`: its tenants may use the stages of `benchmarks.parts.probes`.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", *program, *(["--probed"] if probed else []),
        preexec_fn=None if core is None else pinned(core),
        env={**os.environ, **UNBOUND, "ATENDE_ESL_PORT": "0", "ATENDE_LOG_LEVEL": "error", **environ},
        stdout=asyncio.subprocess.PIPE,
        limit=1 << 22,
    )  # fmt: skip
    assert process.stdout is not None
    reader: asyncio.Task[None] | None = None
    try:
        async with asyncio.timeout(START_TIMEOUT_S):
            first = await process.stdout.readline()
        if not first:
            raise RuntimeError("the service did not start: see its messages above")
        ready = _decode(first)
        assert isinstance(ready, Ready)
        service = Served(ready, process)
        reader = asyncio.create_task(_read(process.stdout, service))
        yield service
    finally:
        await ended(process, STOP_TIMEOUT_S)
        if reader is not None:
            await reader


async def _read(stream: asyncio.StreamReader, service: Served) -> None:
    while line := await stream.readline():
        event = _decode(line)
        if isinstance(event, Noted):
            service.notes.append(event)
        elif isinstance(event, Moment):
            service.moments.append(event)
        elif isinstance(event, Trimmed):
            service.trimmed()
        elif not isinstance(event, Ready):
            service.take(event)


def write(event: LiveEvent | Ready | Noted | Moment | Trimmed) -> None:
    """One line on the pipe to the measuring side; from the service's process."""
    sys.stdout.buffer.write(_encode(event) + b"\n")
    sys.stdout.buffer.flush()
