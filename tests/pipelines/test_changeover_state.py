"""What stages know of a call goes with it when it changes over, and they tell their mistakes where they work."""

from collections import ChainMap
from typing import Any

from msgspec import Struct, structs
from pipecat.frames.frames import Frame, STTUpdateSettingsFrame, TTSUpdateSettingsFrame
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor

from pipelines.spec import AssistantSpec, LimitsSpec
from pipelines.status import StageStatus
from processors.catalog import Stages
from processors.factory import CallContext, ProcessorFactory, Role, StageContext, Workshop
from processors.frames import LanguageFrame
from tests.pipelines.harness import Ringing, assistant, ringing
from tests.pipelines.test_filters import press, said, with_filter
from tests.pipelines.transport import HoldingTransport
from tests.pipelines.virtual import virtual

EN = ("what are your opening hours", "do you take my insurance")
PT = "quero marcar uma consulta amanhã"
OTHER_EAR = {"latency_s": 0.01}
"""Another setting of the recogniser: the ear is exchanged with the mind."""


class WatcherConfig(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Whose frames these are."""

    name: str


class Watcher(ProcessorFactory[WatcherConfig, None]):
    """`filter.watcher`: what of a language it is told, and how it fails when it hears a word of it."""

    use = "filter.watcher"
    role = Role.FILTER
    config_type = WatcherConfig

    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []

    async def prepare(self, config: WatcherConfig, context: StageContext, workshop: Workshop) -> None:
        return

    def create(self, config: WatcherConfig, prepared: None, call: CallContext) -> FrameProcessor:
        return _Watching(config.name, self.told)


class _Watching(FrameProcessor):
    def __init__(self, called: str, told: list[tuple[str, str]]) -> None:
        super().__init__()
        self._called, self._told = called, told

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, LanguageFrame):
            self._told.append((self._called, frame.language))
        elif isinstance(frame, STTUpdateSettingsFrame | TTSUpdateSettingsFrame) and frame.delta is not None:
            self._told.append((self._called, f"{type(frame).__name__[:3]} {frame.delta.language}"))
        await self.push_frame(frame, direction)


def talks(answer: str, *, stt: dict[str, Any] | None = None, **parts: Any) -> AssistantSpec:
    return assistant(limits=LimitsSpec(silence_s=300.0), stt=stt or {}, llm={"answers": [answer]}, **parts)


async def asks(call: Ringing, *at: float) -> None:
    for second in at:
        await call.until(second)
        await call.caller.speaks(1.0)


@virtual
async def test_the_language_that_was_found_goes_with_the_call_and_the_new_stages_are_told() -> None:
    """Whether the ear stays or is exchanged; the new mind is new in any case."""
    watcher = Watcher()
    stages = ChainMap({watcher.use: watcher}, Stages())

    def spec(name: str, more: dict[str, Any], languages: list[str]) -> AssistantSpec:
        transcripts = {"transcripts": [*EN, EN[0]], **more}
        heard = with_filter(talks(name, stt=transcripts), "stt", "filter.language", languages=languages)
        heard = structs.replace(heard, language="pt-BR")
        return with_filter(heard, "language", watcher.use, name=name)

    async with ringing(spec("first", {}, ["en-GB"]), stages=stages) as call:
        await asks(call, 3.0, 7.0)
        await call.until(10.0)
        assert watcher.told == [("first", "TTS en-GB"), ("first", "en-GB")]
        await call.publish(spec("kept ear", {}, ["en-GB"]), 2)
        await call.until(14.0)
        assert watcher.told[2:] == [("kept ear", "TTS en-GB"), ("kept ear", "en-GB")]
        await call.publish(spec("new ear", OTHER_EAR, ["en-US"]), 3)
        await call.until(18.0)
        assert watcher.told[4:] == [("new ear", "TTS en-US"), ("new ear", "en-US")]
        await call.publish(spec("no such language", OTHER_EAR, ["es"]), 4)
        await call.until(22.0)
        assert watcher.told[6:] == [], "what is not among the languages is not followed"
        await said(call)


@virtual
async def test_an_utterance_before_the_change_and_one_behind_it_make_the_language_sure() -> None:
    watcher = Watcher()
    stages = ChainMap({watcher.use: watcher}, Stages())

    def spec(name: str, **stt: Any) -> AssistantSpec:
        heard = with_filter(talks(name, stt=stt), "stt", "filter.language")
        return with_filter(structs.replace(heard, language="pt-BR"), "language", watcher.use, name=name)

    async with ringing(spec("first", transcripts=[EN[0]]), stages=stages) as call:
        await asks(call, 3.0)
        await call.until(6.0)
        await call.publish(spec("second", transcripts=[EN[1]]), 2)
        await asks(call, 10.0)
        await call.until(14.0)
        await said(call)
    assert watcher.told == [("second", "TTS en"), ("second", "en")]


@virtual
async def test_a_number_that_is_half_typed_is_completed_behind_the_change() -> None:
    def spec(answer: str, **config: Any) -> AssistantSpec:
        return with_filter(talks(answer, stt=config), "stt", "filter.dtmf", timeout_s=20.0)

    async with ringing(spec("first")) as call:
        await call.until(3.0)
        await press(call, "12")
        await call.until(4.0)
        await call.publish(spec("second", **OTHER_EAR), 2)
        await call.until(8.0)
        await press(call, "34#")
        await call.until(12.0)
        assert (await said(call))[1:] == [("caller", "I typed 1234."), ("assistant", "second")]


@virtual
async def test_a_number_that_nobody_completes_behind_the_change_is_complete_after_its_time() -> None:
    def spec(answer: str, **config: Any) -> AssistantSpec:
        return with_filter(talks(answer, stt=config), "stt", "filter.dtmf", timeout_s=10.0)

    async with ringing(spec("first")) as call:
        await call.until(3.0)
        await press(call, "12")
        await call.publish(spec("second", **OTHER_EAR), 2)
        await call.until(8.0)
        assert call.said() == ["Welcome to us"]
        await call.until(18.0)
        assert (await said(call))[1:] == [("caller", "I typed 12."), ("assistant", "second")]


@virtual
async def test_a_number_stays_with_the_stage_whose_id_it_was_typed_for() -> None:
    async with ringing(with_filter(talks("first"), "stt", "filter.dtmf", timeout_s=20.0)) as call:
        await call.until(3.0)
        await press(call, "12")
        await call.until(4.0)
        renamed = with_filter(talks("second", stt=OTHER_EAR), "stt", "filter.dtmf", timeout_s=20.0)
        nodes = [structs.replace(node, id="keys") if node.id == "dtmf" else node for node in renamed.pipeline or ()]
        await call.publish(structs.replace(renamed, pipeline=tuple(nodes)), 2)
        await call.until(8.0)
        await press(call, "34#")
        await call.until(12.0)
        told = await said(call)
    assert ("caller", "I typed 34.") in told


@virtual
async def test_the_echo_of_what_was_said_before_the_change_is_no_turn_behind_it() -> None:
    greeting = "one two three four five six seven eight"

    def spec(heard: str, **config: Any) -> AssistantSpec:
        made = talks("Yes", stt={"transcripts": [heard], **config})
        made = structs.replace(made, texts=structs.replace(made.texts, greeting=greeting))
        return with_filter(made, "stt", "filter.echo", tail_s=10.0)

    async with ringing(spec("nothing"), transport=HoldingTransport()) as call:
        await call.until(3.0)
        await call.publish(spec("three four five six seven", **OTHER_EAR), 2)
        await call.until(5.0)
        await call.caller.speaks(0.4)
        await call.until(12.0)
        call.session.end("caller_hangup")
        record = await call.record()
    assert record.revisions == (1, 2)
    assert [(turn.role, turn.text) for turn in record.turns] == [("assistant", greeting)]


def stage(call: Ringing, number: int, name: str) -> StageStatus:
    [revision] = [status for status in call.supervisor.status() if status.revision == number]
    [found] = [stage for stage in revision.assistants[0].stages if stage.id == name]
    return found


@virtual
async def test_an_ear_that_stays_tells_its_mistakes_to_the_revision_that_answers() -> None:
    failing = {"transcripts": ["hello there"], "failure": "raises", "fail_on": [1]}
    async with ringing(talks("first", stt=failing)) as call:
        await asks(call, 3.0)
        await call.until(6.0)
        await call.publish(talks("second", stt=failing), 2)
        await asks(call, 10.0)
        await call.until(14.0)
        told = stage(call, 2, "stt")
        call.session.end("caller_hangup")
        record = await call.record()
    assert record.revisions == (1, 2)
    assert (told.errors, "told to fail in turn 1" in told.last_error) == (1, True)
