"""A live call changes over to another revision: at a silence, with its conversation, and only to what works."""

import asyncio
from collections import ChainMap
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Struct
from msgspec.structs import replace
from pipecat.frames.frames import EndFrame, Frame, LLMContextFrame, StartFrame
from pipecat.processors.filters.identity_filter import IdentityFilter
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor, FrameProcessorSetup

from pipelines.calls import ChangedOver
from pipelines.spec import AssistantSpec, LimitsSpec, ProcessorSpec
from processors.catalog import Stages
from processors.factory import CallContext, ProcessorFactory, Role, StageContext, Workshop
from tests.pipelines.harness import Ringing, assistant, ringing
from tests.pipelines.virtual import virtual

CONTEXTS: list[list[str]] = []


class Nothing(Struct, frozen=True, forbid_unknown_fields=True):
    pass


class Prepared(ProcessorFactory[Nothing, None]):
    """Something that needs no preparation."""

    role = Role.FILTER
    config_type = Nothing

    async def prepare(self, config: Nothing, context: StageContext, workshop: Workshop) -> None:
        return


class NotMade(Prepared):
    use = "filter.not_made"

    def create(self, config: Nothing, prepared: None, call: CallContext) -> FrameProcessor:
        raise RuntimeError("no such voice")


class NotSetUp(Prepared):
    use = "filter.not_set_up"

    def create(self, config: Nothing, prepared: None, call: CallContext) -> FrameProcessor:
        return _NotSetUp()


class _NotSetUp(IdentityFilter):
    async def setup(self, setup: FrameProcessorSetup) -> None:  # type: ignore[override]
        await super().setup(setup)
        raise RuntimeError("the provider does not answer")


class NeverStarts(Prepared):
    use = "filter.never_starts"

    def create(self, config: Nothing, prepared: None, call: CallContext) -> FrameProcessor:
        return _NeverStarts()


class _NeverStarts(FrameProcessor):
    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, StartFrame):
            await asyncio.Event().wait()
        await self.push_frame(frame, direction)


class NeverEnds(Prepared):
    use = "filter.never_ends"

    def create(self, config: Nothing, prepared: None, call: CallContext) -> FrameProcessor:
        return _NeverEnds()


class _NeverEnds(FrameProcessor):
    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, EndFrame):
            await asyncio.Event().wait()
        await self.push_frame(frame, direction)


class Overhears(Prepared):
    """Writes down every conversation that the mind is given."""

    use = "filter.overhears"

    def create(self, config: Nothing, prepared: None, call: CallContext) -> FrameProcessor:
        return _Overhears()


class _Overhears(FrameProcessor):
    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, LLMContextFrame):
            messages: list[Any] = list(frame.context.get_messages())
            CONTEXTS.append([message["content"] for message in messages if message["role"] != "system"])
        await self.push_frame(frame, direction)


class GivesUp(Prepared):
    """Works when it is made, and not any more two seconds later."""

    use = "filter.gives_up"

    def create(self, config: Nothing, prepared: None, call: CallContext) -> FrameProcessor:
        return _GivesUp()


class _GivesUp(IdentityFilter):
    def __init__(self, after_s: float = 2.0) -> None:
        super().__init__()
        self._after_s = after_s

    async def setup(self, setup: FrameProcessorSetup) -> None:  # type: ignore[override]
        await super().setup(setup)
        self.create_task(self._give_up(), "gives up")

    async def _give_up(self) -> None:
        await asyncio.sleep(self._after_s)
        await self.push_error("the account is closed", force_treat_as_permanent=True)


class GivesUpSoon(Prepared):
    """Works when it is made, and not any more half a second later."""

    use = "filter.gives_up_soon"

    def create(self, config: Nothing, prepared: None, call: CallContext) -> FrameProcessor:
        return _GivesUp(0.5)


class _Counted(IdentityFilter):
    """How many of it are set up now."""

    now = 0

    async def setup(self, setup: FrameProcessorSetup) -> None:  # type: ignore[override]
        await super().setup(setup)
        _Counted.now += 1

    async def cleanup(self) -> None:
        await super().cleanup()  # type: ignore[no-untyped-call]
        _Counted.now -= 1


class Counts(Prepared):
    use = "filter.counted"

    def create(self, config: Nothing, prepared: None, call: CallContext) -> FrameProcessor:
        return _Counted()


STAGE_TYPES = (NotMade, NotSetUp, NeverStarts, NeverEnds, Overhears, GivesUp, GivesUpSoon, Counts)
OWN = {made.use: made for made in (stage() for stage in STAGE_TYPES)}
STAGES = ChainMap(OWN, Stages())


def spec(answer: str, *uses: str, **configs: dict[str, Any]) -> AssistantSpec:
    parts = {"stt": {"transcripts": ["one", "two", "three", "four"]}, "llm": {"answers": [answer]}} | configs
    made = assistant(limits=LimitsSpec(silence_s=300.0), **parts)
    assert isinstance(made.pipeline, tuple)
    *before, llm, tts = made.pipeline
    extra = [ProcessorSpec(id=use.partition(".")[2], use=use) for use in ("filter.overhears", *uses)]
    return replace(made, pipeline=(*before, *extra, llm, tts))


async def asks(call: Ringing, at: float) -> None:
    await call.until(at)
    await call.caller.speaks(1.0)


async def ended(call: Ringing) -> Any:
    call.session.end("caller_hangup")
    return await call.record()


def states(call: Ringing) -> list[tuple[int, str, int]]:
    return [(status.revision, status.state, status.live_calls) for status in call.supervisor.status()]


@virtual
async def test_what_is_published_while_the_assistant_speaks_answers_the_next_question() -> None:
    CONTEXTS.clear()
    async with ringing(spec("this is a long answer of the first revision"), stages=STAGES) as call:
        await asks(call, 3.0)
        await call.until(6.0)
        await call.publish(spec("of the second"), 2)
        await asyncio.sleep(0.5)
        assert states(call) == [(1, "retiring", 1), (2, "active", 1)], "it is offered, and not taken"
        await call.until(10.0)
        assert states(call) == [(2, "active", 1)], "the former is closed"
        await asks(call, 11.0)
        await call.until(16.0)
        record = await ended(call)
    assert call.said() == ["Welcome to us", "this is a long answer of the first revision", "of the second"]
    assert CONTEXTS[-1] == ["Welcome to us", "one", "this is a long answer of the first revision", "two"]
    assert (record.call.revision, record.revisions, record.errors) == (1, (1, 2), ())
    assert [event.revision for event in call.events if isinstance(event, ChangedOver)] == [2]


@virtual
async def test_a_drained_call_ends_on_what_it_began_with() -> None:
    async with ringing(spec("first"), stages=STAGES) as call:
        await call.until(3.0)
        await call.publish(spec("second"), 2, swap="drain")
        await asks(call, 6.0)
        await call.until(10.0)
        record = await ended(call)
    assert call.said()[-1] == "first"
    assert record.revisions == (1,)


@virtual
async def test_an_ear_that_did_not_change_hears_on_and_another_takes_its_place() -> None:
    async with ringing(spec("first"), stages=STAGES) as call:
        await asks(call, 3.0)
        await call.until(6.0)
        await call.publish(spec("second"), 2)
        await asks(call, 7.0)
        await call.until(10.0)
        await call.publish(spec("third", stt={"transcripts": ["quite another ear"]}), 3)
        await asks(call, 11.0)
        await call.until(15.0)
        record = await ended(call)
    heard = [turn.text for turn in record.turns if turn.role == "caller"]
    assert heard == ["one", "two", "quite another ear"]
    assert record.revisions == (1, 2, 3)


@pytest.mark.parametrize(
    ("use", "why"),
    [
        ("filter.not_made", "no such voice"),
        ("filter.not_set_up", "cannot work"),
        ("filter.never_starts", "not started within"),
    ],
)
def test_what_does_not_work_is_not_taken_and_the_call_goes_on(use: str, why: str) -> None:
    @virtual
    async def run() -> None:
        async with ringing(spec("first"), stages=STAGES) as call:
            await call.until(3.0)
            await call.publish(spec("second", use), 2)
            await asks(call, 4.0)
            await asks(call, 30.0)
            await call.until(35.0)
            assert call.said()[1:] == ["first", "first"]
            await call.publish(spec("third"), 3)
            await asks(call, 40.0)
            await call.until(45.0)
            record = await ended(call)
        assert call.said()[-1] == "third", "a bad one does not spoil the next"
        assert record.revisions == (1, 3)
        (error,) = record.errors
        assert why in error

    run()


@virtual
async def test_what_gives_up_while_the_other_half_takes_over_takes_over_too() -> None:
    """The old ear does not end by itself: a second and more, in which the new mind breaks."""
    before = spec("first")
    vad, *rest = before.pipeline or ()
    before = replace(before, pipeline=(vad, ProcessorSpec(id="stays", use="filter.never_ends"), *rest))
    async with ringing(before, stages=STAGES) as call:
        await asks(call, 3.0)
        await call.until(7.0)
        await call.publish(spec("second", "filter.gives_up_soon", stt={"transcripts": ["another ear"]}), 2)
        await asks(call, 12.0)
        await call.until(17.0)
        record = await ended(call)
    assert [turn.text for turn in record.turns][1:] == ["one", "first", "another ear", "second"]
    assert record.revisions == (1, 2)


@virtual
async def test_what_gives_up_while_it_waits_for_a_silence_is_let_go_whole() -> None:
    """The other half of it, too: the call hears by the ear that it had."""
    _Counted.now = 0
    async with ringing(spec("a long answer of the first revision of all"), stages=STAGES) as call:
        await asks(call, 3.0)
        await call.until(5.0)
        bad = spec("second", "filter.gives_up", "filter.counted", stt={"transcripts": ["another ear"]})
        await call.publish(bad, 2)
        await call.until(5.5)
        assert _Counted.now == 1, "it is made ready while the assistant speaks"
        await asks(call, 12.0)
        await call.until(20.0)
        assert _Counted.now == 0
        record = await ended(call)
    assert [turn.text for turn in record.turns if turn.role == "caller"] == ["one", "two"]
    assert record.revisions == (1,)
    (error,) = record.errors
    assert "the account is closed" in error


@virtual
async def test_former_stages_that_do_not_end_keep_nobody_waiting() -> None:
    async with ringing(spec("first", "filter.never_ends"), stages=STAGES) as call:
        await call.until(3.0)
        await call.publish(spec("second"), 2)
        await asks(call, 8.0)
        await call.until(14.0)
        record = await ended(call)
    assert call.said()[-1] == "second"
    assert record.revisions == (1, 2)


@virtual
async def test_a_call_in_which_somebody_always_speaks_is_changed_over_in_the_end() -> None:
    long = " ".join(["word"] * 200)
    async with ringing(spec(long), stages=STAGES) as call:
        await asks(call, 3.0)
        await call.until(7.0)
        await call.publish(spec("second"), 2)
        await call.until(20.0)
        assert states(call)[0][:2] == (1, "retiring")
        await call.until(45.0)
        assert states(call) == [(2, "active", 1)]
        await asks(call, 80.0)
        await call.until(90.0)
        await ended(call)
    assert call.said()[-1] == "second"


@virtual
async def test_a_call_that_ends_meanwhile_leaves_nothing_held() -> None:
    async with ringing(spec("first"), stages=STAGES) as call:
        await asks(call, 3.0)
        await call.until(4.5)
        await call.publish(spec("second", "filter.never_starts"), 2)
        await call.until(5.0)
        record = await ended(call)
        assert record.revisions == (1,)
    await asyncio.sleep(30)
    assert [task.get_name() for task in asyncio.all_tasks() if "candidate" in task.get_name()] == []


MOMENTS = st.lists(st.tuples(st.floats(0.0, 12.0), st.sampled_from(["turn", "turn", "drain"])), max_size=5)


@pytest.mark.no_cover
@settings(max_examples=30, deadline=None)
@given(MOMENTS, st.floats(1.0, 14.0))
def test_whenever_it_is_published_the_caller_hears_whole_answers_and_nothing_is_left(
    moments: list[tuple[float, str]], ends_at: float
) -> None:
    @virtual
    async def run() -> None:
        async with ringing(spec("answer of 1"), stages=STAGES) as call:

            async def publishing() -> None:
                for number, (at, swap) in enumerate(sorted(moments), start=2):
                    await call.until(at)
                    await call.publish(spec(f"answer of {number}"), number, swap=swap)  # type: ignore[arg-type]

            async def talking() -> None:
                await asks(call, 2.0)
                await asks(call, 7.0)

            working = [asyncio.create_task(publishing()), asyncio.create_task(talking())]
            await call.until(ends_at)
            record = await ended(call)
            for task in working:
                task.cancel()
            await asyncio.gather(*working, return_exceptions=True)
            assert record.errors == ()
            assert list(record.revisions) == sorted(set(record.revisions))
            whole = [f"answer of {number}" for number in range(1, 8)]
            assert all(text in [*whole, "Welcome to us"] for text in call.said()[:-1])
            latest = max((status.revision for status in call.supervisor.status()), default=1)
            live = [status.live_calls for status in call.supervisor.status()]
            assert sum(live) <= 1 + (latest != record.revisions[-1])

    run()
