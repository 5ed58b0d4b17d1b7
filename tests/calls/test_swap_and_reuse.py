"""Revisions exchanged under live calls, and many calls one after the other: nothing is lost and nothing grows."""

import asyncio
import gc
from collections import ChainMap
from collections.abc import Callable
from pathlib import Path

from msgspec import Struct
from pipecat.processors.filters.identity_filter import IdentityFilter

from control.peer import HangUp, Say, Script, Wait
from pipelines.calls import Said
from processors.catalog import Stages
from processors.factory import CallContext, ProcessorFactory, Role, StageContext, Workshop
from tests.calls.callers import SPEECH, asks, document, hears
from tests.calls.house import House, Rung, house
from tests.calls.leaks import open_sockets

LIFE: list[str] = []


class NamedConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """Something prepared, by name."""

    name: str


class NamedFilter(ProcessorFactory[NamedConfig, str]):
    """`filter.named`: tells when what it prepared is made and closed."""

    use = "filter.named"
    role = Role.FILTER
    config_type = NamedConfig

    async def prepare(self, config: NamedConfig, context: StageContext, workshop: Workshop) -> str:
        LIFE.append(f"{config.name} made")
        return config.name

    def create(self, config: NamedConfig, prepared: str, call: CallContext) -> IdentityFilter:
        return IdentityFilter()

    def close(self, prepared: str) -> None:
        LIFE.append(f"{prepared} closed")


STAGES = ChainMap({"filter.named": NamedFilter()}, Stages())


def revision(name: str) -> bytes:
    return document(
        texts={"greeting": f"Greeting of {name}"},
        llm={"answers": [f"Answer of {name}"]},
        extra=[{"id": "named", "use": "filter.named", "config": {"name": name}}],
    )


async def until(condition: Callable[[], bool], limit_s: float = 8.0) -> None:
    """Wait for something that nobody tells of. Raises TimeoutError."""
    async with asyncio.timeout(limit_s):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.02)


def states(home: House) -> list[tuple[int, str]]:
    return [(status.revision, status.state) for status in home.supervisor.status()]


async def test_a_live_call_ends_on_its_revision_and_the_next_gets_the_new_one() -> None:
    LIFE.clear()
    async with house(revision("one"), stages=STAGES) as home:
        first = asyncio.create_task(home.call(asks(SPEECH)))
        await until(lambda: any(isinstance(event, Said) for event in home.events))
        assert await home.publish(revision("two")) == 2
        second = await home.call(Script(steps=(hears(), HangUp())))
        assert LIFE == ["one made", "two made"], "what a call still uses is not closed"
        assert states(home) == [(1, "retiring"), (2, "active")]
        old = await first
        await until(lambda: states(home) == [(2, "active")])
        assert LIFE == ["one made", "two made", "one closed"]
    assert (old.record.call.revision, old.heard()) == (1, ["Greeting of one", "Answer of one"])
    assert (second.record.call.revision, second.heard()) == (2, ["Greeting of two"])
    assert LIFE == ["one made", "two made", "one closed", "two closed"]


async def test_publishing_again_and_again_under_calls_disturbs_none() -> None:
    LIFE.clear()
    async with house(revision("r1"), stages=STAGES) as home:
        calls: list[asyncio.Task[Rung]] = []
        for number in range(2, 8):
            calls.append(asyncio.create_task(home.call(asks(SPEECH))))
            await asyncio.sleep(0.25)
            assert await home.publish(revision(f"r{number}")) == number
        for number, call in enumerate([await call for call in calls], start=1):
            assert call.record.call.revision == number
            assert call.heard() == [f"Greeting of r{number}", f"Answer of r{number}"]
            assert call.result.downlink.longest_gap_ms < 200
        await until(lambda: states(home) == [(7, "active")])
        assert [event for event in LIFE if "closed" in event] == [f"r{number} closed" for number in range(1, 7)]


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


async def test_thirty_calls_leave_no_more_behind_than_six() -> None:
    asked = Script(steps=(Wait(0.15), Say(SPEECH), Wait(0.1), HangUp()), limit_s=10)
    greeted = Script(steps=(Wait(0.06), HangUp()), limit_s=10)
    async with house(document()) as home:

        async def calls(count: int) -> tuple[int, int, int]:
            """Tasks, sockets and resident bytes after some calls, one after the other, and one beside them."""
            beside = asyncio.create_task(home.call(asked))
            for _ in range(count - 1):
                assert (await home.call(greeted)).record.end_reason == "caller_hangup"
            assert (await beside).record.end_reason == "caller_hangup"
            gc.collect()
            return len(asyncio.all_tasks()), len(open_sockets()), resident_bytes()

        tasks, sockets, resident = await calls(6)
        tasks_after, sockets_after, resident_after = await calls(30)
    assert tasks_after == tasks
    assert sockets_after == sockets
    assert resident_after - resident < 8 * 2**20
