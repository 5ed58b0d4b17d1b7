"""A secret of a tenant has changed: what was made with it is made anew beside what answers, and takes its place."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from msgspec import Struct

from base.ids import TenantId
from base.secret import Secret, SecretRef
from pipelines.outcomes import CanaryPolicy, Outcome
from pipelines.supervisor import PipelineSupervisor
from processors.factory import PrepareError, Role, StageContext, Workshop
from tests.pipelines.harness import FRONT, TENANT, workshop
from tests.pipelines.test_supervisor import OTHER, Model, Stage, document
from tests.pipelines.virtual import virtual

WELL = Outcome(failed=False, early_hangup=False, turns=2, fallback_turns=0, latencies_ms=(900.0,))


class Keyed(Struct, frozen=True):
    model: str = "m"
    sentence_s: float = 0.01
    keys: tuple[SecretRef, ...] = (SecretRef("openai"),)


class KeyedStage(Stage):
    """Its models are called as the values they were made with."""

    config_type: Any = Keyed

    def __init__(self) -> None:
        super().__init__(Role.LLM)

    async def prepare(self, config: Any, context: StageContext, workshop: Workshop) -> Model:
        values = [await workshop.secret(context.tenant_id, key.secret) for key in config.keys]
        self.made.append(Model(" ".join(value.reveal() for value in values)))
        return self.made[-1]


class House:
    """Each value is a version of the tenant's secret `openai`; "" is one that cannot be read."""

    def __init__(self) -> None:
        self.values = ["first"]
        self.llm, self.tts = KeyedStage(), Stage(Role.TTS)
        self.stages = [Stage(Role.VAD), Stage(Role.STT), self.llm, self.tts]
        lent = replace(workshop(), secret=self.secret, secret_version=lambda _, name: len(self.values))
        self.supervisor = PipelineSupervisor(lent, {stage.use: stage for stage in self.stages})

    async def secret(self, tenant_id: TenantId, name: str) -> Secret:
        if not self.values[-1]:
            raise PrepareError(f"the secret {name!r} cannot be read now")
        return Secret(self.values[-1])

    async def put(self, number: int = 1, tenant_id: TenantId = TENANT, **config: Any) -> None:
        self.supervisor.activate(await self.supervisor.load(document(number, tenant_id, **config)))

    async def changed(self, value: str, swap: Any = "drain") -> None:
        self.values.append(value)
        self.supervisor.exchange(TENANT, await self.supervisor.load_again(TENANT), swap=swap)

    async def answers(self, caller: str = "") -> tuple[int, str]:
        async with self.supervisor.lease(TENANT, FRONT, caller=caller) as lease:
            return lease.pipeline.revision.number, made_with(lease.pipeline)

    @property
    def open(self) -> int:
        return sum(model.open for stage in self.stages for model in stage.made)


def made_with(pipeline: Any) -> str:
    name: str = pipeline.stages[2].held.value.name
    return name


@virtual
async def test_what_was_made_with_the_former_value_is_made_anew_and_nothing_else_is() -> None:
    house = House()
    await house.put()
    await house.put(1, OTHER)
    assert house.supervisor.secrets(TENANT) == {("openai", 1)}
    await house.changed("second")
    assert await house.answers() == (1, "second")
    assert house.supervisor.secrets(TENANT) == {("openai", 2)}
    await asyncio.sleep(1)
    assert [(model.name, model.open) for model in house.llm.made] == [
        ("first", False),
        ("first", True),
        ("second", True),
    ], "the other tenant has its own"
    assert len(house.tts.made) == 1
    await house.put(2)
    assert len(house.llm.made) == 3, "the next document shares what the value was made ready with"
    await house.supervisor.close()
    assert house.open == 0


@virtual
async def test_a_live_call_ends_on_what_it_began_with_or_is_asked_to_change_over() -> None:
    house = House()
    await house.put()
    async with house.supervisor.lease(TENANT, FRONT) as lease:
        await house.changed("second", "drain")
        assert lease.offered is None
        await asyncio.sleep(60)
        assert house.llm.made[0].open, "the call lives on"
        await house.changed("third", "turn")
        assert lease.offered is not None
        assert made_with(lease.offered) == "third"
        await house.changed("fourth", "turn")
        assert lease.take() is lease._taking[1]  # type: ignore[index]
        assert lease.accept()
        assert made_with(lease.pipeline) == "fourth", "the newest, not what answers no more"
    await asyncio.sleep(1)
    assert [model.open for model in house.llm.made] == [False, False, False, True]
    await house.supervisor.close()
    assert house.open == 0


@virtual
async def test_a_trial_goes_on_with_its_callers_and_its_counts() -> None:
    house = House()
    await house.put(1)
    tried = await house.supervisor.load(document(2, model="two"))
    house.supervisor.try_out(tried, CanaryPolicy(share=40.0, min_calls=2))
    callers = [f"+55119{n:08}" for n in range(200)]
    before = {caller: (await house.answers(caller))[0] for caller in callers}
    assert set(before.values()) == {1, 2}
    tries = next(caller for caller, number in before.items() if number == 2)
    async with house.supervisor.lease(TENANT, FRONT, caller=tries) as lease:
        await house.changed("second", "turn")
        assert lease.offered is not None
        assert lease.offered.revision.number == 2, "a call on trial stays there"
        house.supervisor.count(lease, WELL)
    assert {caller: await house.answers(caller) for caller in callers} == {
        caller: (number, "second") for caller, number in before.items()
    }
    [status] = [one for one in house.supervisor.status() if one.state == "on trial"]
    assert (status.share, status.outcomes.calls) == (40.0, 1)
    await house.supervisor.close()
    assert house.open == 0


@virtual
async def test_a_trial_that_ends_while_it_is_loaded_again_has_ended() -> None:
    house = House()
    await house.put(1)
    house.supervisor.try_out(await house.supervisor.load(document(2, model="two")), CanaryPolicy(share=100.0))
    house.values.append("second")
    again = await house.supervisor.load_again(TENANT)
    house.supervisor.roll_back(TENANT)
    house.supervisor.exchange(TENANT, again)
    assert await house.answers() == (1, "second")
    await asyncio.sleep(1)
    assert house.open == 4
    await house.supervisor.close()
    assert house.open == 0


@virtual
async def test_a_value_that_cannot_be_read_leaves_what_answers_answering() -> None:
    house = House()
    await house.put(1)
    house.supervisor.try_out(await house.supervisor.load(document(2, model="two")), CanaryPolicy(share=50.0))
    with pytest.raises(PrepareError, match=r"stage 'llm' \(llm.x\): the secret 'openai' cannot be read now"):
        await house.changed("")
    assert (await house.answers())[1] == "first"
    assert house.open == 5
    assert [status.state for status in house.supervisor.status()] == ["active", "on trial"], "nothing failed"
    await house.supervisor.close()
    assert house.open == 0


@virtual
async def test_a_tenant_that_goes_meanwhile_has_nothing_left_open() -> None:
    house = House()
    await house.put(1)
    house.values.append("second")
    again = await house.supervisor.load_again(TENANT)
    house.supervisor.remove(TENANT)
    house.supervisor.exchange(TENANT, again)
    await asyncio.sleep(1)
    assert (house.open, house.supervisor.secrets(TENANT)) == (0, frozenset())
    await house.supervisor.close()
