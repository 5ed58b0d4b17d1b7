"""A benchmark as a command: its options, the table for people, the last line, and the exit code."""

import argparse
import time
from collections.abc import Callable

from rich.console import Console

from benchmarks.parts.judge import Report


def options_of(doc: str | None) -> argparse.ArgumentParser:
    """What every benchmark takes; `doc` is its module's."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--check", action="store_true")
    return parser


def judged(name: str, options: argparse.Namespace, measure: Callable[[Report, Console], None]) -> int:
    """Measure and tell; 1 when a bound does not hold and `--check` was given."""
    out, report = Console(stderr=True), Report(name, "quick" if options.quick else "full")
    began = time.monotonic()
    measure(report, out)
    report.add("seconds", time.monotonic() - began, "s")
    report.show(out)
    print(report.last_line())
    return 1 if options.check and report.short else 0
