"""What one process with the models of a node saves, and what asking it costs a caller.

    python -m benchmarks.models_role [--quick] [--check]

Memory: `serve --workers 2` with the example tenants, once with the models in each process (ATENDE_MODELS_URL=own), once
in one process for all; the sum of all processes' proportional set size (PSS), the database's left out.
Latency: recorded callers are recognised and sentences spoken in this process and by that one, in turn, nothing else
being asked of either: until the transcript, and until the voice's first audio.

Full run: about 4 minutes. `--quick`: at most 50 s once the voices are rendered. Two nodes that begin one after the
other take longer than that, so it leaves the comparison of memory out (one node begins, that with one process for the
models; what it takes is told and not judged) and has fewer recordings and sentences, with bounds of its own. `--check`:
exit 1 when a bound does not hold. The last line is one JSON object of all figures. Peer in the same run: the same
models in this process.
"""

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from itertools import cycle, islice
from pathlib import Path

import msgspec
import soundfile
from msgspec import Struct
from rich.console import Console

from base.languages import primary
from benchmarks.parts.callers import utterances
from benchmarks.parts.command import judged, options_of
from benchmarks.parts.judge import Report, percentile
from benchmarks.parts.own_node import OwnNode, own_node
from control import logs
from processors.compute import ComputeLanes
from processors.models.store import ModelStore
from processors.served.client import open_models
from processors.served.protocol import HEALTH
from processors.served.stages import ServedEars, ServedMouth
from processors.served.transport import client_of
from processors.stt.ears import Asked, Ears, Recognisers
from processors.stt.recogniser import DEFAULT_PROMPTS
from processors.tts.mouth import MODELS, Engines, Manner, Mouth

DATA_DIR = Path(os.environ.get("ATENDE_DATA_DIR", ".atende")).resolve()
MODELS_DIR = Path(os.environ.get("ATENDE_MODELS_DIR", str(DATA_DIR / "models"))).resolve()
WHISPER = "whisper-base"
MANNERS = {
    "pt": Manner(voice="pf_dora", language="pt-BR", speech="pt-br", speed=1.0),
    "en": Manner(voice="af_heart", language="en", speech="en-us", speed=1.0),
}
SENTENCES = (
    ("pt", "Abrimos de segunda a sexta, das oito horas às dezoito horas."),
    ("en", "Yes, we do, but please bring the receipt."),
    ("pt", "A consulta custa cento e cinquenta reais."),
    ("en", "We are open until six."),
    ("pt", "Pode ser na quinta, às dez horas?"),
    ("en", "On Saturdays, we close at one."),
)


class Size(Struct, frozen=True):
    """How many of each, and what has to hold."""

    utterances: int
    sentences: int
    most_ratio: float
    """Of the medians: by the server, against this process."""
    compares_memory: bool
    """With a node whose processes have the models each, which has to begin first."""


FULL = Size(24, 18, 1.2, compares_memory=True)
QUICK = Size(4, 3, 1.5, compares_memory=False)
"""So few are no sample: the bound only catches what is broken."""
MOST_MEMORY = 0.75
"""With one process for the models, against each for itself."""
MOST_SOCKET_MS = 20.0


class Pair(Struct):
    """The same, done in this process and by the server; milliseconds."""

    own_ms: list[float] = msgspec.field(default_factory=list)
    served_ms: list[float] = msgspec.field(default_factory=list)
    different: int = 0


def main() -> int:
    """Measure and judge; the exit code."""
    options = options_of(__doc__).parse_args()
    size = QUICK if options.quick else FULL
    return judged("models_role", options, lambda report, out: asyncio.run(measure(report, size, out)))


async def measure(report: Report, size: Size, out: Console) -> None:
    """Memory of both, then latency beside the second node, which nobody rings."""
    logs.configure("console", "error")
    with tempfile.TemporaryDirectory() as folder:
        own_mb = None
        if size.compares_memory:
            out.print("memory: a node whose processes have the models each …")
            async with own_node(Path(folder) / "own", DATA_DIR, MODELS_DIR, models_url="own") as each:
                own_mb = _memory(report, "each", each)
        out.print("memory: a node with a process for the models …")
        async with own_node(Path(folder) / "one", DATA_DIR, MODELS_DIR, models_url="") as one:
            one_mb = _memory(report, "one", one)
            if own_mb is not None:
                report.add("pss_ratio", one_mb / own_mb, most=MOST_MEMORY)
            out.print("latency: in this process, and by that one, in turn …")
            await _latencies(report, one, size)


def _memory(report: Report, name: str, node: OwnNode) -> float:
    """Of all of its processes, in MB."""
    found = node.pss_mb()
    report.add(f"pss_{name}_mb", sum(found.values()), "MB")
    report.notes.append(f"{name}: " + ", ".join(f"{role} {mb:.0f} MB" for role, mb in sorted(found.items())))
    return sum(found.values())


async def _latencies(report: Report, node: OwnNode, size: Size) -> None:
    lanes, store = ComputeLanes(), ModelStore(DATA_DIR, root=MODELS_DIR)
    voices = {manner.voice for manner in MANNERS.values()}
    try:
        own_ears = await Recognisers().ears(WHISPER, None, store, lanes)
        own_mouth = await Engines().mouth("onnx", None, voices, store, lanes)
        async with open_models(node.models_url) as server:
            await server.model(WHISPER)
            await server.model(MODELS["onnx"])
            heard = await _hearing(own_ears, ServedEars(server, WHISPER), size)
            spoken = await _speaking(own_mouth, ServedMouth(server, MODELS["onnx"], None), size)
        _pair(report, "transcript", heard, size)
        _pair(report, "first_audio", spoken, size)
        report.add("different_transcripts", heard.different, most=0)
        socket_ms = await _round_trips(node.models_url)
        report.add("socket_p50_ms", percentile(socket_ms, 0.5), "ms", most=MOST_SOCKET_MS)
        report.add("socket_p95_ms", percentile(socket_ms, 0.95), "ms")
    finally:
        lanes.close()


def _pair(report: Report, name: str, pair: Pair, size: Size) -> None:
    for side, found in (("own", pair.own_ms), ("served", pair.served_ms)):
        for mark, q in (("p50", 0.5), ("p95", 0.95)):
            report.add(f"{name}_{side}_{mark}_ms", percentile(found, q), "ms")
    ratio = percentile(pair.served_ms, 0.5) / percentile(pair.own_ms, 0.5)
    report.add(f"{name}_ratio", ratio, most=size.most_ratio)
    report.add(f"{name}_pairs", len(pair.own_ms))


async def _hearing(own: Ears, served: Ears, size: Size) -> Pair:
    every, pair = utterances("first"), Pair()
    for utterance in every[:: max(1, len(every) // size.utterances)][: size.utterances]:
        samples, rate = soundfile.read(utterance.path, dtype="int16")
        language = primary(utterance.language)
        asked = Asked(language=language, prompt=DEFAULT_PROMPTS[language], beam_size=5)
        here = await _timed(pair.own_ms, lambda: own.recognise(samples.tobytes(), rate, asked))  # noqa: B023
        there = await _timed(pair.served_ms, lambda: served.recognise(samples.tobytes(), rate, asked))  # noqa: B023
        pair.different += here != there
    return pair


async def _speaking(own: Mouth, served: Mouth, size: Size) -> Pair:
    pair = Pair()
    for language, sentence in islice(cycle(SENTENCES), size.sentences):
        for mouth, took_ms in ((own, pair.own_ms), (served, pair.served_ms)):
            await _timed(took_ms, lambda: _first(mouth, sentence, MANNERS[language]))  # noqa: B023
    return pair


async def _first(mouth: Mouth, text: str, manner: Manner) -> int:
    async with aclosing(mouth.speak(text, manner)) as pieces:
        return len((await anext(pieces)).samples)


async def _timed(took_ms: list[float], work: Callable[[], Awaitable[object]]) -> object:
    began = time.perf_counter()
    found = await work()
    took_ms.append((time.perf_counter() - began) * 1e3)
    return found


async def _round_trips(url: str, count: int = 200) -> list[float]:
    """Of the smallest question there is."""
    took_ms: list[float] = []
    async with client_of(url, "benchmark", None) as client:
        for _ in range(count):
            await _timed(took_ms, lambda: client.get(HEALTH))
    return took_ms


if __name__ == "__main__":
    sys.exit(main())
