"""Records of finished calls for the tests of what keeps and finds them."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from msgspec import structs

from base.ids import AssistantName, CallId, TenantId
from pipelines.calls import Call, CallRecord, StageUsage, Turn, Waterfall
from pipelines.timeline import Moment

NOON = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
TURNS = (
    Turn(role="assistant", text="Olá! Em que posso ajudar?", at_ms=40.5, interrupted=True),
    Turn(role="caller", text="Vocês abrem sábado?", at_ms=2100.0, written=True),
    Turn(
        role="assistant",
        text="Sim, das oito ao meio-dia.",
        at_ms=3900.25,
        intent="answer",
        passage_id="atendimento#3",
        waterfall=Waterfall(vad_stop=210.0, transcript=640.5, first_audio=980.125),
    ),
)

TIMELINE = (
    Moment(at_ms=0, what="rang"),
    Moment(at_ms=31, what="media_started", detail="unicast"),
    Moment(at_ms=60_000, what="ended", detail="assistant: goodbye"),
)

USAGE = (
    StageUsage(
        stage="llm", use="llm.openai", model="gpt", answers=2, input_tokens=900, output_tokens=60, cost_usd=0.25
    ),
    StageUsage(stage="llm", use="llm.openai", model="other", answers=1, estimated=1, audio_s=1.5),
)


def someone() -> TenantId:
    return TenantId(str(uuid.uuid4()))


def record(tenant_id: TenantId, call_id: str = "c1", *, minutes: float = 0, **changed: Any) -> CallRecord:
    """One of a minute, opened so many minutes after noon; `changed` are facts of the record or of its call."""
    call = Call(
        id=CallId(call_id),
        tenant_id=tenant_id,
        tenant_slug="sorriso",
        assistant=AssistantName("sofia"),
        number="1000",
        caller="+5511988887777",
        revision=3,
        language="pt-BR",
        switch="matriz",
        opened_at=NOON + timedelta(minutes=minutes),
    )
    of_the_call = {name: changed.pop(name) for name in Call.__struct_fields__ if name in changed}
    facts: dict[str, Any] = {
        "call": structs.replace(call, **of_the_call),
        "ended_at": NOON + timedelta(minutes=minutes + 1),
        "end_reason": "goodbye",
        "hangup_cause": "NORMAL_CLEARING",
        "turns": TURNS,
        "errors": ("stt: slow",),
        "recording": "recordings/sorriso/c1.wav",
        "timeline": TIMELINE,
        "cost_usd": 0.25,
        "usage": USAGE,
    }
    return CallRecord(**facts | changed)


def saying(*texts: str) -> tuple[Turn, ...]:
    """Turns of the caller's."""
    return tuple(Turn(role="caller", text=text, at_ms=1000.0 * place) for place, text in enumerate(texts))
