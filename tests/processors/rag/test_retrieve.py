"""`rag.retrieve` over a scripted library."""

from pathlib import Path
from typing import Any

import pytest
from pipecat.frames.frames import LLMContextFrame, TextFrame
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.tests.utils import run_test

from base.clock import SystemClock
from base.ids import AssistantName, CallId, TenantId
from base.secret import Secret
from knowledge.passages import KnowledgeError, Passage, Retrieval
from processors.factory import CallContext, Persona, PrepareError, StageContext, Workshop
from processors.frames import RetrievedFrame
from processors.rag.retrieve import RetrieveConfig, Retriever, RetrieveRag, Shelf

TENANT = TenantId("6f1d2c0a-4b7e-4f7b-9a53-1c9e5d7a2b10")
PERSONA = Persona(name=AssistantName("sofia"), language="pt-BR", company="Clínica")
CALL = CallContext(tenant_id=TENANT, call_id=CallId("c"), persona=PERSONA, sample_rate=8000)
HOURS = Passage(id="faq#1", document="faq", heading="Horário?", question="Horário?", text="Das <b>oito</b> às seis.")
NOTE = Passage(id="faq#2", document="faq", heading="Regras", text="Silêncio.")


class ScriptedLibrary:
    """Answers as it was told and remembers what it was asked."""

    def __init__(self, answer: Retrieval | Exception) -> None:
        self._answer = answer
        self.asked: list[tuple[TenantId, str, int, float, float]] = []

    async def retrieve(
        self, tenant_id: TenantId, query: str, *, top_k: int, min_score: float, budget_s: float
    ) -> Retrieval:
        self.asked.append((tenant_id, query, top_k, min_score, budget_s))
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer

    async def passages(self, tenant_id: TenantId) -> list[Passage]:
        assert tenant_id == TENANT
        return [HOURS, NOTE, HOURS]


FOUND = Retrieval((HOURS, NOTE), True, 4.321)


def workshop(library: ScriptedLibrary, tmp_path: Path) -> Workshop:
    unused: Any = None

    async def secret(tenant_id: TenantId, name: str) -> Secret:
        raise AssertionError("needs no secret")

    return Workshop(
        clock=SystemClock(), models=unused, library=library, data_dir=tmp_path, secret=secret, compute=unused
    )


def retriever(library: ScriptedLibrary) -> Retriever:
    return RetrieveRag().create(RetrieveConfig(top_k=3, min_score=0.2, budget_ms=250), Shelf(library), CALL)


async def run(library: ScriptedLibrary, context: LLMContext) -> tuple[RetrievedFrame, LLMContextFrame]:
    down, _ = await run_test(retriever(library), frames_to_send=[LLMContextFrame(context)])
    retrieved, passed_on = down
    assert isinstance(retrieved, RetrievedFrame)
    assert isinstance(passed_on, LLMContextFrame)
    return retrieved, passed_on


async def test_what_the_caller_said_last_is_looked_up_within_the_budget() -> None:
    library = ScriptedLibrary(FOUND)
    context = LLMContext(
        [
            {"role": "user", "content": "oi"},
            {"role": "assistant", "content": "Olá!"},
            {"role": "user", "content": "qual é"},
            {"role": "user", "content": [{"type": "text", "text": "o horário?"}]},
        ]
    )
    retrieved, _ = await run(library, context)
    assert library.asked == [(TENANT, "qual é o horário?", 3, 0.2, 0.25)]
    assert (retrieved.query, retrieved.passages, retrieved.sure, retrieved.elapsed_ms, retrieved.failed) == (
        "qual é o horário?",
        (HOURS, NOTE),
        True,
        4.32,
        False,
    )


async def test_the_mind_is_lent_the_passages_and_the_conversation_stays_as_it_was() -> None:
    messages: list[Any] = [{"role": "assistant", "content": "Olá!"}, {"role": "user", "content": "horário?"}]
    context = LLMContext(list(messages))
    _, passed_on = await run(ScriptedLibrary(FOUND), context)
    assert context.get_messages() == messages
    assert passed_on.context is not context
    lent = passed_on.context.get_messages()
    assert lent[0] == messages[0]
    assert lent[1] == {
        "role": "user",
        "content": "<passages>\n[1] Horário?\nDas ‹b›oito‹/b› às seis.\n[2] Regras\nSilêncio.\n</passages>\n\nhorário?",
    }


@pytest.mark.parametrize("trouble", [TimeoutError(), KnowledgeError("the store is gone")])
async def test_a_failure_is_told_and_the_turn_goes_on(trouble: Exception) -> None:
    retrieved, passed_on = await run(ScriptedLibrary(trouble), LLMContext([{"role": "user", "content": "horário?"}]))
    assert (retrieved.failed, retrieved.passages, retrieved.sure) == (True, (), False)
    assert passed_on.context.get_messages()[0]["content"].startswith("<passages>\n(none found)")  # type: ignore[index]


async def test_other_frames_pass_untouched() -> None:
    library = ScriptedLibrary(FOUND)
    down, _ = await run_test(retriever(library), frames_to_send=[TextFrame("x")])
    assert [type(frame) for frame in down] == [TextFrame]
    assert library.asked == []


async def test_preparing_loads_the_index_and_tells_the_answers(tmp_path: Path) -> None:
    library, stage = ScriptedLibrary(FOUND), RetrieveRag()
    told = StageContext(tenant_id=TENANT, persona=PERSONA)
    shelf = await stage.prepare(RetrieveConfig(), told, workshop(library, tmp_path))
    assert len(library.asked) == 1
    assert await stage.says(RetrieveConfig(), shelf, told) == (HOURS.text,)


async def test_documents_that_cannot_be_searched_refuse_the_revision(tmp_path: Path) -> None:
    library = ScriptedLibrary(KnowledgeError("made with another embedder"))
    with pytest.raises(PrepareError, match="another embedder"):
        await RetrieveRag().prepare(
            RetrieveConfig(), StageContext(tenant_id=TENANT, persona=PERSONA), workshop(library, tmp_path)
        )
