"""Shared things are prepared once, closed after the last user, and never used closed."""

import asyncio
import contextlib
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from base.ids import TenantId
from pipelines.pool import Held, ResourceKey, ResourcePool
from processors.factory import PrepareError
from tests.pipelines.virtual import virtual


@dataclass
class Thing:
    """Knows whether it is open."""

    name: str
    open: bool = True
    closed_times: int = 0


@dataclass
class Workbench:
    """Makes things, slowly, and fails when told to."""

    pool: ResourcePool = field(default_factory=ResourcePool)
    made: list[Thing] = field(default_factory=list)
    fail: bool = False
    making: int = 0

    async def hold(self, name: str, after_s: float = 1.0) -> Held:
        async def prepare() -> Thing:
            self.making += 1
            try:
                await asyncio.sleep(after_s)
            finally:
                self.making -= 1
            if self.fail:
                raise RuntimeError(name)
            self.made.append(Thing(name))
            return self.made[-1]

        async def close(thing: Thing) -> None:
            await asyncio.sleep(0.1)
            thing.open = False
            thing.closed_times += 1

        return await self.pool.hold(ResourceKey("x.y", name, None), prepare, close)


@virtual
async def test_those_who_ask_together_share_one() -> None:
    bench = Workbench()
    first, second = await asyncio.gather(bench.hold("a"), bench.hold("a"))
    assert first.value is second.value
    assert len(bench.made) == 1
    await first.release()
    await first.release()
    assert second.value.open
    await second.release()
    assert not second.value.open
    assert len(bench.pool) == 0


@virtual
async def test_a_failure_is_told_to_all_who_wait_and_then_forgotten() -> None:
    bench = Workbench(fail=True)
    results = await asyncio.gather(bench.hold("a"), bench.hold("a"), return_exceptions=True)
    assert [type(result) for result in results] == [RuntimeError, RuntimeError]
    bench.fail = False
    held = await bench.hold("a")
    assert held.value.open
    await held.release()
    await bench.pool.close()


@virtual
async def test_giving_up_does_not_spoil_it_for_the_others() -> None:
    bench = Workbench()
    impatient = asyncio.create_task(bench.hold("a"))
    patient = asyncio.create_task(bench.hold("a"))
    await asyncio.sleep(0.5)
    impatient.cancel()
    held = await patient
    assert held.value.open
    assert len(bench.made) == 1
    await held.release()


@virtual
async def test_what_nobody_waits_for_any_more_is_given_up() -> None:
    bench = Workbench()
    only = asyncio.create_task(bench.hold("a"))
    await asyncio.sleep(0.5)
    only.cancel()
    with pytest.raises(asyncio.CancelledError):
        await only
    await bench.pool.close()
    assert (bench.making, bench.made, len(bench.pool)) == (0, [], 0)


@virtual
async def test_a_stage_that_cannot_close_holds_nobody_up() -> None:
    async def forever(thing: object) -> None:
        await asyncio.Event().wait()

    async def prepare() -> object:
        return object()

    pool = ResourcePool(close_timeout_s=5.0)
    held = await pool.hold(ResourceKey("x.y", "a", None), prepare, forever)
    await held.release()
    assert asyncio.get_running_loop().time() == pytest.approx(5.0)


@virtual
async def test_a_stage_that_does_not_give_up_holds_nobody_up_and_is_told_and_what_it_makes_is_closed() -> None:
    made: list[Thing] = []

    async def prepare() -> Thing:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(100)
        await asyncio.sleep(30)
        made.append(Thing("late"))
        return made[0]

    def close(thing: Thing) -> None:
        thing.open = False

    pool = ResourcePool(close_timeout_s=5.0)
    only = asyncio.create_task(pool.hold(ResourceKey("x.y", "a1b2", TenantId("t")), prepare, close))
    await asyncio.sleep(1.0)
    only.cancel()
    with capture_logs() as logs:
        with pytest.raises(asyncio.CancelledError):
            await only
        await pool.close()
    assert asyncio.get_running_loop().time() == pytest.approx(6.0)
    told = {"stage": "x.y", "config": "a1b2", "tenant": "t", "waited_s": 5.0}
    assert [{name: log.get(name) for name in told} for log in logs] == [told]
    assert made == []
    await asyncio.sleep(30)
    await pool.close()
    assert [thing.open for thing in made] == [False]


@virtual
async def test_closing_that_ignores_its_cancellation_is_left_behind_and_told() -> None:
    freed = asyncio.Event()

    async def close(_thing: object) -> None:
        while not freed.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await freed.wait()

    async def prepare() -> object:
        return object()

    pool = ResourcePool(close_timeout_s=5.0)
    held = await pool.hold(ResourceKey("x.y", "a", None), prepare, close)
    with capture_logs() as logs:
        await held.release()
    assert asyncio.get_running_loop().time() == pytest.approx(5.0)
    assert [(log["event"], log["stage"]) for log in logs] == [("a stage does not close", "x.y")]
    freed.set()


STEPS = st.lists(
    st.tuples(st.sampled_from(["hold", "release", "cancel", "wait", "break", "mend"]), st.sampled_from("ab")),
    max_size=25,
)


@given(STEPS)
def test_whatever_the_order_nothing_leaks_and_nothing_is_used_closed(steps: list[tuple[str, str]]) -> None:
    @virtual
    async def play() -> None:
        bench = Workbench()
        asking: list[asyncio.Task[Held]] = []

        def held() -> list[Held]:
            return [task.result() for task in asking if task.done() and not task.cancelled() and not task.exception()]

        released: set[int] = set()
        for step, name in steps:
            in_use = [hold for hold in held() if id(hold) not in released]
            assert all(hold.value.open for hold in in_use)
            match step:
                case "hold":
                    asking.append(asyncio.create_task(bench.hold(name, after_s=0.3)))
                case "release" if in_use:
                    released.add(id(in_use[0]))
                    await in_use[0].release()
                case "cancel" if asking:
                    asking[-1].cancel()
                case "wait":
                    await asyncio.sleep(0.2)
                case "break" | "mend":
                    bench.fail = step == "break"
        await asyncio.gather(*asking, return_exceptions=True)
        for hold in held():
            await hold.release()
        await bench.pool.close()
        assert [thing.closed_times for thing in bench.made] == [1] * len(bench.made)
        assert len(bench.pool) == 0

    play()


@virtual
async def test_a_prepare_that_is_cancelled_inside_is_a_failure_and_nobodys_end() -> None:
    pool = ResourcePool()

    async def prepare() -> Thing:
        inner = asyncio.create_task(asyncio.sleep(100))
        inner.cancel()
        await inner
        return Thing("never")

    async def hold() -> Held:
        return await pool.hold(ResourceKey("x.y", "a", None), prepare, lambda _: None)

    for outcome in await asyncio.gather(hold(), hold(), return_exceptions=True):
        assert isinstance(outcome, PrepareError)
        assert "cancelled inside the stage" in str(outcome)
    assert len(pool) == 0
    await pool.close()
