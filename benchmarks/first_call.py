"""The first call, measured: understands, answers right, answers fast, stops, holds.

    python -m benchmarks.first_call [--quick] [--check] [--only PART]

Full run: about 20 minutes on 2 cores, all bounds. `--quick`: at most 45 s on a quiet machine once the voices are
rendered (the first run renders them, which takes minutes), a stated subset with bounds of its own: a recording of each
language, 3 questions in calls that overlap and talk over the greeting, 10 calls with one turn each, hung up when the
answer has begun.
`--check`: exit 1 when a bound does not hold. The last line is one JSON object of all figures.

Peers in the same (full) run: faster-whisper's own `transcribe` (30 s window) for recognition; Okapi BM25 for retrieval
(of the questions as written); an idle reference clock for lateness.
"""

import asyncio
import os
import sys
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path

from rich.console import Console

from benchmarks.parts import answer, hold, lookup, stop, understand
from benchmarks.parts.callers import FIFTH, FIRST, FOURTH, SECOND, THIRD, Question, Utterance, questions, utterances
from benchmarks.parts.command import judged, options_of
from benchmarks.parts.judge import Report, percentile
from benchmarks.parts.served import Served, served

PARTS = ("understand", "look_up", "answer", "stop", "hold")
LANGUAGES = ("pt-BR", "en", "es")
WER_BOUND = {"pt-BR": 0.05, "en": 0.05, "es": 0.12}
DATA_DIR = Path(os.environ.get("ATENDE_DATA_DIR", ".atende")).resolve()
EVERY_SET = (FIRST, SECOND, THIRD, FOURTH, FIFTH)
BOUND_SETS = (FIRST, FIFTH)
"""The one that was written before the retriever and the one that is blind. The others are measured, without bounds."""
COUGHING_CALLS = 12
ENDS_CALLS = ("_06", "_10")
"""Recordings in which the caller asks for a person or says goodbye: nothing is left to interrupt behind them."""


def main() -> int:
    """Run the parts and judge them; the exit code."""
    parser = options_of(__doc__)
    parser.add_argument("--only", choices=PARTS, action="append")
    parser.add_argument("--set", choices=EVERY_SET, action="append", help="question sets to ask by voice; all")
    options = parser.parse_args()
    parts, sets = tuple(options.only or PARTS), tuple(options.set or EVERY_SET)
    return judged(
        "first_call", options, lambda report, out: asyncio.run(measure(report, parts, sets, options.quick, out))
    )


async def measure(report: Report, parts: tuple[str, ...], sets: tuple[str, ...], quick: bool, out: Console) -> None:
    """All parts that were asked for."""
    ear = understand.Ear(DATA_DIR)
    # In the quick run while the services start: no time of it is told, and nobody rings before it is over.
    recognised = asyncio.create_task(recognises(report, parts, ear, quick, out))
    if not quick:
        await recognised
    if "look_up" in parts and not quick:
        await looks_up(report)
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        mocked = stack.enter_async_context(served(_mock_stages(folder))) if "hold" in parts else None
        if quick and mocked is not None:
            # Both start at once; the one with mock stages costs nothing while nobody rings it.
            starting = asyncio.create_task(mocked)
        if "answer" in parts or "stop" in parts:
            out.print("answer, stop: starting the service (the first start renders the voices) …")
            async with served({}) as service:
                await recognised
                if "answer" in parts:
                    await answers(report, ear, service, sets, quick)
                if "stop" in parts and not quick:
                    await stops(report, service)
        await recognised
        if mocked is not None:
            out.print("hold: a service with mock stages …")
            await holds(report, await (starting if quick else mocked), quick)


async def recognises(report: Report, parts: tuple[str, ...], ear: understand.Ear, quick: bool, out: Console) -> None:
    """The part `understand`, in a thread."""
    if "understand" in parts:
        out.print("understand: recognising recorded callers …")
        await asyncio.to_thread(understands, report, ear, quick)


def understands(report: Report, ear: understand.Ear, quick: bool) -> None:
    """Word error rate by language over both speech sets; CPU against faster-whisper's own way."""
    for name in ("first",) if quick else ("first", "second", "third"):
        every = utterances(name)
        for language in LANGUAGES:
            own = [u for u in every if u.language == language][: 1 if quick else None]
            measured = ear.recognise(own)
            # Two short sentences are no sample: the subset's bound only catches what is broken.
            report.add(f"wer_{name}_{language}", measured.word_error_rate, most=0.25 if quick else WER_BOUND[language])
            if name == "first" and language == "pt-BR" and not quick:
                _against_stock(report, ear, own, measured)


def _against_stock(
    report: Report, ear: understand.Ear, own: list[Utterance], measured: "understand.Recognised"
) -> None:
    stock = ear.stock(own)
    ours_s = measured.cpu_s / max(1, measured.utterances)
    report.add("stt_cpu_s_per_utterance", ours_s, "s")
    report.add("stt_cpu_ratio_to_stock_whisper", ours_s / (stock.cpu_s / max(1, stock.utterances)), most=0.5)
    report.add("wer_first_pt-BR_stock_whisper", stock.word_error_rate)


async def looks_up(report: Report) -> None:
    """The retriever on the questions as they were written, against BM25; a near twin's documents beside them."""
    foreign, elapsed_ms = 0, []
    for folder in EVERY_SET:
        for language in ("pt-BR", "en"):
            found = await lookup.look_up([q for q in questions(folder, spoken=False) if q.lang == language])
            name = f"{folder}_{language}"
            report.add(f"text_right_{name}", found.right / max(1, found.answerable))
            report.add(f"text_asked_back_{name}", found.asked_back / max(1, found.answerable))
            report.add(f"text_first_by_bm25_{name}", found.first_by_keywords / max(1, found.answerable))
            report.add(f"text_unanswerable_{name}", found.asked - found.answerable)
            report.add(f"text_invented_{name}", found.invented)
            report.add(f"text_invented_back_{name}", found.invented_back)
            foreign += found.foreign
            elapsed_ms += found.elapsed_ms
    report.add("foreign_passages", foreign, most=0)
    report.add("retrieval_p95_ms", percentile(elapsed_ms, 0.95), "ms")


async def answers(report: Report, ear: understand.Ear, service: Served, sets: tuple[str, ...], quick: bool) -> None:
    """Right answers, none invented, and how fast, over real sockets."""
    every_set = answer.Answers()
    for folder in (FIRST,) if quick else sets:
        every = questions(folder)
        got = await answer.ask(service, _some(every) if quick else every, ear.transcribe, at_once=quick)
        _rightness(report, folder, got, quick)
        every_set.add(got)
    _latency(report, every_set, quick)
    if quick:
        stopped = [turn.barge_in_ms for r in every_set.results for turn in r.turns if turn.barge_in_ms is not None]
        _stops(report, stopped, least=2)


def _rightness(report: Report, folder: str, got: answer.Answers, quick: bool) -> None:
    every = [a for language in ("pt-BR", "en") for a in got.of(language, answerable=True)]
    if quick:
        # One question of a language is no sample: the subset's bound, on both, only catches what is broken.
        report.add(f"right_{folder}", sum(a.right for a in every) / max(1, len(every)), least=0.5)
    for language in ("pt-BR", "en"):
        own = [a for a in every if a.question.lang == language]
        rate = sum(a.right for a in own) / max(1, len(own))
        report.add(f"right_{folder}_{language}", rate, least=0.85 if folder in BOUND_SETS and not quick else None)
        report.add(f"right_passage_{folder}_{language}", sum(a.from_passage for a in own) / max(1, len(own)))
        report.add(f"asked_back_{folder}_{language}", sum(a.asked_back for a in own))
    unanswerable = [a for a in got.asked if a.question.document is None]
    report.add(f"unanswerable_asked_{folder}", len(unanswerable), least=1 if quick else 5)
    report.add(f"invented_{folder}", sum(a.invented for a in unanswerable), most=0 if folder in BOUND_SETS else None)
    report.add(f"asked_back_unanswerable_{folder}", sum(a.asked_back for a in unanswerable))
    for a in got.asked:
        if a.invented or (a.question.document is not None and not a.right):
            report.notes.append(
                f"{a.question.id}: asked “{a.question.text}”, understood “{a.understood}”, {a.intent} from "
                f"{a.passage_id}, heard “{a.heard[0]}”"
            )


def _some(every: list[Question]) -> list[Question]:
    """One in each language, and one without an answer."""
    answerable = [next(q for q in every if q.lang == language and q.document) for language in ("pt-BR", "en")]
    return [*answerable, next(q for q in every if not q.document)]


def _latency(report: Report, got: answer.Answers, quick: bool) -> None:
    """Of the answers that were rendered: speech end to first audio on the wire, and what of it is our own share."""
    rendered = [
        a
        for a in got.asked
        if a.intent == "answer" and a.response_ms is not None and a.waterfall and a.waterfall.first_audio is not None
    ]
    falls = [a.waterfall for a in rendered if a.waterfall]
    responses = [a.response_ms for a in rendered if a.response_ms is not None]
    # Calls that overlap recognise each other's speech too; the full run asks one at a time.
    report.add("answer_p50_ms", percentile(responses, 0.5), "ms", most=2200 if quick else 1600)
    report.add("answer_p95_ms", percentile(responses, 0.95), "ms", most=2500)
    report.add("turn_wait_ms", percentile([w.turn_wait or 0.0 for w in falls], 0.5), "ms", most=600)
    report.add("detection_p50_ms", percentile([answer.detection_ms(a) for a in rendered], 0.5), "ms")
    report.add("detection_p95_ms", percentile([answer.detection_ms(a) for a in rendered], 0.95), "ms")
    report.add("transcript_p50_ms", percentile([w.transcript or 0.0 for w in falls], 0.5), "ms")
    report.add("transcript_p95_ms", percentile([w.transcript or 0.0 for w in falls], 0.95), "ms")
    shares = [answer.own_share_ms(a) for a in rendered]
    report.add("own_share_p50_ms", percentile(shares, 0.5), "ms")
    report.add("own_share_p95_ms", percentile(shares, 0.95), "ms", most=120 if quick else 60)
    report.add("greeting_p50_ms", percentile(got.greetings_ms, 0.5), "ms", most=300)


async def stops(report: Report, service: Served) -> None:
    """How soon the assistant is silent when the caller speaks over it, and speaks on when it was a cough."""
    own = [u for u in utterances("first") if u.language in ("pt-BR", "en") and not u.path.stem.endswith(ENDS_CALLS)]
    measured = []
    for slug, language in (("clinica-sorriso", "pt-BR"), ("harbor-books", "en")):
        measured += await stop.interrupt(service, slug, [u for u in own if u.language == language])
    _stops(report, measured, least=16)
    coughs = await stop.cough(service, "clinica-sorriso", COUGHING_CALLS)
    held = [cough.barge_in_ms for cough in coughs if cough.barge_in_ms is not None]
    gone_on = [cough.response_ms for cough in coughs if cough.response_ms is not None]
    report.add("coughs_gone_on_after", len(gone_on), least=2 * COUGHING_CALLS)
    report.add("cough_hold_p50_ms", percentile(held, 0.5), "ms", most=220)
    report.add("cough_hold_p95_ms", percentile(held, 0.95), "ms", most=250)
    report.add("cough_end_to_speech_p50_ms", percentile(gone_on, 0.5), "ms")
    report.add("cough_end_to_speech_p95_ms", percentile(gone_on, 0.95), "ms", most=400)


def _stops(report: Report, measured: list[float], *, least: int) -> None:
    report.add("interruptions", len(measured), least=least)
    report.add("stop_p50_ms", percentile(measured, 0.5), "ms")
    report.add("stop_p95_ms", percentile(measured, 0.95), "ms", most=250)


def _mock_stages(folder: Path) -> dict[str, str]:
    """The settings of a service with one tenant of mock stages."""
    return {
        "ATENDE_TENANTS_DIR": str(hold.tenants_folder(folder / "tenants")),
        "ATENDE_DATA_DIR": str(folder / "data"),
        "ATENDE_MODELS_DIR": str(DATA_DIR / "models"),
    }


async def holds(report: Report, service: Served, quick: bool) -> None:
    """Ten calls at once with mock stages: lateness of what comes, and what an idle call costs."""
    held = await hold.hold(service, 10, 10 if quick else 60, to_the_end=not quick)
    worst = [r.downlink.lateness.p999_ms for r in held.results if r.downlink.lateness is not None]
    report.add("hold_calls", len(worst), least=10)
    report.add("hold_lateness_p999_ms", max(worst, default=float("nan")), "ms", most=40)
    report.add("hold_cpu_share", held.cpu_share)
    report.add("hold_reference_p99_ms", held.reference.p99_ms, "ms")
    report.add("hold_excluded_share", held.reference.excluded_share, most=0.01)
    idle = held.bytes_per_call if quick else await hold.idle_bytes(service, 20)
    report.add("talking_call_mb" if quick else "idle_call_mb", idle / 1e6, "MB", most=4)


if __name__ == "__main__":
    sys.exit(main())
