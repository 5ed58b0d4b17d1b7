"""What `atende call` prints while it runs: from where each latency counts."""

import io

from rich.console import Console

from control.cli.call_print import CallPrinter
from control.peer import WireEvent


def test_a_latency_says_from_where_it_counts() -> None:
    printed = io.StringIO()
    printer = CallPrinter(Console(file=printed, width=120))
    for event in (
        WireEvent(t_ms=100, what="assistant_speaks", ms=95),
        WireEvent(t_ms=2000, what="caller_silent"),
        WireEvent(t_ms=3812, what="assistant_speaks", ms=1812),
        WireEvent(t_ms=4000, what="assistant_silent", ms=150),
    ):
        printer.event(event)
    told = [line.partition("  assistant ")[2].rstrip() for line in printed.getvalue().splitlines()]
    assert [" ".join(line.split()) for line in told if line] == [
        "speaks 95 ms after the answer",
        "speaks 1812 ms after the caller's last word",
        "is silent 150 ms after being interrupted",
    ]
