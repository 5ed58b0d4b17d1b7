"""A model's weights in seven bits: what is stored, and that it is the same model."""

import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from processors.models.store import ModelStore
from processors.stt.recogniser import DEFAULT_PROMPTS, MODEL_RATE, Recogniser
from processors.stt.reduced import MODEL_FILE, ModelFormatError, reduced, reduced_folder

FLOAT32, INT8, FLOAT16 = 0, 1, 4


def variable(name: str, kind: int, values: np.ndarray) -> bytes:
    raw = name.encode() + b"\0"
    shape = struct.pack(f"<B{values.ndim}I", values.ndim, *values.shape)
    return struct.pack("<H", len(raw)) + raw + shape + struct.pack("<BI", kind, values.nbytes) + values.tobytes()


def model(*variables: bytes, version: int = 6) -> bytes:
    """As CTranslate2's `model_spec.py` writes it, with one alias at the end."""
    name = b"WhisperSpec\0"
    head = struct.pack("<IH", version, len(name)) + name + struct.pack("<II", 3, len(variables))
    return head + b"".join(variables) + struct.pack("<I", 1) + b"\x02\x00a\0\x02\x00b\0"


def test_only_matrices_of_weights_become_bytes() -> None:
    rows = np.array([[0.5, -1.0, 0.25], [0.0, 0.0, 0.0], [2.0, 1.0, -0.1]], dtype="<f2")
    bias = np.array([1.5, 2.5], dtype="<f2")
    heads = np.array([7], dtype="<i4")
    made = reduced(
        model(variable("l/weight", FLOAT16, rows), variable("l/bias", FLOAT16, bias), variable("h", 3, heads))
    )
    integers = np.array([[32, -64, 16], [0, 0, 0], [64, 32, -3]], dtype="i1")
    scales = np.array([64.0, 1.0, 32.0], dtype="<f4")
    assert made == model(
        variable("l/weight", INT8, integers),
        variable("l/weight_scale", FLOAT32, scales),
        variable("l/bias", FLOAT32, bias.astype("<f4")),
        variable("h", 3, heads),
    )


@pytest.mark.parametrize(
    ("broken", "told"),
    [(lambda whole: whole[:-20], "ends in the middle"), (lambda whole: b"\x05" + whole[1:], "version 5")],
)
def test_what_is_no_such_file_is_refused(broken: Callable[[bytes], bytes], told: str) -> None:
    whole = model(variable("l/bias", FLOAT16, np.zeros(64, dtype="<f2")))
    with pytest.raises(ModelFormatError, match=told):
        reduced(broken(whole))


def test_it_is_made_once_for_each_model_and_left_whole(tmp_path: Path) -> None:
    source = tmp_path / "some-model"
    source.mkdir()
    (source / "vocabulary.txt").write_text("a\nb\n")
    (source / MODEL_FILE).write_bytes(model(variable("l/bias", FLOAT16, np.zeros(4, dtype="<f2"))))
    first = reduced_folder(source, tmp_path / "kept")
    assert sorted(file.name for file in first.iterdir()) == [MODEL_FILE, "vocabulary.txt"]
    stamp = (first / MODEL_FILE).stat().st_mtime_ns
    assert reduced_folder(source, tmp_path / "kept") == first
    assert (first / MODEL_FILE).stat().st_mtime_ns == stamp

    (source / MODEL_FILE).write_bytes(model(variable("l/bias", FLOAT16, np.ones(4, dtype="<f2"))))
    second = reduced_folder(source, tmp_path / "kept")
    assert second != first
    assert {folder.name for folder in (tmp_path / "kept").iterdir()} == {first.name, second.name}


@pytest.mark.models
def test_no_weight_can_overflow_and_nothing_is_heard_in_silence(models: ModelStore) -> None:
    folder = models.path("whisper-base")
    recogniser = Recogniser(folder, threads=1, workers=1)
    made = reduced((folder / MODEL_FILE).read_bytes())
    assert len(made) < 0.55 * (folder / MODEL_FILE).stat().st_size
    found = recogniser.recognise(np.zeros(MODEL_RATE, dtype=np.float32), "pt", DEFAULT_PROMPTS["pt"], 1)
    assert found.no_speech > 0.6


@pytest.mark.models
def test_where_nothing_can_be_written_the_model_is_used_as_it_is(
    models: ModelStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(source: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("processors.stt.recogniser.reduced_folder", full)
    recogniser = Recogniser(models.path("whisper-base"), threads=1, workers=1)
    assert recogniser.recognise(np.zeros(MODEL_RATE, dtype=np.float32), "en", "", 1).no_speech > 0.3
