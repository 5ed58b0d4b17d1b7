"""A million inputs that no codec was made for, against each codec: no hang, no memory without bound, no other error.

    python -m benchmarks.fuzz [--quick] [--check] [--only esl,door,…] [--inputs N] [--first N]

Inputs are numbered and always the same: input 0 of a codec is the first of its 20,000 in the tests too. They are made
of what a real FreeSWITCH sent and of the wire's grammar, made wrong and cut anywhere. Full run: about 25 minutes.
`--quick`: 10,000 of each. `--check`: exit 1 when a bound does not hold. An input that breaks a codec ends the run with
its number, and exit 1. The last line is one JSON object of all figures.
"""

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Sequence

import structlog
from rich.console import Console

from benchmarks.fuzzer.codec import BrokenError, Codec
from benchmarks.fuzzer.run import CODECS, HangError, Tally, fuzz
from benchmarks.parts.judge import Report

FULL, QUICK = 1_000_000, 10_000
LEAST_CHECKED = 20_000
"""As many as the tests have: fewer check nothing."""
WORST_INPUT_MS = 1000.0
"""CPU of one input, its making included; the floods of a media socket take the longest."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--only", default=",".join(codec.name for codec in CODECS), help="codecs, with commas")
    parser.add_argument("--inputs", type=int, help=f"of each codec; at least {LEAST_CHECKED} with --check")
    parser.add_argument("--first", type=int, default=0, help="the number of the first input")
    options = parser.parse_args(arguments)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    wanted, known = options.only.split(","), {codec.name: codec for codec in CODECS}
    if unknown := set(wanted) - set(known):
        parser.error(f"no codec {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    inputs = options.inputs if options.inputs is not None else QUICK if options.quick else FULL
    least = 1 if not options.check or options.inputs is None else LEAST_CHECKED
    if inputs < least:
        parser.error(f"--inputs {inputs}: at least {least}")
    report, errors = Report("fuzz", "quick" if options.quick else "full"), dict[str, dict[str, int]]()
    broken = None
    try:
        for name in wanted:
            began = time.process_time()
            tally = asyncio.run(fuzz(known[name], options.first, inputs))
            judge(report, known[name], tally, time.process_time() - began, inputs)
            errors[name] = dict(tally.refusals.most_common())
    except (BrokenError, HangError) as error:
        broken = str(error)
        report.notes.append(broken)
    report.show(Console(stderr=True))
    print(json.dumps({**json.loads(report.last_line()), "errors": errors, "broken": broken}))
    return 1 if broken or (options.check and report.short) else 0


def judge(report: Report, codec: Codec, tally: Tally, seconds: float, inputs: int) -> None:
    """The figures of one codec."""
    name = codec.name
    report.add(f"{name}_inputs", tally.inputs, least=inputs)
    report.add(f"{name}_bytes", tally.octets)
    report.add(f"{name}_seconds", seconds, "s of CPU")
    report.add(f"{name}_refused", tally.refusals.total())
    report.add(f"{name}_worst_buffer_bytes", tally.worst_buffered_bytes)
    report.add(f"{name}_worst_input_ms", tally.worst_input_s * 1000, "ms of CPU", most=WORST_INPUT_MS)


if __name__ == "__main__":
    sys.exit(main())
