"""The mock stages of density's calls, ours and stock's alike, and a tenant that is made of them."""

from pathlib import Path

import msgspec

from processors.llm.mock import MockLlmConfig
from processors.stt.mock import MockSttConfig
from processors.tts.mock import MockTtsConfig

TURN_WAIT_S = 0.2
STT = MockSttConfig(latency_s=0.15)
LLM = MockLlmConfig(
    latency_s=0.2,
    word_s=0.02,
    answers=("Yes, we are open on Saturdays. You can come in between nine and half past twelve.",),
)
TTS = MockTtsConfig(latency_s=0.08)

SLUG = "bench-density"


def tenants_folder(folder: Path) -> Path:
    """A folder with one tenant that takes any number of calls, for as long as they last."""
    stages = [("vad", "vad.silero", None), ("stt", "stt.mock", STT), ("llm", "llm.mock", LLM), ("tts", "tts.mock", TTS)]
    assistant = {
        "name": "mock",
        "numbers": ["3000"],
        "record": False,
        "turn": {"wait_s": TURN_WAIT_S},
        "limits": {"max_concurrent_calls": 1000, "max_turns": 1000, "max_call_s": 3600, "silence_s": 300},
        "pipeline": [
            {"id": name, "use": use, "config": {} if config is None else msgspec.to_builtins(config)}
            for name, use, config in stages
        ],
    }
    document = {
        "slug": SLUG,
        "id": "0d9f3a52-6b1e-4c0e-9d7a-5b8c2f4e6a11",
        "domain": "density.example.net",
        "name": "Density",
        "language": "en",
        "assistants": [assistant],
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{SLUG}.yaml").write_bytes(msgspec.yaml.encode(document))
    return folder
