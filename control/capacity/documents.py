"""Whom the calls of a measurement ring: a company of our own, or a given one without the limits of its document."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

SLUG: Final = "capacity"
TENANT_ID: Final = "6a1f0c52-3d0b-4b7e-9d55-0f3a2c8e7b01"
FIRST_NUMBER: Final = 2000
ASSISTANTS: Final = 100
"""As many as a document may have. Each has answers of its own, for a voice keeps what it has said."""
DAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
LIMITS: Final[Mapping[str, Any]] = {"max_turns": 1000, "max_call_s": 3600, "silence_s": 120}


def built_in(most_calls: int, *, models: bool) -> dict[str, Any]:
    """A company whose assistants hear and speak by the embedded models, or by mocks that take as long and compute
    nothing; what they answer is written down in any case.
    """
    count = ASSISTANTS if models else 1
    return {
        "slug": SLUG,
        "id": TENANT_ID,
        "domain": "capacity.example.net",
        "name": "Capacity",
        "language": "en",
        "assistants": [_assistant(place, most_calls, models=models) for place in range(count)],
    }


def without_limits(raw: bytes, most_calls: int) -> dict[str, Any]:
    """A company's own document, as far as its limits let calls in. Raises msgspec.DecodeError."""
    document: dict[str, Any] = msgspec.yaml.decode(raw)
    document.pop("switch", None)
    document["enabled"] = True
    for assistant in document["assistants"]:
        assistant["limits"] = {**(assistant.get("limits") or {}), "max_concurrent_calls": most_calls}
        assistant["limits"].pop("daily_minutes", None)
    return document


def write(document: Mapping[str, Any], folder: Path) -> None:
    """The only document of a folder, which is made in a folder of our own."""
    folder.parent.chmod(0o755)  # the database beside it may run as a user of its own
    folder.mkdir()
    (folder / f"{document['slug']}.yaml").write_bytes(msgspec.yaml.encode(document))


def _assistant(place: int, most_calls: int, *, models: bool) -> dict[str, Any]:
    ear, voice = {"use": "stt.mock", "config": {"latency_s": 0.15}}, {"use": "tts.mock", "config": {"latency_s": 0.08}}
    if models:
        ear, voice = {"use": "stt.whisper"}, {"use": "tts.kokoro"}
    mind = {"use": "llm.mock", "config": {"answers": _answers(place), "latency_s": 0.2, "word_s": 0.02}}
    stages = (("vad", {"use": "vad.silero"}), ("stt", ear), ("llm", mind), ("tts", voice))
    return {
        "name": f"a{place}",
        "numbers": [str(FIRST_NUMBER + place)],
        "texts": {"greeting": "Hello, how can I help you?"},
        "limits": {"max_concurrent_calls": most_calls, **LIMITS},
        "pipeline": [{"id": name, **stage} for name, stage in stages],
    }


def _answers(place: int) -> list[str]:
    """Of some 5 s each."""
    return [
        f"On {day} we are open from {8 + place % 4} until {14 + place % 7}, and parking costs {1 + place} dollars."
        for day in DAYS
    ]
