"""Callers and the tenants that they ring: documents of mock stages, recorded speech, and what is commonly said."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from base.ids import TenantId
from control.peer import HangUp, Hears, Say, Script, Sound, WaitFor, load_sound
from control.peer.script import Step

TENANT = TenantId("0f0f0f0f-0000-4000-8000-000000000001")
NUMBER = "100"
RECORDINGS = Path(__file__).parents[1] / "data" / "speech" / "first"


def speech(name: str) -> Sound:
    """A recorded caller without the silence around."""
    sound = load_sound(RECORDINGS / f"{name}.wav")
    begin, end = sound.speech
    return Sound(sound.samples[max(0, begin - 400) : end + 400], sound.rate, name)


SPEECH = speech("en_01")
"""1.4 s of a caller."""


def document(
    slug: str = "us", *, tenant_id: TenantId = TENANT, number: str = NUMBER, enabled: bool = True, **parts: Any
) -> bytes:
    """A tenant with one assistant of mock stages and the real detector, quick of speech.

    `vad`, `stt`, `llm`, `tts` configure the stages; `texts`, `turn`, `limits` and `transfer` the assistant; `extra` are
    stages between the ear and the mind; `switch` is where the calls come from. `realtime` configures a mind that hears
    and speaks by itself, in the place of all but the detector.
    """
    configs: dict[str, Any] = {"vad": {}, "stt": {}, "llm": {}, "tts": {"word_s": 0.1}}
    configs = {kind: config | parts.get(kind, {}) for kind, config in configs.items()}
    uses = {"vad": "vad.silero", "stt": "stt.mock", "llm": "llm.mock", "tts": "tts.mock"}
    stages = [{"id": kind, "use": use, "config": configs[kind]} for kind, use in uses.items()]
    stages[2:2] = parts.get("extra", [])
    if "realtime" in parts:
        mind = {"id": "realtime", "use": "realtime.mock", "config": {"word_s": 0.1} | parts["realtime"]}
        stages = [stages[0], mind]
    texts = {"greeting": "Welcome to us", "farewell": "Good bye then", "reprompt": "Are you there"}
    texts |= {"not_understood": "Say again please", "failure": "Something went wrong"}
    assistant = {
        "name": "front",
        "numbers": [number],
        "texts": texts | parts.get("texts", {}),
        "turn": {"wait_s": 0.2} | parts.get("turn", {}),
        "limits": {"answer_timeout_s": 2, "max_concurrent_calls": 100} | parts.get("limits", {}),
        "pipeline": stages,
        **({"transfer": parts["transfer"]} if "transfer" in parts else {}),
    }
    whole = {"slug": slug, "id": tenant_id, "domain": f"{slug}.example.net", "name": slug.title(), "language": "en"}
    whole |= {"switch": parts["switch"]} if "switch" in parts else {}
    return msgspec.json.encode(whole | {"enabled": enabled, "assistants": [assistant]})


def tenant(place: int) -> TenantId:
    """A tenant id for the n-th tenant of a house."""
    return TenantId(f"0f0f0f0f-0000-4000-8000-{place:012x}")


def hears(quiet_ms: int = 300, limit_s: float = 8.0) -> WaitFor:
    """The caller waits for the assistant to have spoken."""
    return WaitFor(what=Hears.SPEECH_END, quiet_ms=quiet_ms, limit_s=limit_s)


STAYS = WaitFor(what=Hears.HANG_UP, limit_s=20.0)
"""The caller waits for the other side to end the call."""


def asks(*sounds: Sound, then: Sequence[Step] = (HangUp(),), **script: Any) -> Script:
    """Hears the greeting, says each sound and hears what comes back."""
    steps: list[Step] = [hears()]
    for sound in sounds:
        steps += [Say(sound), hears()]
    return Script(steps=(*steps, *then), limit_s=30.0, **script)
