"""What `atende call` shows on a terminal: the wire of one call, as it happens and at its end."""

from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from control.peer import CallResult, WireEvent

LINES: dict[str, str] = {
    "ringing": "[dim]ringing[/]",
    "connected": "[dim]the service took the connection[/]",
    "answered": "[green]answered[/]",
    "media": "[dim]audio opened[/]",
    "media_ended": "[dim]audio ended[/]",
    "assistant_speaks": "[cyan]assistant speaks[/]",
    "assistant_silent": "[cyan]assistant is silent[/]",
    "caller_speaks": "[yellow]caller speaks[/]",
    "caller_silent": "[yellow]caller has spoken[/]",
    "dtmf": "[yellow]caller presses[/]",
    "caller_writes": "[yellow]caller writes[/]",
    "text": "[cyan]assistant writes[/]",
    "door": "[red]the dialplan goes on to door[/]",
    "ended": "[bold]ended[/]",
}


class CallPrinter:
    """Prints to one console. Times are seconds after the first ring."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._asked = False

    def event(self, event: WireEvent) -> None:
        """One line, as it happens."""
        self._asked = self._asked or event.what == "caller_silent"
        latency = f"  [bold]{event.ms:.0f} ms[/] {self._since(event)}" if event.ms is not None else ""
        self._console.print(f"{event.t_ms / 1000:8.2f}  {LINES[event.what]} {escape(event.detail)}{latency}")

    def _since(self, event: WireEvent) -> str:
        """From where its latency counts."""
        if event.what == "assistant_silent":
            return "after being interrupted"
        return "after the caller's last word" if self._asked else "after the answer"

    def result(self, result: CallResult, recording: Path | None) -> None:
        """The figures at the end."""
        table = Table("said", "answered after", "interrupted voice stopped after", box=None)
        for turn in result.turns:
            table.add_row(escape(turn.name), _ms(turn.response_ms), _ms(turn.barge_in_ms))
        self._console.print()
        self._console.print(
            f"answered after {_ms(result.answered_ms)}, first voice {_ms(result.greeting_ms)} after the answer"
        )
        if result.turns:
            self._console.print(table)
        down = result.downlink
        if (late := down.lateness) is not None:
            figures = f"p50 {late.p50_ms:.1f}, p99 {late.p99_ms:.1f}, p99.9 {late.p999_ms:.1f} ms"
            self._console.print(
                f"{down.datagrams} datagrams heard, lateness {figures}, longest gap {down.longest_gap_ms:.0f} ms"
            )
        for hazard in result.hazards:
            self._console.print(f"[red]dangerous on a real switch:[/] {escape(hazard)}")
        if recording is not None and result.answered:
            self._console.print(f"recording: {escape(str(recording))}")


def _ms(value: float | None) -> str:
    return "–" if value is None else f"{value:.0f} ms"
