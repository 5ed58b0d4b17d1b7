"""What answers, what is going, what is counted; in every order of events."""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Struct
from pipecat.processors.frame_processor import FrameProcessor

from base.ids import AssistantName, TenantId
from pipelines.leases import Lease
from pipelines.loaded import LoadedRevision
from pipelines.outcomes import CanaryPolicy, Outcome
from pipelines.problems import SpecError
from pipelines.revision import PipelineRevision
from pipelines.spec import AssistantSpec, LimitsSpec, ProcessorSpec
from pipelines.supervisor import (
    AssistantUnknownError,
    CapacityError,
    NoCanaryError,
    PipelineSupervisor,
    Swap,
    TenantUnknownError,
)
from processors.catalog import AnyFactory
from processors.factory import CallContext, PrepareError, ProcessorFactory, Role, StageContext, Workshop
from tests.pipelines.harness import FRONT, TENANT, workshop
from tests.pipelines.virtual import virtual

OTHER = TenantId("0f0f0f0f-0000-4000-8000-000000000002")


class Config(Struct, frozen=True):
    model: str = "m"
    prepare_s: float = 0.0
    sentence_s: float = 0.01
    fails: bool = False


class Model:
    def __init__(self, name: str) -> None:
        self.name = name
        self.open = True
        self.rehearsed: list[str] = []
        self.calls = 0


class Stage(ProcessorFactory[Config, Model]):
    """Remembers every model it made."""

    config_type = Config

    def __init__(self, role: Role, faq: Sequence[str] = ()) -> None:
        self.role = role
        self.use = f"{role.value}.x"
        self.faq = faq
        self.made: list[Model] = []

    async def prepare(self, config: Config, context: StageContext, workshop: Workshop) -> Model:
        await asyncio.sleep(config.prepare_s)
        if config.fails:
            raise PrepareError(f"no model {config.model!r}; run `models pull`")
        self.made.append(Model(config.model))
        return self.made[-1]

    async def says(self, config: Config, prepared: Model, context: StageContext) -> Sequence[str]:
        assert prepared.open
        return self.faq

    async def rehearse(
        self,
        config: Config,
        prepared: Model,
        context: StageContext,
        sentences: Sequence[str],
        progress: Callable[[int, int], None],
    ) -> None:
        for done, sentence in enumerate(sentences, start=1):
            await asyncio.sleep(config.sentence_s)
            assert prepared.open
            prepared.rehearsed.append(sentence)
            progress(done, len(sentences))

    def create(self, config: Config, prepared: Model, call: CallContext) -> FrameProcessor | None:
        assert prepared.open
        prepared.calls += 1
        return None

    async def close(self, prepared: Model) -> None:
        await asyncio.sleep(0.05)
        assert prepared.open, "closed twice"
        prepared.open = False


class House:
    """A supervisor with stages that can be looked at."""

    def __init__(self, faq: Sequence[str] = (), **how: Any) -> None:
        self.llm = Stage(Role.LLM, faq)
        self.tts = Stage(Role.TTS)
        stages: dict[str, AnyFactory] = {
            stage.use: stage for stage in (Stage(Role.VAD), Stage(Role.STT), self.llm, self.tts)
        }
        self.stages = [stage for stage in stages.values() if isinstance(stage, Stage)]
        self.supervisor = PipelineSupervisor(workshop(), stages, prepare_timeout_s=60.0, **how)

    @property
    def open(self) -> int:
        return sum(model.open for stage in self.stages for model in stage.made)

    async def put(self, number: int, tenant_id: TenantId = TENANT, **config: Any) -> LoadedRevision:
        loaded = await self.supervisor.load(document(number, tenant_id, **config))
        self.supervisor.activate(loaded)
        return loaded


def document(
    number: int, tenant_id: TenantId = TENANT, limit: int = 10, voice: dict[str, Any] | None = None, **llm: Any
) -> PipelineRevision:
    configs = {"llm": llm, "tts": voice or {}}
    nodes = tuple(
        ProcessorSpec(id=kind, use=f"{kind}.x", config=configs.get(kind, {})) for kind in ("vad", "stt", "llm", "tts")
    )
    front = AssistantSpec(name=FRONT, numbers=("100",), limits=LimitsSpec(max_concurrent_calls=limit), pipeline=nodes)
    return PipelineRevision(
        tenant_id=tenant_id,
        slug=f"slug-{tenant_id[-1]}",
        company="Us",
        language="en",
        number=number,
        digest=str(number),
        assistants=(front,),
    )


@virtual
async def test_a_call_keeps_the_revision_it_began_with() -> None:
    house = House()
    await house.put(1, model="one")
    async with house.supervisor.lease(TENANT, FRONT) as first:
        await house.put(2, model="two")
        async with house.supervisor.lease(TENANT, FRONT) as second:
            assert (first.pipeline.revision.number, second.pipeline.revision.number) == (1, 2)
        await asyncio.sleep(10)
        assert house.llm.made[0].open, "a live call still uses it"
    await asyncio.sleep(1)
    assert [model.open for model in house.llm.made] == [False, True]
    assert len(house.tts.made) == 1, "what did not change was not prepared again"
    await house.supervisor.close()
    assert house.open == 0


@virtual
async def test_a_revision_that_cannot_be_loaded_leaves_the_old_one_answering() -> None:
    house = House()
    await house.put(1)
    with pytest.raises(PrepareError, match=r"assistant 'front', stage 'llm' \(llm.x\): no model 'gone'"):
        await house.supervisor.load(document(2, model="gone", fails=True))
    async with house.supervisor.lease(TENANT, FRONT) as leased:
        assert leased.pipeline.revision.number == 1
    states = {status.revision: status for status in house.supervisor.status()}
    assert (states[1].state, states[2].state) == ("active", "failed")
    assert "no model" in states[2].error
    assert house.open == 4, "nothing of the failed one is left"
    turnover = house.supervisor.turnover
    assert (turnover.loaded, turnover.not_loaded, turnover.swaps) == (1, 1, 0)
    await house.put(3)
    assert [status.state for status in house.supervisor.status() if status.state == "failed"] == []
    assert (turnover.loaded, turnover.not_loaded, turnover.swaps) == (2, 1, 1)
    assert house.supervisor.listing.revisions() == {"active": 1, "on trial": 0, "retiring": 1}
    await house.supervisor.close()


@virtual
async def test_a_bad_tenant_does_not_stop_the_others() -> None:
    house = House()
    results = await asyncio.gather(
        house.put(1, OTHER, fails=True), house.put(1, TENANT, prepare_s=1.0), return_exceptions=True
    )
    assert isinstance(results[0], PrepareError)
    async with house.supervisor.lease(TENANT, FRONT):
        pass
    with pytest.raises(TenantUnknownError):
        async with house.supervisor.lease(OTHER, FRONT):
            pass
    await house.supervisor.close()


@virtual
async def test_a_stage_that_never_gets_ready_is_given_up() -> None:
    house = House()
    with pytest.raises(PrepareError, match="not ready within 60 s"):
        await house.supervisor.load(document(1, prepare_s=1000.0))
    await house.supervisor.close()
    assert house.open == 0


@virtual
async def test_a_voice_that_renders_sentence_after_sentence_is_not_given_up_however_long_it_takes() -> None:
    told: list[tuple[str, int, int]] = []
    house = House(rendered=lambda *now: told.append(now))
    loaded = await house.supervisor.load(document(1, voice={"sentence_s": 50.0}))
    (voice,) = house.tts.made
    many = len(voice.rehearsed)
    assert many * 50 > 60, "longer in all than a stage may show nothing"
    assert set(told) == {("slug-1", done, many) for done in range(1, many + 1)}
    await house.supervisor.discard(loaded)
    await house.supervisor.close()


@virtual
async def test_a_voice_that_hangs_at_a_sentence_is_given_up() -> None:
    house = House()
    with pytest.raises(PrepareError, match=r"stage 'tts'.*: not ready within 60 s"):
        await house.supervisor.load(document(1, voice={"sentence_s": 61.0}))
    await house.supervisor.close()
    assert house.open == 0


@virtual
async def test_a_wrong_document_is_refused_before_anything_is_prepared() -> None:
    house = House()
    with pytest.raises(SpecError):
        await house.supervisor.load(document(1, modle="x"))
    assert house.open == 0
    await house.supervisor.close()


@virtual
async def test_fixed_texts_are_rendered_before_and_answers_after_activation() -> None:
    house = House(faq=["We open at nine.", "We are in Porto Alegre."])
    loaded = await house.supervisor.load(document(1))
    voice = house.tts.made[0]
    assert any("You have reached Us" in sentence for sentence in voice.rehearsed)
    assert "We open at nine." not in voice.rehearsed
    house.supervisor.activate(loaded)
    await asyncio.sleep(1)
    assert voice.rehearsed[-2:] == ["We open at nine.", "We are in Porto Alegre."]
    (status,) = house.supervisor.status()
    assert (status.rehearsed, status.to_rehearse) == (2, 2)
    await house.supervisor.close()


@virtual
async def test_what_is_said_now_is_rendered_behind_live_calls_and_never_outlives_what_it_uses() -> None:
    house = House(["Old"] * 200)
    await house.put(1)
    (voice,) = house.tts.made
    async with house.supervisor.lease(TENANT, FRONT):
        await asyncio.sleep(0.1)
        house.llm.faq = ["New"]
        house.supervisor.rehearse_again(TENANT)
        await house.supervisor.rehearsed()
        (status,) = house.supervisor.status()
        assert (status.rehearsed, status.to_rehearse, status.rehearsal_over, status.live_calls) == (1, 1, True, 1)
        assert (voice.rehearsed[-1], voice.rehearsed.count("Old") < 20) == ("New", True)
    house.supervisor.rehearse_again(OTHER)
    house.llm.faq = ["Newer"] * 200
    house.supervisor.rehearse_again(TENANT)
    house.supervisor.rehearse_again(TENANT)
    await asyncio.sleep(0.1)
    house.supervisor.remove(TENANT)
    await house.supervisor.close()
    assert house.open == 0


@virtual
async def test_a_rehearsal_never_outlives_what_it_uses() -> None:
    house = House(faq=[f"Answer {n}." for n in range(1000)])
    await house.put(1)
    await asyncio.sleep(0.5)
    house.supervisor.remove(TENANT)
    await asyncio.sleep(1)
    assert house.open == 0
    assert len(house.tts.made[0].rehearsed) < 200
    await house.supervisor.close()


@virtual
async def test_a_dry_run_leaves_nothing() -> None:
    house = House()
    await house.put(1)
    before = house.open
    await house.supervisor.discard(await house.supervisor.load(document(2, model="other")))
    assert house.open == before
    async with house.supervisor.lease(TENANT, FRONT) as leased:
        assert leased.pipeline.revision.number == 1
    await house.supervisor.close()


@virtual
async def test_calls_beyond_the_limit_are_refused_across_revisions() -> None:
    house = House()
    await house.put(1, limit=2)
    async with AsyncExitStack() as calls:
        await calls.enter_async_context(house.supervisor.lease(TENANT, FRONT))
        await house.put(2, limit=2)
        await calls.enter_async_context(house.supervisor.lease(TENANT, FRONT))
        with pytest.raises(CapacityError):
            await calls.enter_async_context(house.supervisor.lease(TENANT, FRONT))
        assert house.supervisor.live_calls == 2
    async with house.supervisor.lease(TENANT, FRONT):
        pass
    with pytest.raises(AssistantUnknownError):
        async with house.supervisor.lease(TENANT, AssistantName("nobody")):
            pass
    await house.supervisor.close()


@virtual
async def test_a_company_has_no_more_calls_than_the_operator_lets_it_have() -> None:
    asked: list[tuple[AssistantName | None, int, int]] = []

    def room(tenant_id: TenantId, assistant: AssistantName | None, limit: int, here: int) -> bool:
        assert tenant_id == TENANT
        asked.append((assistant, limit, here))
        return here < limit

    house = House(room=room, tenant_calls=2)
    await house.put(1, limit=10)
    async with AsyncExitStack() as calls:
        for _ in range(2):
            await calls.enter_async_context(house.supervisor.lease(TENANT, FRONT))
        with pytest.raises(CapacityError, match="the company has 2 calls") as told:
            await calls.enter_async_context(house.supervisor.lease(TENANT, FRONT))
    assert told.value.by == "tenant_calls"
    assert asked[-2:] == [(FRONT, 10, 2), (None, 2, 2)]
    async with house.supervisor.lease(TENANT, FRONT):
        pass
    await house.supervisor.close()


@virtual
async def test_draining_waits_for_calls_and_counts_those_that_stay() -> None:
    house = House()
    await house.put(1)

    async def call(seconds: float) -> None:
        async with house.supervisor.lease(TENANT, FRONT):
            await asyncio.sleep(seconds)

    calls = [asyncio.create_task(call(5)), asyncio.create_task(call(500))]
    await asyncio.sleep(1)
    assert await house.supervisor.drain(10) == 1
    with pytest.raises(CapacityError):
        await call(1)
    assert await house.supervisor.drain(1000) == 0
    await asyncio.gather(*calls)
    await house.supervisor.close()
    assert house.open == 0


class Play:
    """A house in which things happen in any order; each action checks what must always be true."""

    def __init__(self) -> None:
        self.house = House(faq=["One.", "Two."])
        self.working: list[asyncio.Task[None]] = []
        self.calls: list[tuple[AsyncExitStack, Lease]] = []
        self.number = 0

    async def act(self, action: str, tenant_id: TenantId, model: str) -> None:
        self.number += 1
        self.check()
        await getattr(self, action)(tenant_id, model)

    def check(self) -> None:
        for _, leased in self.calls:
            assert all(stage.held.value.open for stage in leased.pipeline.stages), "a live call uses what is closed"

    async def put(self, tenant_id: TenantId, model: str) -> None:
        self.working.append(
            asyncio.create_task(self._put(document(self.number, tenant_id, model=model, prepare_s=0.05)))
        )

    async def put_failing(self, tenant_id: TenantId, model: str) -> None:
        self.working.append(
            asyncio.create_task(self._put(document(self.number, tenant_id, fails=True, prepare_s=0.05)))
        )

    async def dry_run(self, tenant_id: TenantId, model: str) -> None:
        self.working.append(asyncio.create_task(self._dry_run(document(self.number, tenant_id, model=model))))

    async def put_at_a_turn(self, tenant_id: TenantId, model: str) -> None:
        self.working.append(
            asyncio.create_task(self._put(document(self.number, tenant_id, model=model, prepare_s=0.05), swap="turn"))
        )

    async def try_out(self, tenant_id: TenantId, model: str) -> None:
        revision = document(self.number, tenant_id, model=model, prepare_s=0.05)
        self.working.append(asyncio.create_task(self._try_out(revision)))

    async def promote(self, tenant_id: TenantId, model: str) -> None:
        with contextlib.suppress(TenantUnknownError, NoCanaryError):
            self.house.supervisor.promote(tenant_id, swap="turn" if model == "a" else "drain")

    async def roll_back(self, tenant_id: TenantId, model: str) -> None:
        with contextlib.suppress(TenantUnknownError, NoCanaryError):
            self.house.supervisor.roll_back(tenant_id)

    async def take(self, tenant_id: TenantId, model: str) -> None:
        if self.calls:
            self.calls[0][1].take()

    async def accept(self, tenant_id: TenantId, model: str) -> None:
        if self.calls:
            self.calls[0][1].accept()

    async def decline(self, tenant_id: TenantId, model: str) -> None:
        if self.calls:
            self.calls[0][1].decline()

    async def fails(self, tenant_id: TenantId, model: str) -> None:
        if self.calls:
            self.house.supervisor.count(self.calls[0][1], FAILURE)

    async def give_up_loading(self, tenant_id: TenantId, model: str) -> None:
        if self.working:
            self.working[-1].cancel()

    async def call(self, tenant_id: TenantId, model: str) -> None:
        stack = AsyncExitStack()
        with contextlib.suppress(TenantUnknownError):
            lease = self.house.supervisor.lease(tenant_id, FRONT, caller=str(self.number))
            self.calls.append((stack, await stack.enter_async_context(lease)))

    async def hang_up(self, tenant_id: TenantId, model: str) -> None:
        if self.calls:
            await self.calls.pop(0)[0].aclose()

    async def remove(self, tenant_id: TenantId, model: str) -> None:
        self.house.supervisor.remove(tenant_id)

    async def wait(self, tenant_id: TenantId, model: str) -> None:
        await asyncio.sleep(0.07)

    async def end(self) -> None:
        await asyncio.gather(*self.working, return_exceptions=True)
        while self.calls:
            self.check()
            await self.hang_up(TENANT, "")
        await asyncio.sleep(5)
        assert not [status for status in self.house.supervisor.status() if status.state == "retiring"]
        await self.house.supervisor.close()
        assert self.house.open == 0, "something prepared was never closed"

    async def _put(self, revision: PipelineRevision, swap: Swap = "drain") -> None:
        with contextlib.suppress(PrepareError):
            self.house.supervisor.activate(await self.house.supervisor.load(revision), swap=swap)

    async def _try_out(self, revision: PipelineRevision) -> None:
        loaded = await self.house.supervisor.load(revision)
        try:
            self.house.supervisor.try_out(loaded, CanaryPolicy(share=50.0, min_calls=1))
        except TenantUnknownError:
            await self.house.supervisor.discard(loaded)

    async def _dry_run(self, revision: PipelineRevision) -> None:
        await self.house.supervisor.discard(await self.house.supervisor.load(revision))


FAILURE = Outcome(failed=True, early_hangup=False, turns=1, fallback_turns=1, latencies_ms=())
WHAT = [
    *("put", "put_failing", "put_at_a_turn", "dry_run", "give_up_loading", "remove", "wait", "wait"),
    *("call", "call", "hang_up", "try_out", "promote", "roll_back", "take", "accept", "decline", "fails"),
]
ACTIONS = st.lists(
    st.tuples(st.sampled_from(WHAT), st.sampled_from([TENANT, OTHER]), st.sampled_from("abc")), max_size=40
)


@pytest.mark.no_cover
@settings(max_examples=200, deadline=None)
@given(ACTIONS)
def test_in_every_order_no_call_uses_what_is_closed_and_nothing_is_left_open(
    actions: list[tuple[str, TenantId, str]],
) -> None:
    @virtual
    async def run() -> None:
        play = Play()
        for action in actions:
            await play.act(*action)
        await play.end()

    run()
