"""What it takes to parse and check tenants' documents, beside PyYAML reading the same bytes.

    python -m benchmarks.documents [--quick] [--check]

A document of 20 assistants with pipelines of their own; the same with a mistake in every assistant; and the largest
that is read at all (256 KiB). The peers are PyYAML's `CSafeLoader` (libyaml) and its pure `SafeLoader`, which only make
dicts: no place of a mistake, no type, no pipeline. Rounds take turns, so that neighbours on the machine slow all of
them alike; medians. Full run: some 20 s. `--quick`: fewer rounds. `--check`: exit 1 when a bound does not hold. The
last line is one JSON object of all figures.
"""

import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

import yaml

from benchmarks.parts.command import judged, options_of
from benchmarks.parts.judge import Report, percentile
from processors.catalog import Stages
from tenants.document import parse_document
from tenants.errors import DocumentError
from tenants.nodes import MAX_BYTES

HEAD: Final = """\
slug: acme
id: 6f1d2c0a-4b7e-4f7b-9a53-1c9e5d7a2b10
domain: acme.example.net
name: Acme
hours:
  - {name: shop, weekly: [{days: [mon, tue, wed, thu, fri], open: 08:00, close: 18:00}]}
destinations:
  - {name: sales, number: 200, hours: shop, default: true}
assistants:
"""
ASSISTANT: Final = """\
  - name: a{number}
    numbers: ["{number}00", {number}01]
    instructions: >-
      You are number {number}. Be warm and brief, and never talk for long.
    texts: {{greeting: "Hello, this is {number}.", farewell: Goodbye.}}
    turn: {{wait_s: 0.5, vad: {{stop_s: 0.3}}}}
    limits: {{max_turns: 10, silence_s: 8}}
    hours: shop
    keys: {{0: {{do: operator}}, 1: {{do: transfer, to: sales}}}}
    pipeline:
      - {{id: vad, use: vad.silero}}
      - {{id: stt, use: stt.whisper, config: {{beam_size: 1}}}}
      - {{id: rag, use: rag.retrieve, config: {{top_k: 3}}}}
      - {{id: llm, use: llm.openai, config: {{model: m, temperature: 0.2}}}}
      - {{id: tts, use: tts.kokoro, config: {{voice: af_heart}}}}
"""
ASSISTANTS: Final = 20


def main() -> int:
    """The exit code."""
    options = options_of(__doc__).parse_args()
    return judged("documents", options, lambda report, _: measure(report, rounds=15 if options.quick else 100))


def document(assistants: int) -> bytes:
    """A document of so many assistants."""
    return (HEAD + "".join(ASSISTANT.format(number=number) for number in range(10, 10 + assistants))).encode()


def measure(report: Report, rounds: int) -> None:
    """Milliseconds of each, and how they compare."""
    good, stages = document(ASSISTANTS), Stages()
    bad = good.replace(b"beam_size: 1", b"beam_sise: 1")
    largest = good + b"".join(b"# %060d\n" % line for line in range((MAX_BYTES - len(good)) // 63))
    assert len(largest) <= MAX_BYTES

    def mistakes() -> int:
        try:
            parse_document(bad, "x", stages)
        except DocumentError as error:
            return len(error.problems)
        return 0

    parse_document(good, "x", stages)
    report.add("mistakes_told", mistakes(), least=ASSISTANTS)
    took = medians_ms(
        {
            "good": lambda: parse_document(good, "x", stages),
            "bad": mistakes,
            "largest": lambda: parse_document(largest, "x", stages),
            "libyaml": lambda: yaml.load(good, Loader=yaml.CSafeLoader),
            "pure": lambda: yaml.safe_load(good),
        },
        rounds,
    )
    report.add("document_bytes", len(good))
    report.add("parse_and_check_ms", took["good"], "ms", most=50)
    report.add("with_20_mistakes_ms", took["bad"], "ms", most=50)
    report.add("largest_ms", took["largest"], "ms", most=100)
    report.add("libyaml_ms", took["libyaml"], "ms")
    report.add("pure_yaml_ms", took["pure"], "ms")
    report.add("ratio_to_libyaml", took["good"] / took["libyaml"], most=5)
    report.add("ratio_to_pure_yaml", took["good"] / took["pure"], most=1)


def medians_ms(works: Mapping[str, Callable[[], Any]], rounds: int) -> dict[str, float]:
    """Of the processor's time, so that a busy machine counts little."""
    took: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            began = time.process_time()
            work()
            took[name].append((time.process_time() - began) * 1e3)
    return {name: percentile(times, 0.5) for name, times in took.items()}


if __name__ == "__main__":
    sys.exit(main())
