"""A service whose tenant is published anew again and again, in its own process; see `benchmarks.hotswap`.

    python -m benchmarks.parts.swapping SWAPS PAUSE_S

It serves as `benchmarks.parts.serve --probed` does. On the first SIGUSR2 it saves the tenant's document in SWAPS / 10
variants, on the second in SWAPS, one behind the other with a pause, by the way that a saved file takes: parse, check,
load, store, activate, live calls at their next silence. What each variant changes goes round: the mind's words, the
voice, the ear, the detector.
"""

import asyncio
import gc
import os
import signal
import sys
import time
from collections.abc import Coroutine
from contextvars import Context
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from app import open_service
from benchmarks.parts.probes import probed_stages
from benchmarks.parts.serve import ready_of, trim
from benchmarks.parts.served import Moment, write
from benchmarks.parts.wire_calls import HEAD, SLUG, TALKER, WORDS
from control import logs, settings
from control.service import Service
from pipelines.calls import ChangedOver, LiveEvent, Opened

PUBLISHING: Final = frozenset({"swap", "_make", "ChangeOver._make", "rehearse_rest", "PipelineSupervisor._end"})
"""Coroutines by their qualified names: whatever publishing does on the loop, in whichever task."""
ASSISTANT = """\
  - name: ear-{number}
    numbers: ["{number}"]
    record: false
    limits: {{max_concurrent_calls: 100, max_turns: 1000, max_call_s: 3600, silence_s: 120}}
    turn: {{wait_s: 0.5}}
    texts: {{greeting: "{sentence}"}}
    pipeline:
      - {{id: vad, use: vad.probed, config: {{start_secs: {start_secs}}}}}
      - {{id: stt, use: stt.mock, config: {{transcripts: ["Que horas vocês abrem?"], latency_s: {hears_s}}}}}
      - {{id: llm, use: llm.mock, config: {{answers: ["{answer}"]}}}}
      - {{id: tts, use: tts.marked, config: {{word_s: 0.1, latency_s: {speaks_s}}}}}
"""


def variant(number: int) -> str:
    """The document number `number`: no two that follow each other are alike, and all answers are of one length."""
    turned = number % len(WORDS)
    return HEAD + ASSISTANT.format(
        number=TALKER,
        sentence=" ".join(WORDS),
        answer=" ".join(WORDS[turned:] + WORDS[:turned]),
        start_secs=(0.1, 0.13)[number // 4 % 2],
        hears_s=(0.1, 0.12, 0.14)[number // 3 % 3],
        speaks_s=(0.05, 0.06)[number // 2 % 2],
    )


class Stepped(Coroutine[Any, Any, Any]):
    """A coroutine that tells how long each of its steps keeps the event loop's thread busy."""

    def __init__(self, inner: Coroutine[Any, Any, Any], watch: "Watch") -> None:
        self._inner, self._watch = inner, watch

    def send(self, value: Any) -> Any:
        began, collected = time.thread_time(), self._watch.collected_s
        try:
            return self._inner.send(value)
        finally:
            # The collector comes when it comes, to whomever made the last object.
            self._watch.note(time.thread_time() - began - (self._watch.collected_s - collected))

    def throw(self, *error: Any) -> Any:
        return self._inner.throw(*error)

    def close(self) -> None:
        self._inner.close()

    def __await__(self) -> Any:
        return self._inner.__await__()


class Watch:
    """The longest step of anything that publishing does, and the garbage collector's longest."""

    def __init__(self) -> None:
        self.longest_s = self.collected_s = self.longest_collection_s = 0.0
        self._began = 0.0
        gc.callbacks.append(self._collecting)

    def begin(self) -> None:
        """Forget what was before."""
        self.longest_s = self.longest_collection_s = 0.0

    def _collecting(self, phase: str, _: dict[str, int]) -> None:
        if phase == "start":
            self._began = time.thread_time()
            return
        took = time.thread_time() - self._began
        self.collected_s += took
        self.longest_collection_s = max(self.longest_collection_s, took)

    def note(self, seconds: float) -> None:
        self.longest_s = max(self.longest_s, seconds)

    def make_task(
        self, loop: asyncio.AbstractEventLoop, coro: Any, *, context: Context | None = None, **_: Any
    ) -> "asyncio.Task[Any]":
        """A task factory."""
        watched = getattr(coro, "__qualname__", "") in PUBLISHING
        return asyncio.Task(Stepped(coro, self) if watched else coro, loop=loop, context=context)


def feed(event: LiveEvent) -> None:
    """The service's own feed, with the moments of revisions."""
    write(event)
    if isinstance(event, Opened):
        # When it was let in: its row is told of once it has been answered.
        at = time.monotonic() - (datetime.now(UTC) - event.call.opened_at).total_seconds()
        write(Moment(what="opened", at=at, revision=event.call.revision, call_id=event.call.id))
    elif isinstance(event, ChangedOver):
        write(Moment(what="changed", at=time.monotonic(), revision=event.revision, call_id=event.call_id))


async def swap(service: Service, file: Path, numbers: range, pause_s: float, watch: Watch) -> None:
    """Publish again and again, and say so."""
    watch.begin()
    for number in numbers:
        began = time.monotonic()
        await asyncio.to_thread(file.write_text, variant(number), "utf-8")
        await service.folder.refresh([file])
        (status,) = service.tenants
        if status.problems:
            raise RuntimeError(status.problem)
        now = time.monotonic()
        write(Moment(what="activated", at=now, revision=status.revision or 0, took_ms=(now - began) * 1000))
        await asyncio.sleep(pause_s)
    longest, collection = watch.longest_s * 1000, watch.longest_collection_s * 1000
    write(Moment(what="over", at=time.monotonic(), longest_ms=longest, took_ms=collection))


async def main(swaps: int, pause_s: float) -> None:
    """Serve until told to stop."""
    loop, stop, watch = asyncio.get_running_loop(), asyncio.Event(), Watch()
    go: asyncio.Queue[None] = asyncio.Queue()
    loop.set_task_factory(watch.make_task)
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    loop.add_signal_handler(signal.SIGUSR1, trim)
    loop.add_signal_handler(signal.SIGUSR2, go.put_nowait, None)
    found, _ = settings.load(os.environ, Path(".env"))
    logs.configure(found.log_format, found.log_level)
    file = found.tenants_dir / f"{SLUG}.yaml"
    async with open_service(found, feed=feed, stages=probed_stages()) as service:
        write(ready_of(service))
        warm = swaps // 10
        swapping = asyncio.create_task(
            _when_told(go, service, file, (range(1, warm), range(warm, warm + swaps)), pause_s, watch)
        )
        await stop.wait()
        swapping.cancel()
        await asyncio.gather(swapping, return_exceptions=True)


async def _when_told(
    go: "asyncio.Queue[None]", service: Service, file: Path, parts: tuple[range, ...], pause_s: float, watch: Watch
) -> None:
    for numbers in parts:
        await go.get()
        await asyncio.create_task(swap(service, file, numbers, pause_s, watch))


if __name__ == "__main__":
    import uvloop

    uvloop.run(main(int(sys.argv[1]), float(sys.argv[2])))
