"""`llm.openai` and `llm.anthropic` against scripted servers on real sockets."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from loguru import logger
from pipecat.frames.frames import (
    ErrorFrame,
    Frame,
    LLMContextFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
)
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.tests.utils import run_test

from base.clock import SystemClock
from base.http import Endpoint, OutboundPolicy
from base.ids import AssistantName, CallId, TenantId
from base.languages import texts
from base.secret import Secret, SecretRef
from knowledge.passages import Passage
from processors.conversation import with_passages
from processors.factory import CallContext, Persona, PrepareError, ProcessorFactory, StageContext, Workshop
from processors.frames import AnsweredFrame, CallRequestFrame, LanguageFrame, RetrievedFrame
from processors.llm.anthropic import AnthropicConfig, AnthropicLlm
from processors.llm.fenced import checked_base_url
from processors.llm.hosted import ModelConfig
from processors.llm.openai import OpenAiConfig, OpenAiLlm
from tests.processors.llm import scripted

TENANT = TenantId("6f1d2c0a-4b7e-4f7b-9a53-1c9e5d7a2b10")
KEY = "sk-very-secret-0123456789"
PERSONA = Persona(
    name=AssistantName("sofia"), language="pt-BR", company="Clínica Sorriso", instructions="Fale com calma."
)
CALL = CallContext(tenant_id=TENANT, call_id=CallId("c"), persona=PERSONA, sample_rate=8000)
TOLD = StageContext(tenant_id=TENANT, persona=PERSONA)
HOURS = Passage(id="faq#1", document="faq", heading="Horário?", question="Horário?", text="Das oito às seis.")


def openai_config(port: int, **more: Any) -> OpenAiConfig:
    url = f"http://127.0.0.1:{port}/v1"
    return OpenAiConfig(model="m", base_url=url, api_key=SecretRef("llm"), **more)


def anthropic_config(port: int, **more: Any) -> AnthropicConfig:
    url = f"http://127.0.0.1:{port}"
    return AnthropicConfig(model="claude-haiku-5-5", base_url=url, api_key=SecretRef("llm"), **more)


Kind = tuple[ProcessorFactory[Any, Any], Callable[..., ModelConfig], list[dict[str, Any]], int]
KINDS: dict[str, Kind] = {
    "openai": (OpenAiLlm(), openai_config, scripted.OPENAI_HI, 2),
    "anthropic": (AnthropicLlm(), anthropic_config, scripted.ANTHROPIC_HI, 3),
}
"""Factory, config for a port, the events of an answer, and how many of them bring the first words."""


@pytest.fixture(params=sorted(KINDS))
def kind(request: pytest.FixtureRequest) -> Kind:
    return KINDS[request.param]


def workshop(*allowed: int, key: str = KEY) -> Workshop:
    unused: Any = None

    async def secret(tenant_id: TenantId, name: str) -> Secret:
        if (tenant_id, name) != (TENANT, "llm"):
            raise PrepareError(f"no secret {name!r}")
        return Secret(key)

    return Workshop(
        clock=SystemClock(),
        models=unused,
        library=unused,
        data_dir=Path("/nonexistent"),
        secret=secret,
        compute=unused,
        outbound=OutboundPolicy(allow=frozenset(Endpoint("127.0.0.1", port) for port in allowed)),
    )


def asked(question: str = "qual é o horário?") -> LLMContextFrame:
    return LLMContextFrame(LLMContext([{"role": "user", "content": question}]))


async def converse(kind: Kind, script: Any, *frames: Frame, **config: Any) -> tuple[list[Frame], list[Frame]]:
    factory, configure, _, _ = kind
    written = configure(script.port, **config)
    prepared = await factory.prepare(written, TOLD, workshop(script.port))
    processor = factory.create(written, prepared, CALL)
    assert processor is not None
    down, up = await run_test(processor, frames_to_send=list(frames) or [asked()])
    closing = factory.close(prepared)
    assert closing is not None
    await closing
    # pipecat announces services and metrics besides; those are not ours to test.
    return [frame for frame in down if type(frame) in OURS], list(up)


OURS = {
    AnsweredFrame,
    CallRequestFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
    LLMFullResponseEndFrame,
    RetrievedFrame,
}


async def test_an_answer_streams_behind_the_decision(kind: Kind) -> None:
    async with scripted.Script(kind[2]) as script:
        down, _ = await converse(kind, script)
    assert [type(frame) for frame in down] == [
        AnsweredFrame,
        LLMFullResponseStartFrame,
        LLMTextFrame,
        LLMTextFrame,
        LLMFullResponseEndFrame,
    ]
    assert isinstance(down[0], AnsweredFrame)
    assert down[0].intent == "free"
    assert "".join(frame.text for frame in down if isinstance(frame, LLMTextFrame)) == "Das oito às seis."


async def test_what_the_server_is_asked(kind: Kind) -> None:
    async with scripted.Script(kind[2]) as script:
        frame = asked()
        lent = LLMContextFrame(with_passages(frame.context, [HOURS]))
        await converse(kind, script, RetrievedFrame(query="qual é o horário?", passages=(HOURS,)), lent, max_tokens=77)
    ((headers, body),) = script.seen
    assert KEY in headers.get("authorization", "") + headers.get("x-api-key", "")
    assert (body["stream"], body["max_tokens"]) == (True, 77)
    assert "temperature" not in body
    sent = json.dumps(body, ensure_ascii=False)
    assert "Clínica Sorriso" in sent
    assert "Fale com calma." in sent
    assert texts("pt-BR").unanswerable in sent
    last = body["messages"][-1]
    spoken = last["content"] if isinstance(last["content"], str) else last["content"][0]["text"]
    assert last["role"] == "user"
    assert spoken == "<passages>\n[1] Horário?\nDas oito às seis.\n</passages>\n\nqual é o horário?"


async def test_what_the_process_knows_of_keys_never_leaves_with_a_tenants_request(
    kind: Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (
        "OPENAI_API_KEY",
        "OPENAI_ORG_ID",
        "OPENAI_PROJECT_ID",
        "ANTHROPIC_API_KEY",
        "ANTHROPIC_AUTH_TOKEN",
    ):
        monkeypatch.setenv(name, "operators-own")
    monkeypatch.setenv("ANTHROPIC_CUSTOM_HEADERS", "x-leak: operators-own")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:1/v1")
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "http://127.0.0.1:1")
    async with scripted.Script(kind[2]) as script:
        await converse(kind, script)
    ((headers, _),) = script.seen
    assert "operators-own" not in str(headers)


async def test_a_server_without_a_key_is_sent_none() -> None:
    async with scripted.Script(scripted.OPENAI_HI) as script:
        config = OpenAiConfig(model="m", base_url=f"http://127.0.0.1:{script.port}/v1")
        prepared = await OpenAiLlm().prepare(config, TOLD, workshop(script.port))
        await run_test(OpenAiLlm().create(config, prepared, CALL), frames_to_send=[asked()])
        await prepared.close()
    assert "authorization" not in script.seen[0][0]


@pytest.mark.parametrize(
    ("status", "told"), [(401, "authentication"), (429, "rate_limit"), (500, "server"), (404, "invalid_request")]
)
async def test_a_refusal_is_an_error_in_our_words_without_the_key(kind: Kind, status: int, told: str) -> None:
    lines: list[str] = []
    sink = logger.add(lambda line: lines.append(str(line)), level="TRACE")
    try:
        async with scripted.Script(status=status, error="ignore all rules") as script:
            down, up = await converse(kind, script)
    finally:
        logger.remove(sink)
    assert len(script.seen) == 1, "no retries: the caller waits"
    (error,) = [frame for frame in up if isinstance(frame, ErrorFrame)]
    assert error.error == f"the language model failed: {told} (HTTP {status})"
    assert KEY not in f"{error.exception!r}{error.exception.__cause__!r}"
    assert not any(KEY in line or "ignore all rules" in line for line in lines)
    assert isinstance(down[-1], LLMFullResponseEndFrame)


@pytest.mark.parametrize("first_words", [False, True])
async def test_a_silent_server_is_given_up_at_the_deadline(kind: Kind, first_words: bool) -> None:
    stall = kind[3] if first_words else 0
    async with scripted.Script(kind[2], stall_after=stall) as script:
        down, up = await converse(kind, script, deadline_s=0.5)
    (error,) = [frame for frame in up if isinstance(frame, ErrorFrame)]
    assert error.error == "the language model was silent for 0.5 s"
    assert isinstance(down[-1], LLMFullResponseEndFrame)
    assert any(isinstance(frame, LLMTextFrame) for frame in down) is first_words


async def test_an_answer_that_breaks_off_is_an_error(kind: Kind) -> None:
    async with scripted.Script(kind[2], break_after=kind[3]) as script:
        down, up = await converse(kind, script)
    (error,) = [frame for frame in up if isinstance(frame, ErrorFrame)]
    assert "the language model failed" in error.error
    assert isinstance(down[-1], LLMFullResponseEndFrame)


async def test_the_next_turn_works_after_a_failure(kind: Kind) -> None:
    async with scripted.Script(kind[2], status=500) as script:
        factory, configure, _, _ = kind
        prepared = await factory.prepare(configure(script.port), TOLD, workshop(script.port))
        processor = factory.create(configure(script.port), prepared, CALL)
        assert processor is not None
        await run_test(processor, frames_to_send=[asked()])
        script.status = 200
        again = factory.create(configure(script.port), prepared, CALL)
        assert again is not None
        down, _ = await run_test(again, frames_to_send=[asked()])
        await prepared.close()
    assert any(isinstance(frame, LLMTextFrame) for frame in down)


@pytest.mark.parametrize(
    ("said", "request_", "sentence"),
    [
        ("Quero falar com um atendente, por favor", "operator", texts("pt-BR").operator),
        ("Não, obrigado, era só isso", "hangup", texts("pt-BR").farewell),
    ],
)
async def test_a_person_and_the_end_are_not_left_to_the_model(
    kind: Kind, said: str, request_: str, sentence: str
) -> None:
    async with scripted.Script(kind[2]) as script:
        down, _ = await converse(kind, script, asked(said))
    assert script.seen == []
    assert [frame.text for frame in down if isinstance(frame, LLMTextFrame)] == [sentence]
    assert isinstance(down[-1], CallRequestFrame)
    assert down[-1].request == request_


async def test_a_sure_passage_is_named_in_the_record(kind: Kind) -> None:
    async with scripted.Script(kind[2]) as script:
        down, _ = await converse(kind, script, RetrievedFrame(query="q?", passages=(HOURS,), sure=True), asked())
    assert [frame.passage_id for frame in down if isinstance(frame, AnsweredFrame)] == ["faq#1"]


async def test_an_unknown_secret_refuses_the_revision(kind: Kind) -> None:
    factory, configure, _, _ = kind
    config = configure(1)
    other = StageContext(tenant_id=TenantId("0a6be2bb-91fd-4b34-8ba5-3d8f2ad63a9f"), persona=PERSONA)
    with pytest.raises(PrepareError, match="no secret"):
        await factory.prepare(config, other, workshop(1))


async def test_a_name_that_leads_inside_is_refused_when_it_is_called() -> None:
    """https to a name that resolves to a private address passes the check of the text, not the fence."""
    async with scripted.Script(scripted.OPENAI_HI) as script:
        config = OpenAiConfig(model="m", base_url=f"https://localhost:{script.port}/v1")
        prepared = await OpenAiLlm().prepare(config, TOLD, workshop())
        _, up = await run_test(OpenAiLlm().create(config, prepared, CALL), frames_to_send=[asked()])
        await prepared.close()
    assert script.seen == []
    assert any(isinstance(frame, ErrorFrame) for frame in up)


ALLOWED = OutboundPolicy(allow=frozenset({Endpoint("10.0.0.5", 8000)}))


@pytest.mark.parametrize(
    "good", ["https://api.openai.com/v1", "https://llm.example.com:8443/v1/", "http://10.0.0.5:8000/v1"]
)
def test_base_urls_that_may_be_used(good: str) -> None:
    assert checked_base_url(good, ALLOWED) == good.rstrip("/")


@pytest.mark.parametrize(
    "bad",
    [
        "http://api.openai.com/v1",
        "http://127.0.0.1:8000/v1",
        "http://10.0.0.5:8001/v1",
        "https://user:pass@llm.example.com/v1",
        "https://llm.example.com/v1?x=1",
        "ftp://10.0.0.5:8000/v1",
        "file:///etc/passwd",
        "llm.example.com",
        "",
        "https://",
    ],
)
def test_base_urls_that_may_not(bad: str) -> None:
    with pytest.raises(PrepareError, match="base_url"):
        checked_base_url(bad, ALLOWED)


async def test_a_caller_of_another_language_is_answered_in_it(kind: Kind) -> None:
    async with scripted.Script(kind[2]) as script:
        steps = [LanguageFrame(language="en"), asked("what are your hours?"), asked("goodbye"), asked("tchau")]
        down, _ = await converse(kind, script, *steps, LanguageFrame(language="pt-BR"), asked())
    prompts = [json.dumps(body, ensure_ascii=False) for _, body in script.seen]
    assert ["the BCP 47 tag en" in prompt for prompt in prompts] == [True, True, False]
    assert ["the BCP 47 tag pt-BR" in prompt for prompt in prompts] == [False, False, True]
    farewells = [frame for frame in down if isinstance(frame, CallRequestFrame)]
    assert len(farewells) == 1
    assert texts("en").farewell in [frame.text for frame in down if isinstance(frame, LLMTextFrame)]
