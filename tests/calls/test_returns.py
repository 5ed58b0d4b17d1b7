"""A caller who was given to a person comes back when that person hangs up, and nothing is forgotten."""

import asyncio
import uuid
from collections import ChainMap
from collections.abc import Mapping
from typing import Any

from msgspec import Struct, structs
from pipecat.frames.frames import (
    Frame,
    LLMContextFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
)
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor

from base.ids import CallId
from control.headroom import LOOKS, Reading
from control.peer import Callee, HangUp, Say, Script, Wait
from pipelines.calls import CallRecord, ChangedOver, Said
from processors.catalog import Stages
from processors.factory import CallContext, ProcessorFactory, Role, StageContext, Workshop
from processors.frames import AnsweredFrame, CallRequestFrame
from tests.calls.callers import SPEECH, document, hears
from tests.calls.house import House, Rung, house
from tests.pipelines.virtual import eventually
from transports.freeswitch.words import WIRE_VARIABLE, WIRES

BACK = "There you are again"
COMPANY: Mapping[str, Any] = {
    "transfer": {"to": "200", "ring_s": 5, "returns": True},
    "texts": {"back": BACK},
}
AT_200 = "user/200@us.example.net"


class NoConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """Nothing to configure."""


class Counting(FrameProcessor):
    """Says how often the caller has asked in this conversation, and calls a person at the first and second time."""

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if not isinstance(frame, LLMContextFrame) or direction is not FrameDirection.DOWNSTREAM:
            await self.push_frame(frame, direction)
            return
        asked = sum(isinstance(m, dict) and m["role"] == "user" for m in frame.context.get_messages())
        words = f"You asked {asked} times"
        for said in (AnsweredFrame(), LLMFullResponseStartFrame(), LLMTextFrame(words), LLMFullResponseEndFrame()):
            await self.push_frame(said)
        if asked <= 2:
            await self.push_frame(CallRequestFrame(request="operator"))


class CountingMind(ProcessorFactory[NoConfig, None]):
    """`llm.mock`"""

    use = "llm.mock"
    role = Role.LLM
    config_type = NoConfig

    async def prepare(self, config: NoConfig, context: StageContext, workshop: Workshop) -> None:
        return None

    def create(self, config: NoConfig, prepared: None, call: CallContext) -> Counting:
        return Counting()


def open_house(callee: Callee, **parts: Any) -> Any:
    stages = ChainMap({"llm.mock": CountingMind()}, Stages())
    return house(document(**COMPANY | parts), stages=stages, callees={AT_200: callee})


def parts_of(home: House, rung: Rung) -> list[CallRecord]:
    """The records of one channel, in order."""
    found, call_id = [], rung.record.call.id
    while call_id in home.log.records:
        found += home.log.records[call_id]
        call_id = CallId(str(uuid.uuid5(uuid.UUID(call_id), "back")))
    return found


def heard(record: CallRecord) -> list[str]:
    return [turn.text for turn in record.turns if turn.role == "assistant"]


TALKS = (Say(SPEECH), hears(), Wait(1.5), hears())
"""Is given to a person, and back."""


async def test_a_process_that_drains_still_has_those_who_come_back_to_it() -> None:
    async with open_house(Callee(rings_s=0.3, talks_s=0.5)) as home:
        call = home.dial(Script(steps=(hears(), *TALKS, HangUp())), home.dialed())
        ringing = asyncio.create_task(home.ring(call))
        await eventually(lambda: call.machine.legs.bridged, 15)
        home.phone.drain()
        refused = await home.call(Script(steps=(Wait(1),)), home.dialed())
        assert (refused.result.door, refused.result.answered) == ("busy", False)
        rung = await ringing
        assert rung.result.doors == ("again",)
        assert [heard(record)[0] for record in parts_of(home, rung)] == ["Welcome to us", BACK]


async def test_the_conversation_goes_on_on_every_wire() -> None:
    async with open_house(Callee(rings_s=0.3, talks_s=0.5)) as home:
        script = Script(steps=(hears(), *TALKS, *TALKS, Say(SPEECH), hears(), HangUp()))
        calls = (home.call(script, home.dialed(variables={WIRE_VARIABLE: wire})) for wire in WIRES)
        for rung in await asyncio.gather(*calls):
            assert (rung.result.doors, rung.result.hazards) == (("again", "again"), ())
            first, second, third = parts_of(home, rung)
            assert heard(first) == ["Welcome to us", "You asked 1 times"]
            assert heard(second) == [BACK, "You asked 2 times"]
            assert heard(third) == [BACK, "You asked 3 times"]
            assert [part.end_reason for part in (first, second, third)] == ["operator", "operator", "caller_hangup"]
            assert all(part.errors == () for part in (first, second, third))
        assert len(home.phone._conversations) == 0
        assert home.media_server.open_sockets == 0


async def test_who_comes_back_is_taken_though_there_is_no_room_for_others() -> None:
    async with open_house(Callee(rings_s=0.3, talks_s=0.8)) as home:
        calling = asyncio.create_task(home.call(Script(steps=(hears(), *TALKS, HangUp()))))
        await eventually(lambda: len(home.phone._conversations) == 1)
        for at in range(LOOKS):
            home.phone.headroom.saw(Reading(at=float(at), live_calls=1, lateness_ms=50.0))
        other = await home.call(Script(steps=(hears(), HangUp()), limit_s=10))
        assert (other.result.door, other.found) == ("busy", None)
        first, second = parts_of(home, await calling)
        assert (first.end_reason, heard(second)) == ("operator", [BACK])


async def test_what_was_published_while_the_call_lives_says_whether_the_caller_comes_back() -> None:
    """The PBX reads the revision that the call ran on from the channel, whoever hangs up."""
    stays: dict[str, Any] = {"to": "200", "ring_s": 5}
    async with open_house(Callee(rings_s=0.3, talks_s=0.5), transfer=stays) as home:
        dialed = home.dial(Script(steps=(hears(), Wait(1.5), *TALKS, HangUp())))
        calling = asyncio.create_task(home.ring(dialed))
        await eventually(lambda: any(isinstance(event, Said) for event in home.events))
        assert dialed.machine.channel.variables.as_dict()["atende_revision"] == "1"
        assert await home.publish(document(**COMPANY), swap="turn") == 2
        await eventually(lambda: any(isinstance(event, ChangedOver) for event in home.events))
        await eventually(lambda: dialed.machine.channel.variables.as_dict()["atende_revision"] == "2")
        rung = await calling
        first, second = parts_of(home, rung)
        assert (rung.result.doors, heard(second)) == (("again",), [BACK])
        assert (first.call.revision, first.revisions, second.call.revision) == (1, (1, 2), 2)


async def test_a_caller_who_leaves_while_he_talks_to_the_person_has_one_record() -> None:
    async with open_house(Callee(rings_s=0.3, talks_s=None)) as home:
        rung = await home.call(Script(steps=(hears(), Say(SPEECH), hears(), Wait(1.5), HangUp())))
        assert (rung.result.ended_by, rung.result.hazards) == ("caller", ())
        [record] = parts_of(home, rung)
        assert record.end_reason == "operator"
        assert len(home.phone._conversations) == 1, "until it is too old"


async def test_a_service_that_was_started_anew_greets_and_keeps_a_record_of_its_own() -> None:
    async with open_house(Callee(rings_s=0.3, talks_s=0.5)) as home:
        home.phone._conversations.take = lambda _: None  # type: ignore[method-assign]
        rung = await home.call(Script(steps=(hears(), *TALKS, HangUp())))
        first, second = (records[0] for records in home.log.records.values())
        assert first.call.id == rung.result.call_id
        assert (heard(second), second.end_reason) == (["Welcome to us"], "caller_hangup")


async def test_where_the_dialplan_has_no_name_nobody_comes_back_and_nothing_else_is_lost() -> None:
    async with open_house(Callee(rings_s=0.3, talks_s=0.5)) as home:
        dialed = structs.replace(home.dialed(), context="${domain_name}")
        rung = await home.call(Script(steps=(hears(), *TALKS)), dialed)
        assert (rung.result.ended_by, rung.result.doors) == ("leg", ())
        assert (rung.record.end_reason, rung.record.errors) == ("operator", ())
        assert len(home.phone._conversations) == 0
