"""A voice: cached where it can be, rendered clause by clause where it cannot."""

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from base.ids import TenantId
from processors.compute import ComputeLanes
from processors.tts.cache import DiskCache, MemoryCache
from processors.tts.engine import SAMPLE_RATE, Samples
from processors.tts.mouth import CLAUSE_PAUSE_S, SENTENCE_PAUSE_S, WORD_PAUSE_S, Manner, OwnMouth, pause_after
from processors.tts.speaker import Speaker
from processors.tts.voices import Voice

TENANT, OTHER = TenantId("a"), TenantId("b")
MANNER = Manner(voice="v", language="pt-BR", speech="pt-br", speed=1.0)
TEXT = "Abrimos de segunda a sexta, das 8h às 18h. Quer marcar?"
CLAUSES = ["Abrimos de segunda a sexta,", "das oito horas às dezoito horas.", "Quer marcar?"]


@dataclass
class Humming:
    """An engine that hums a tenth of a second per word and remembers what it was given."""

    rendered: list[str] = field(default_factory=list)
    before: Callable[[], object] = lambda: None

    def render(self, text: str, voice: Voice, language: str, speed: float) -> Samples:
        self.before()
        self.rendered.append(text)
        time = np.arange(len(text.split()) * SAMPLE_RATE // 10) / SAMPLE_RATE
        return (0.5 * np.sin(2 * np.pi * 400 * time)).astype(np.float32)


@pytest.fixture
def engine() -> Humming:
    return Humming()


@pytest.fixture
def speaker(engine: Humming, lanes: ComputeLanes, tmp_path: Path) -> Speaker:
    return make(engine, lanes, tmp_path)


def make(engine: Humming, lanes: ComputeLanes, folder: Path) -> Speaker:
    voices = {"v": np.zeros((510, 1, 256), dtype=np.float32)}
    return Speaker(
        mouth=OwnMouth(engine, voices, lanes), model="m", compute=lanes, memory=MemoryCache(), disk=DiskCache(folder)
    )


async def said(speaker: Speaker, text: str, rate: int = 8000, tenant: TenantId = TENANT) -> list[bytes]:
    return [pcm async for pcm in speaker.say(tenant, text, MANNER, rate)]


@pytest.mark.parametrize("rate", [8000, 16000])
async def test_what_is_not_known_is_rendered_clause_by_clause(speaker: Speaker, engine: Humming, rate: int) -> None:
    pieces = await said(speaker, TEXT, rate)
    assert engine.rendered == CLAUSES
    assert len(pieces) == 3
    words = sum(len(clause.split()) for clause in CLAUSES)
    seconds = words / 10 + CLAUSE_PAUSE_S + 2 * SENTENCE_PAUSE_S
    assert sum(map(len, pieces)) / 2 / rate == pytest.approx(seconds, abs=0.002)


async def test_the_resampler_leaves_no_seam(speaker: Speaker) -> None:
    (first, second, _) = await said(speaker, TEXT)
    joined = np.frombuffer(first + second, dtype="<i2").astype(float)
    seam = len(first) // 2
    around = np.abs(np.diff(joined[seam - 80 : seam + 80]))
    assert around.max() <= np.abs(np.diff(joined)).max()
    assert np.abs(joined).max() == pytest.approx(0.5 * 32767, rel=0.05)


async def test_what_was_said_is_not_rendered_again_but_stays_out_of_the_disk(
    speaker: Speaker, engine: Humming, tmp_path: Path
) -> None:
    first = await said(speaker, TEXT)
    again = await said(speaker, TEXT)
    assert b"".join(again) == b"".join(first)
    assert engine.rendered == CLAUSES
    assert not any(os.scandir(tmp_path))


async def test_what_was_rehearsed_is_said_at_once_at_any_rate_and_after_a_restart(
    speaker: Speaker, engine: Humming, lanes: ComputeLanes, tmp_path: Path
) -> None:
    await speaker.rehearse(TENANT, TEXT, MANNER)
    rendered = ["Abrimos de segunda a sexta, das oito horas às dezoito horas.", "Quer marcar?"]
    assert engine.rendered == rendered
    restarted = make(engine, lanes, tmp_path)
    await restarted.rehearse(TENANT, TEXT, MANNER)
    for rate in (8000, 16000):
        for voice in (speaker, restarted):
            assert len(await said(voice, "Quer marcar?", rate)) == 1
            assert len(await said(voice, TEXT, rate)) == 2
    assert engine.rendered == rendered


async def test_another_tenant_never_hears_it(speaker: Speaker, engine: Humming) -> None:
    await speaker.rehearse(TENANT, "Quer marcar?", MANNER)
    await said(speaker, "Quer marcar?", tenant=OTHER)
    assert engine.rendered == ["Quer marcar?", "Quer marcar?"]


async def test_a_full_disk_does_not_stop_a_rehearsal(
    speaker: Speaker, engine: Humming, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(DiskCache, "write", full)
    await speaker.rehearse(TENANT, "Quer marcar?", MANNER)
    assert await said(speaker, "Quer marcar?")
    assert engine.rendered == ["Quer marcar?"]


async def test_a_listener_who_leaves_stops_the_rendering(speaker: Speaker, engine: Humming) -> None:
    pieces = speaker.say(TENANT, TEXT, MANNER, 8000)
    assert await anext(pieces)
    await pieces.aclose()
    assert engine.rendered == CLAUSES[:1]


async def test_rendering_is_off_the_event_loop(speaker: Speaker, engine: Humming) -> None:
    threads = set[int]()
    engine.before = lambda: threads.add(threading.get_ident())
    await said(speaker, TEXT)
    await speaker.rehearse(TENANT, "Até logo!", MANNER)
    assert threads
    assert threading.get_ident() not in threads


def test_the_mark_decides_the_pause() -> None:
    assert pause_after("Até logo!") == pause_after('"Até logo."') == SENTENCE_PAUSE_S
    assert pause_after("Bom dia,") == CLAUSE_PAUSE_S
    assert pause_after("na Avenida") == WORD_PAUSE_S
