"""What a live call looks like on a terminal: who speaks, what was understood, found and said, and how fast."""

import time
from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.text import Text

from base.ids import CallId
from pipelines.calls import CallerSpeaking, Closed, Found, LiveEvent, Opened, Said, Understood, Waterfall
from pipelines.timeline import Moment

BAR_MS = 40
"""One block of the waterfall, in milliseconds."""

STEPS: tuple[tuple[str, str], ...] = (
    ("end of speech heard", "vad_stop"),
    ("turn wait", "turn_wait"),
    ("transcript", "transcript"),
    ("retrieval", "retrieved"),
    ("first sentence", "first_sentence"),
    ("first audio on the wire", "first_audio"),
)


def drawing(waterfall: Waterfall) -> list[str]:
    """The waterfall as lines of text: what each step added to the caller's wait, and where.

    A step that was over before the one above it added nothing: recognition usually ends inside the turn wait.
    """
    lines, reached = [], 0.0
    for label, field in STEPS:
        mark: float | None = getattr(waterfall, field)
        if mark is None:
            continue
        cost = max(0.0, mark - reached)
        bar = "█" * max(1, round(cost / BAR_MS)) if mark > reached else f"(was there after {mark:.0f} ms)"
        lines.append(f"{label:<24}{cost:5.0f} ms  {' ' * round(reached / BAR_MS)}{bar}")
        reached = max(reached, mark)
    if waterfall.first_audio is not None:
        lines.append(f"{'speech end to answer':<24}{waterfall.first_audio:5.0f} ms")
    return lines


def told(timeline: Sequence[Moment]) -> list[str]:
    """What happened in a call, as lines of text: seconds after the ring, and what it was."""
    return [f"{one.at_ms / 1000:8.2f} s  {one.what.replace('_', ' '):<18}{one.detail}".rstrip() for one in timeline]


class Show:
    """A `LiveFeed` that prints. Times are seconds after the call was let in."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._opened: dict[CallId, float] = {}

    def __call__(self, event: LiveEvent) -> None:
        match event:
            case Opened(call=call):
                self._opened[call.id] = time.monotonic()
                self._line(call.id, "call", f"{call.tenant_slug} / {call.assistant}, number {call.number}", "bold")
            case CallerSpeaking(call_id=call_id, speaking=True):
                self._line(call_id, "caller", "speaks …", "dim")
            case Understood(call_id=call_id, text=text):
                self._line(call_id, "caller", f"“{text}”" if text else "(nothing understood)", "cyan")
            case Found() as found:
                self._found(found)
            case Said() as said:
                self._said(said)
            case Closed(record=record):
                seconds = (record.ended_at - record.call.opened_at).total_seconds()
                self._line(record.call.id, "call", f"over after {seconds:.0f} s: {record.end_reason}", "bold")
                self._opened.pop(record.call.id, None)
            case _:
                pass

    def _found(self, found: Found) -> None:
        verdict = "answers" if found.sure else "asks back" if found.likely else "not sure enough"
        self._line(
            found.call_id, "found", f"{found.document} › {found.heading} ({found.score:.2f}, {verdict})", "yellow"
        )

    def _said(self, said: Said) -> None:
        cut = " ✂ interrupted: only this was heard" if said.interrupted else ""
        self._line(said.call_id, "voice", f"“{said.text}”{cut}", "green")
        for line in drawing(said.waterfall) if said.waterfall else ():
            self._console.print(Text(" " * 17 + line, style="dim"), soft_wrap=True)

    def _line(self, call_id: CallId, who: str, what: str, style: str) -> None:
        seconds = time.monotonic() - self._opened.get(call_id, time.monotonic())
        self._console.print(
            f"[dim]{seconds:6.2f} s[/] [{style}]{who:<7}[/] {escape(what)}", highlight=False, soft_wrap=True
        )
