"""The processor of `stt.whisper` among frames, with a recogniser that says what it was told to say."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from pipecat.frames.frames import (
    ErrorFrame,
    Frame,
    InputAudioRawFrame,
    InterruptionFrame,
    STTMetadataFrame,
    STTUpdateSettingsFrame,
    TranscriptionFrame,
    UserStartedSpeakingFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.services.settings import STTSettings
from pipecat.tests.utils import SleepFrame, run_test
from pipecat.transcriptions.language import Language

from processors.compute import ComputeLanes
from processors.stt.ears import OwnEars
from processors.stt.recogniser import DEFAULT_PROMPTS, Recognition, Samples
from processors.stt.service import Hearing, WhisperSttService

RATE = 8000
SURE, SILENT = (-0.1, 0.01), (-1.5, 0.95)


@dataclass
class Scripted:
    """A recogniser with a script; remembers what it heard."""

    script: Sequence[Recognition]
    before: Callable[[], object] = lambda: None
    heard: list[float] = field(default_factory=list)
    """Seconds of each utterance."""
    threads: set[int] = field(default_factory=set)

    def recognise(self, samples: Samples, language: str, prompt: str, beam_size: int) -> Recognition:
        assert (language, prompt, beam_size) == ("pt", "Olá!", 2)
        self.threads.add(threading.get_ident())
        self.heard.append(len(samples) / 16_000)
        self.before()
        return self.script[len(self.heard) - 1]


def service(recogniser: Scripted, lanes: ComputeLanes, timeout_s: float = 5.0) -> WhisperSttService:
    hearing = Hearing(
        ears=OwnEars(recogniser, lanes),  # type: ignore[arg-type]
        language="pt",
        prompt="Olá!",
        beam_size=2,
        timeout_s=timeout_s,
    )
    return WhisperSttService(hearing, RATE)


def utterance(seconds: float) -> list[Frame]:
    chunk = InputAudioRawFrame(b"\1\0" * (RATE // 10), RATE, 1)
    audio = [InputAudioRawFrame(chunk.audio, RATE, 1) for _ in range(round(seconds * 10))]
    stopped = VADUserStoppedSpeakingFrame(stop_secs=0.2, timestamp=time.time())
    return [VADUserStartedSpeakingFrame(), *audio, stopped]


def said(*texts: str) -> list[Recognition]:
    return [Recognition(text, *SURE) for text in texts]


def transcripts(frames: Sequence[Frame]) -> list[str]:
    return [frame.text for frame in frames if isinstance(frame, TranscriptionFrame)]


async def test_each_utterance_has_one_final_transcript_and_no_audio_passes(lanes: ComputeLanes) -> None:
    recogniser = Scripted(said("Bom dia.", "Quero marcar."))
    frames = [*utterance(1.0), SleepFrame(0.1), *utterance(2.0)]
    down, _ = await run_test(service(recogniser, lanes), frames_to_send=frames)
    assert transcripts(down) == ["Bom dia.", "Quero marcar."]
    assert all(frame.finalized for frame in down if isinstance(frame, TranscriptionFrame))
    assert recogniser.heard == [1.0, 2.0]
    assert threading.get_ident() not in recogniser.threads
    assert not [frame for frame in down if isinstance(frame, InputAudioRawFrame)]
    assert [frame for frame in down if isinstance(frame, STTMetadataFrame)]


async def test_what_waits_when_the_caller_goes_on_is_recognised_with_the_rest(lanes: ComputeLanes) -> None:
    gate = threading.Event()
    recogniser = Scripted(said("um", "dois três"), before=lambda: gate.wait(5))
    frames = [*utterance(1.0), SleepFrame(0.1), *utterance(0.5), SleepFrame(0.05), *utterance(0.5)]
    worker = service(recogniser, lanes)
    timer = threading.Timer(0.5, gate.set)
    timer.start()
    down, _ = await run_test(worker, frames_to_send=frames)
    timer.join()
    assert transcripts(down) == ["um", "dois três"]
    assert recogniser.heard == [1.0, 1.0]


async def test_the_callers_words_survive_an_interruption(lanes: ComputeLanes) -> None:
    recogniser = Scripted(said("Espera!"), before=lambda: time.sleep(0.05))
    down, _ = await run_test(service(recogniser, lanes), frames_to_send=[*utterance(1.0), InterruptionFrame()])
    assert transcripts(down) == ["Espera!"]


async def test_noise_outside_a_turn_says_nothing(lanes: ComputeLanes) -> None:
    recogniser = Scripted([Recognition("Legendas pela comunidade", *SILENT)])
    down, _ = await run_test(service(recogniser, lanes), frames_to_send=utterance(0.5))
    assert transcripts(down) == []


async def test_noise_inside_a_turn_tells_not_to_wait(lanes: ComputeLanes) -> None:
    recogniser = Scripted([Recognition("Legendas pela comunidade", *SILENT)])
    frames = [UserStartedSpeakingFrame(), SleepFrame(0.05), *utterance(0.5)]
    down, _ = await run_test(service(recogniser, lanes), frames_to_send=frames)
    assert transcripts(down) == [""]
    assert [frame.finalized for frame in down if isinstance(frame, TranscriptionFrame)] == [True]


async def test_a_recogniser_that_hangs_or_breaks_is_an_error_and_the_next_utterance_is_heard(
    lanes: ComputeLanes,
) -> None:
    gate = threading.Event()
    steps: list[Callable[[], object]] = [lambda: gate.wait(5), _broken, lambda: None]

    def misbehave() -> None:
        steps.pop(0)()

    recogniser = Scripted(said("", "", "Alô?"), before=misbehave)
    frames = [*utterance(0.5), SleepFrame(0.4), *utterance(0.5), SleepFrame(0.1), *utterance(0.5)]
    threading.Timer(0.3, gate.set).start()
    down, up = await run_test(service(recogniser, lanes, timeout_s=0.2), frames_to_send=frames)
    errors = [frame.error for frame in up if isinstance(frame, ErrorFrame)]
    assert transcripts(down) == ["Alô?"]
    assert len(errors) == 2
    assert "within" in errors[0]
    assert "broken" in errors[1]


def _broken() -> None:
    raise RuntimeError("broken")


async def test_another_language_is_understood_when_it_is_told_and_the_own_prompt_comes_back(
    lanes: ComputeLanes,
) -> None:
    asked: list[tuple[str, str]] = []

    class Noting(Scripted):
        def recognise(
            self, samples: Samples, language: str, prompt: str, beam_size: int, *, tell_language: bool = False
        ) -> Recognition:
            asked.append((language, prompt))
            assert tell_language
            return Recognition("sim", *SURE, "en")

    hearing = replace(service(Noting([]), lanes)._hearing, tell_language=True)
    steps: list[Frame | SleepFrame] = [*utterance(1.0), SleepFrame(0.1)]
    for language in ("en", "fr", "pt-BR"):
        update = STTUpdateSettingsFrame(delta=STTSettings(language=language))
        steps += [update, SleepFrame(0.05), *utterance(1.0), SleepFrame(0.1)]
    down, _ = await run_test(WhisperSttService(hearing, RATE), frames_to_send=steps)
    assert asked == [("pt", "Olá!"), ("en", DEFAULT_PROMPTS["en"]), ("en", DEFAULT_PROMPTS["en"]), ("pt", "Olá!")]
    assert [frame.language for frame in down if isinstance(frame, TranscriptionFrame)] == [Language.EN] * 4
