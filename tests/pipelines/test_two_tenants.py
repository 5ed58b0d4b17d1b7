"""Two tenants with equal stages share what is prepared, and no conversation, result, rendering or figure."""

import asyncio
from collections import ChainMap
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import structlog
from msgspec import Struct, structs
from pipecat.frames.frames import Frame, LLMContextFrame
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from structlog.testing import capture_logs

from base.ids import CallId, TenantId
from knowledge.passages import KnowledgeError, Passage, Retrieval
from pipelines.calls import CallRecord, Found, LiveEvent
from pipelines.outcomes import outcome_of
from pipelines.session import CallSession
from pipelines.spec import LimitsSpec, ProcessorSpec
from pipelines.status import PipelineStatus
from pipelines.supervisor import PipelineSupervisor
from processors.catalog import Stages
from processors.conversation import last_words
from processors.factory import CallContext, ProcessorFactory, Role, StageContext, Workshop
from processors.tts.cache import DiskCache, MemoryCache
from processors.tts.kokoro import KokoroConfig, KokoroTts
from processors.tts.mouth import OwnMouth
from processors.tts.speaker import Speaker
from tests.pipelines.harness import FRONT, Line, a_call, assistant, revision, workshop
from tests.pipelines.transport import MemoryTransport
from tests.pipelines.virtual import LoopClock, virtual
from tests.processors.tts.test_speaker import Humming

ACME = TenantId("0f0f0f0f-0000-4000-8000-00000000000a")
BETA = TenantId("0f0f0f0f-0000-4000-8000-00000000000b")
CALLS = {ACME: CallId("call-a"), BETA: CallId("call-b")}
ANSWERS = {ACME: "We open at eight", BETA: "We open at noon"}
GREETING = "Welcome to us"


class OwnDocuments:
    """Each tenant's answer to everything; of Acme's the second question finds the store away."""

    def __init__(self) -> None:
        self.asked: dict[TenantId, list[str]] = {ACME: [], BETA: []}

    async def retrieve(self, tenant_id: TenantId, query: str, **_: Any) -> Retrieval:
        self.asked[tenant_id].append(query)
        if tenant_id == ACME and "second" in query:
            raise KnowledgeError("the store is away")
        return Retrieval(tuple(await self.passages(tenant_id)), True, 1.0)

    async def passages(self, tenant_id: TenantId) -> list[Passage]:
        answer = ANSWERS[tenant_id]
        return [Passage(id=f"faq#{tenant_id}", document="faq", heading="Hours", question="Hours?", text=answer)]


class AtOnce:
    """Computes where it stands: time here waits for no thread."""

    async def run(self, lane: str, work: Callable[[], Any]) -> Any:
        return work()


class Voice(KokoroTts):
    """The embedded voice with an engine that hums."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder
        self.engine = Humming()
        self.prepared = self.closed = 0

    async def prepare(self, config: KokoroConfig, context: StageContext, workshop: Workshop) -> Speaker:
        self.prepared += 1
        await asyncio.sleep(0.1)
        voice = np.zeros((510, 1, 256), dtype=np.float32)
        return Speaker(
            mouth=OwnMouth(self.engine, {"af_heart": voice}, AtOnce()),
            model="m",
            compute=AtOnce(),
            memory=MemoryCache(),
            disk=DiskCache(self.folder),
        )

    def close(self, prepared: Speaker) -> None:
        self.closed += 1


class Nothing(Struct, frozen=True, forbid_unknown_fields=True):
    pass


class Brittle(ProcessorFactory[Nothing, None]):
    """`filter.brittle`: has a mistake that only one of Acme's calls finds."""

    use = "filter.brittle"
    role = Role.FILTER
    config_type = Nothing

    async def prepare(self, config: Nothing, context: StageContext, workshop: Workshop) -> None:
        return

    def create(self, config: Nothing, prepared: None, call: CallContext) -> FrameProcessor:
        return _Brittle(breaks=call.tenant_id == ACME)


class _Brittle(FrameProcessor):
    def __init__(self, *, breaks: bool) -> None:
        super().__init__()
        self._breaks = breaks

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if self._breaks and isinstance(frame, LLMContextFrame) and "third" in last_words(frame.context):
            await self.push_error("a mistake")
        await self.push_frame(frame, direction)


class House:
    """A supervisor with both tenants, and a call of each."""

    def __init__(self, folder: Path) -> None:
        self.library = OwnDocuments()
        self.voice = Voice(folder)
        stages = ChainMap({"tts.kokoro": self.voice, "filter.brittle": Brittle()}, Stages())
        lent = workshop()
        lent = Workshop(
            clock=lent.clock,
            models=lent.models,
            library=self.library,
            data_dir=folder,
            secret=lent.secret,
            compute=AtOnce(),
        )
        self.supervisor = PipelineSupervisor(lent, stages)
        self.events: list[LiveEvent] = []
        self.sessions: dict[TenantId, CallSession] = {}

    async def publish(self, *tenants: TenantId) -> None:
        heard = ["what about the first", "what about the second", "what about the third"]
        spec = assistant(limits=LimitsSpec(silence_s=300.0), stt={"transcripts": heard})
        uses = ("vad.mock", "stt.mock", "filter.brittle", "rag.retrieve", "llm.grounded", "tts.kokoro")
        given = {node.id: node.config for node in spec.pipeline or ()}
        nodes = [
            ProcessorSpec(id=kind, use=use, config=given[kind] if kind in ("vad", "stt") else {})
            for use in uses
            for kind in [use.partition(".")[0]]
        ]
        spec = structs.replace(spec, pipeline=tuple(nodes))

        async def load(tenant_id: TenantId) -> None:
            whole = structs.replace(revision(spec, tenant_id=tenant_id), slug=f"slug-{tenant_id[-1]}")
            self.supervisor.activate(await self.supervisor.load(whole))

        await asyncio.gather(*map(load, tenants))
        await self.supervisor.rehearsed()

    async def call(self, tenant_id: TenantId, ends_at: float) -> CallRecord:
        """The caller asks three times and hangs up; counted as the phone door does."""
        transport, began = MemoryTransport(), asyncio.get_running_loop().time()
        async with self.supervisor.lease(tenant_id, FRONT) as lease:
            call = structs.replace(a_call(LoopClock().now()), id=CALLS[tenant_id], tenant_id=tenant_id)
            session = self.sessions[tenant_id] = CallSession(
                call, lease, transport, Line(), self.events.append, LoopClock(), sample_rate=8000
            )
            running = asyncio.create_task(session.run())
            for at in (3.0, 9.0, 15.0):
                await asyncio.sleep(began + at - asyncio.get_running_loop().time())
                await transport.caller.speaks(1.0)
            await asyncio.sleep(began + ends_at - asyncio.get_running_loop().time())
            session.end("caller_hangup")
            record = await running
            failure = lease.pipeline.persona.texts["failure"]
            self.supervisor.count(lease, outcome_of(record, failure, lease.stage_errors, lease.held_requests))
        return record

    def status(self, tenant_id: TenantId) -> PipelineStatus:
        [found] = [status for status in self.supervisor.status() if status.tenant_id == tenant_id]
        return found


@asynccontextmanager
async def house(folder: Path) -> AsyncIterator[House]:
    home = House(folder)
    try:
        yield home
    finally:
        await home.supervisor.close()


def said(record: CallRecord) -> list[str]:
    return [turn.text for turn in record.turns if turn.role == "assistant"]


def files(folder: Path) -> set[str]:
    return {file.name for file in folder.rglob("*.flac")}


@virtual
async def test_what_is_prepared_is_shared_and_each_call_is_its_own_tenants(tmp_path: Path) -> None:
    async with house(tmp_path) as home:
        await home.publish(ACME, BETA)
        with capture_logs(processors=[structlog.contextvars.merge_contextvars]) as logs:
            records = dict(
                zip((ACME, BETA), await asyncio.gather(home.call(ACME, 24.0), home.call(BETA, 24.0)), strict=True)
            )
        assert home.voice.prepared == 1
        for tenant_id in (ACME, BETA):
            shared = {stage.id: stage.shared_by for stage in home.status(tenant_id).assistants[0].stages}
            assert shared == {"vad": 2, "stt": 2, "filter": 2, "rag": 1, "llm": 1, "tts": 2}

        # Retrieval: each in its own documents, and told live of its own call alone.
        questions = [f"what about the {nth}" for nth in ("first", "second", "third")]
        for tenant_id, asked in home.library.asked.items():
            assert asked[1:] == questions, "the first was asked to warm up"
            found = {
                event.text for event in home.events if isinstance(event, Found) and event.call_id == CALLS[tenant_id]
            }
            assert found == {ANSWERS[tenant_id]}

        # Conversations and records.
        for tenant_id, other in ((ACME, BETA), (BETA, ACME)):
            conversation = str(home.sessions[tenant_id].messages)
            assert ANSWERS[tenant_id] in conversation
            assert ANSWERS[other] not in conversation + str(records[tenant_id].turns)
        assert said(records[BETA]) == [GREETING, *[ANSWERS[BETA]] * 3]
        assert said(records[ACME])[:2] == [GREETING, ANSWERS[ACME]]
        assert "Something went wrong" in said(records[ACME])

        # Status and figures: Acme's mistakes are Acme's.
        errors = {id_: sum(stage.errors for stage in home.status(id_).assistants[0].stages) for id_ in (ACME, BETA)}
        assert errors == {ACME: 1, BETA: 0}
        counted = {id_: (home.status(id_).outcomes.calls, home.status(id_).outcomes.failed) for id_ in (ACME, BETA)}
        assert counted == {ACME: (1, 1), BETA: (1, 0)}
        assert (records[ACME].errors != (), records[BETA].errors) == (True, ())

        # Every line that is told of a call has that call's tenant.
        labels = {(line["call"], line["tenant"]) for line in logs if "call" in line}
        assert labels == {(CALLS[ACME], ACME), (CALLS[BETA], BETA)}
        assert [line["tenant"] for line in logs if line["event"] == "retrieval failed"] == [ACME]
        assert not any(answer in str(logs) for answer in ANSWERS.values())


@virtual
async def test_a_sentence_that_both_say_is_rendered_and_kept_for_each(tmp_path: Path) -> None:
    async with house(tmp_path) as home:
        await home.publish(ACME)
        assert home.voice.engine.rendered.count(GREETING) == 1
        first = files(tmp_path / ACME)
        assert first
        await home.publish(BETA)
        assert home.voice.engine.rendered.count(GREETING) == 2, "what one has rendered tells the other nothing"
        assert not first & files(tmp_path / BETA)
        assert files(tmp_path / ACME) == first
        assert files(tmp_path) == files(tmp_path / ACME) | files(tmp_path / BETA)


@virtual
async def test_one_tenants_end_takes_nothing_from_the_other(tmp_path: Path) -> None:
    async with house(tmp_path) as home:
        await home.publish(ACME, BETA)
        calling = asyncio.create_task(home.call(BETA, 24.0))
        await asyncio.sleep(5.0)
        await home.supervisor.unload(ACME)
        assert home.voice.closed == 0
        assert said(await calling) == [GREETING, *[ANSWERS[BETA]] * 3]
        assert home.status(BETA).assistants[0].stages[-1].shared_by == 1
    assert (home.voice.prepared, home.voice.closed) == (1, 1)
