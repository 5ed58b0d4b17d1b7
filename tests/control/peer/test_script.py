"""Script files: what is understood, and what is refused with which words."""

from pathlib import Path

import pytest

from control.peer import (
    Bursts,
    Codec,
    Dtmf,
    HangUp,
    Hears,
    Interrupt,
    Say,
    ScriptError,
    Wait,
    WaitFor,
    Write,
    load_script,
    question_and_answer,
)

WHOLE = """
codec: L16/16000
limit_s: 60
bursts: {every_s: 2, gap_ms: 80}
steps:
  - wait_for: speech_end
  - say: q1.wav
  - wait: 1.5
  - wait_for: {what: silence, quiet_ms: 700, limit_s: 15}
  - interrupt: {after_ms: 300, say: sub/q2.wav}
  - dtmf: "12#"
  - write: "Até que horas?"
  - hang_up
"""


def test_every_step_is_understood(tmp_path: Path) -> None:
    path = tmp_path / "call.yaml"
    path.write_text(WHOLE)
    script = load_script(path)
    assert script.codec is Codec.L16_16K
    assert script.bursts == Bursts(every_s=2, gap_ms=80)
    assert script.steps == (
        WaitFor(what=Hears.SPEECH_END),
        Say(tmp_path / "q1.wav"),
        Wait(1.5),
        WaitFor(what=Hears.SILENCE, quiet_ms=700, limit_s=15),
        Interrupt(after_ms=300, say=tmp_path / "sub/q2.wav"),
        Dtmf("12#"),
        Write("Até que horas?"),
        HangUp(),
    )


@pytest.mark.parametrize("codec", Codec)
def test_every_codec_is_written_by_its_value(codec: Codec, tmp_path: Path) -> None:
    path = tmp_path / "call.yaml"
    path.write_text(f"codec: {codec.value}\nsteps: [hang_up]")
    assert load_script(path).codec is codec


def test_json_is_the_same(tmp_path: Path) -> None:
    path = tmp_path / "call.json"
    path.write_text('{"steps": [{"say": "a.wav"}, {"hang_up": true}]}')
    assert load_script(path).steps == (Say(tmp_path / "a.wav"), HangUp())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("steps: [{say: a.wav, wait: 1}]", "step 1: must have exactly one of"),
        ("steps: [hang_up, {}]", "step 2: must have exactly one of"),
        ("steps: [{dtmf: '12x'}]", "step 1: dtmf takes the digits"),
        ("steps: [{write: ' '}]", "step 1: write takes some words"),
        ("steps: [hang_up, {shout: a.wav}]", "step 2: there is no step 'shout'; a step is one of say, wait, wait_for,"),
        ("steps: [{wiat: 1}]", "step 1: there is no step 'wiat'; did you mean 'wait'?"),
        ("steps: [hangup]", "step 1: there is no step 'hangup'; did you mean 'hang_up'?"),
        ("steps: [{wait: long}]", "step 1: wait: Expected `float"),
        ("steps: [{wait_for: speech_ned}]", "step 1: wait_for: there is no 'speech_ned'; did you mean 'speech_end'?"),
        ("steps: [{wait_for: zzz}]", "there are speech_start, speech_end, silence, hang_up"),
        ("steps: [{wait_for: {what: silence, quiet: 1}}]", "step 1: wait_for: Object contains unknown field `quiet`"),
        ("steps: [{say: }]", "step 1: must have exactly one of"),
        ("steps: [7]", "step 1: must have exactly one of"),
        ("codec: GSM\nsteps: []", "GSM"),
        ("steps: [", "call.yaml"),
        ("{}", "steps"),
    ],
)
def test_what_is_not_understood_is_refused(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "call.yaml"
    path.write_text(text)
    with pytest.raises(ScriptError, match=r"call\.yaml") as refused:
        load_script(path)
    assert words in str(refused.value)


def test_a_missing_or_huge_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ScriptError, match="cannot be read"):
        load_script(tmp_path / "gone.yaml")
    (tmp_path / "huge.yaml").write_bytes(b" " * 300_000)
    with pytest.raises(ScriptError, match="larger than"):
        load_script(tmp_path / "huge.yaml")


def test_questions_and_answers() -> None:
    script = question_and_answer((Path("a.wav"), Path("b.wav")))
    kinds = [type(step) for step in script.steps]
    assert kinds == [WaitFor, Say, WaitFor, Say, WaitFor, HangUp]
