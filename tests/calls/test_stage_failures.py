"""Stages that raise, hang or never start: the caller is told or handed on, the row says why, other calls go on."""

import asyncio
from collections import ChainMap
from typing import Any

import pytest
from msgspec import Struct
from pipecat.frames.frames import DataFrame, Frame, LLMContextFrame, StartFrame, TranscriptionFrame
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor, FrameProcessorSetup

from control.peer import HangUp, Say, Script, Wait
from processors.catalog import Stages
from processors.factory import CallContext, PrepareError, ProcessorFactory, Role, StageContext, Workshop
from tests.calls.callers import SPEECH, STAYS, asks, document, hears, tenant
from tests.calls.evening import Evening
from tests.calls.house import Rung, house

pytestmark = pytest.mark.asyncio(loop_scope="module")

SORRY = "Something went wrong"
ANSWER = "You asked: What are your opening hours?"


FLOOD = 300
"""Frames out of one."""


class BrokenConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """Where it breaks."""

    at: str


class Broken(FrameProcessor):
    """Fails where it was told to, as a stage with a bug would."""

    def __init__(self, at: str) -> None:
        super().__init__()
        if at == "create":
            raise RuntimeError("a bug in create")
        self._at = at

    async def setup(self, setup: FrameProcessorSetup) -> None:
        await super().setup(setup)
        await self._fail("setup")

    async def cleanup(self) -> None:
        await super().cleanup()
        await self._fail("cleanup")

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, StartFrame):
            await self._fail("start")
            if self._at == "swallowed start":
                return
        await self._fail("every frame")
        if self._at == "flood" and isinstance(frame, TranscriptionFrame | LLMContextFrame):
            for _ in range(FLOOD):
                await self.push_frame(DataFrame(), direction)
        await self.push_frame(frame, direction)

    async def _fail(self, here: str) -> None:
        if self._at == here:
            raise RuntimeError(f"a bug in {here}")
        if self._at == f"hanging {here}":
            await asyncio.Event().wait()


class BrokenFilter(ProcessorFactory[BrokenConfig, None]):
    """`filter.broken`"""

    use = "filter.broken"
    role = Role.FILTER
    config_type = BrokenConfig

    async def prepare(self, config: BrokenConfig, context: StageContext, workshop: Workshop) -> None:
        if config.at == "prepare":
            raise RuntimeError("a bug in prepare")

    def create(self, config: BrokenConfig, prepared: None, call: CallContext) -> Broken:
        return Broken(config.at)


STAGES = ChainMap({"filter.broken": BrokenFilter()}, Stages())
evening = Evening(stages=STAGES)
calls = evening.fixture()


def broken(at: str) -> dict[str, Any]:
    return {"extra": [{"id": "broken", "use": "filter.broken", "config": {"at": at}}]}


def handed_on(call: Rung) -> None:
    """To the dialplan's fall-back, answered, and written down as a failure that is explained."""
    assert (call.result.ended_by, call.result.door, call.result.answered) == ("dialplan", "failed", True)
    assert (call.record.end_reason, call.record.hangup_cause) == ("failure", "")


ONCE = {
    f"{stage} {failure}": {
        stage: {"failure": failure, "fail_on": [1 if stage == "tts" else 0]},
        "limits": {"answer_timeout_s": 1},
    }
    for stage in ("stt", "llm", "tts")
    for failure in ("raises", "hangs")
    if (stage, failure) != ("stt", "hangs")
}
"""The voice's second sentence is the first answer."""


@evening.callers(asks(SPEECH, SPEECH), ONCE)
def test_one_failure_is_apologised_for_and_the_call_goes_on(call: Rung, case: str) -> None:
    assert call.heard() == ["Welcome to us", SORRY, ANSWER]
    assert (call.record.end_reason, call.result.ended_by) == ("caller_hangup", "caller")
    if case.endswith("raises"):
        assert "told to fail" in call.record.errors[0]


ALWAYS = {
    f"{stage} {failure}": {stage: {"failure": failure}, "limits": {"answer_timeout_s": 1}}
    for stage in ("llm", "tts")
    for failure in ("raises", "hangs")
} | {"stt raises": {"stt": {"failure": "raises"}}}


@evening.callers(Script(steps=(hears(limit_s=2.5), Say(SPEECH), hears(), Say(SPEECH), STAYS), limit_s=25), ALWAYS)
def test_the_second_failure_in_a_row_hands_the_caller_on(call: Rung, case: str) -> None:
    handed_on(call)
    assert call.heard() == ([] if case.startswith("tts") else ["Welcome to us", SORRY])
    assert bool(call.record.errors) == case.endswith("raises")


@evening.caller(
    Script(steps=(hears(), Say(SPEECH), STAYS), limit_s=25),
    stt={"failure": "hangs"}, limits={"silence_s": 1, "reprompts": 1},
)  # fmt: skip
def test_a_recogniser_that_hangs_is_a_caller_who_is_not_understood(call: Rung) -> None:
    assert call.heard() == ["Welcome to us", "Are you there", "Good bye then"]
    assert call.result.ended_by == "service"
    assert call.record.end_reason == "silence"


PLACES = ("create", "setup", "start", "every frame", "swallowed start", "hanging start", "hanging setup")


@evening.callers(Script(steps=(STAYS,), limit_s=25), {place: broken(place) for place in PLACES})
def test_a_stage_that_does_not_start_hands_the_caller_on(call: Rung, case: str) -> None:
    handed_on(call)
    assert call.heard() == []
    assert call.record.errors
    assert call.result.ended_ms < 11_500


@evening.callers(asks(SPEECH), {place: broken(place) for place in ("cleanup", "hanging cleanup")})
def test_a_stage_that_does_not_end_keeps_nobody_waiting(call: Rung, case: str) -> None:
    assert call.heard() == ["Welcome to us", ANSWER]
    assert call.record.end_reason == "caller_hangup"


@evening.caller(
    Script(steps=(hears(), Say(SPEECH), STAYS), limit_s=25),
    llm={"failure": "stubborn", "stubborn_s": 12.0}, limits={"answer_timeout_s": 1},
)  # fmt: skip
def test_a_stage_that_ignores_its_cancellation_keeps_nobody_waiting(call: Rung) -> None:
    handed_on(call)
    assert call.result.ended_ms < 8000, "the caller is handed on before the stage has ended"
    assert any("did not stop in time" in error for error in call.record.errors)


@evening.caller(asks(SPEECH, SPEECH), **broken("flood"))
def test_a_stage_that_floods_the_pipeline_is_survived(call: Rung) -> None:
    assert call.heard() == ["Welcome to us", ANSWER, ANSWER]
    assert (call.record.end_reason, call.record.errors) == ("caller_hangup", ())


@evening.caller(asks(SPEECH))
def test_other_calls_go_on_meanwhile(call: Rung) -> None:
    assert call.heard() == ["Welcome to us", ANSWER]
    assert call.record.errors == ()
    assert call.result.downlink.longest_gap_ms < 200


async def test_a_call_in_which_a_stage_failed_counts_against_its_revision() -> None:
    parts: Any = {"llm": {"failure": "raises", "fail_on": [0]}, "limits": {"answer_timeout_s": 1}}
    async with house(document(**parts)) as home:
        assert (await home.call(asks(SPEECH))).heard()[-1] == SORRY
        await home.call(Script(steps=(hears(), HangUp()), limit_s=10))
        [revision] = home.supervisor.status()
    assert (revision.outcomes.calls, revision.outcomes.failed) == (2, 1)


async def test_what_cannot_be_prepared_is_not_published_and_the_former_answers() -> None:
    async with house(document(), stages=STAGES) as home:
        for parts in (broken("prepare"), {"llm": {"failure": "prepare"}}, {"tts": {"failure": "prepare"}}):
            with pytest.raises(PrepareError):
                await home.publish(document(**parts))
        with pytest.raises(PrepareError):
            await home.publish(document("second", tenant_id=tenant(2), number="200", **broken("prepare")))
        call = await home.call(Script(steps=(hears(), HangUp()), limit_s=10))
        assert call.heard() == ["Welcome to us"]
        assert call.record.call.revision == 1


async def test_who_hangs_up_on_a_hanging_stage_leaves_nothing_behind() -> None:
    stages = ("stt", "llm", "tts")
    raws = [
        document(f"t{n}", tenant_id=tenant(n), number=str(n), **{stages[n]: {"failure": "hangs"}}) for n in range(3)
    ]
    async with house(*raws) as home:

        async def leaves(place: int, after_s: float) -> None:
            script = Script(steps=(hears(limit_s=0.5), Say(SPEECH), Wait(after_s), HangUp()), limit_s=20)
            call = await home.call(script, home.dialed(str(place), tenant_id=tenant(place)))
            assert (call.record.end_reason, call.record.errors) == ("caller_hangup", ()), stages[place]

        await asyncio.gather(*(leaves(place, after_s) for place in range(3) for after_s in (0.0, 0.2, 1.2, 2.2)))
