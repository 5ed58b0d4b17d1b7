"""The figures of many calls. Pure; its memory does not grow with the length of the calls."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal

import msgspec
import numpy as np
import numpy.typing as npt
from msgspec import Struct

from control.peer.clock import ReferenceReport
from control.peer.result import CallResult

Floats = npt.NDArray[np.float64]

VOID_ABOVE_SHARE: Final = 0.01
"""Of the time in which the machine kept even an idle clock waiting: above it, lateness says nothing of the service."""
BIN_MS: Final = 0.1
LONGEST_MS: Final = 1000.0


class Spread(Struct, frozen=True, kw_only=True):
    """Percentiles (nearest rank) of some times, in milliseconds."""

    count: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float


class LoadReport(Struct, frozen=True, kw_only=True):
    """What a service did under many calls."""

    at_once: int
    """Calls that were wanted at once."""
    most_at_once: int
    planned_s: float
    seconds: float
    stopped: bool
    """It was ended before its time."""
    made: int
    ok: int
    """Answered, and ended by the caller, by the service's own good-bye, or by passing the caller on."""
    refused: Mapping[str, int]
    """Reason → calls that the service turned away before it answered."""
    failed: Mapping[str, int]
    """Reason → calls."""
    cut: int
    """Neither: not answered yet when everything was ended."""
    hazards: Mapping[str, int]
    """What a real FreeSWITCH may punish → calls."""
    answer: Spread | None
    """First ring → answered."""
    greeting: Spread | None
    """Answered → first sound of the greeting."""
    response: Spread | None
    """Caller's last speech sample → first sound of what was said next."""
    interruption: Spread | None
    """First speech sample of a caller who interrupts → last sound of the voice that was heard then."""
    cadence: Spread | None
    """How late each frame came against its stream's 20 ms grid; to 0.1 ms."""
    silences: int
    """Gaps of more than 60 ms on the wire."""
    peer: ReferenceReport
    """How late an idle clock of ours was meanwhile. Frames that came then are not in `cadence`."""
    peer_sending_late_ms: float
    """How late our own sending was, at worst."""
    void: bool
    """We were late too often ourselves: the times are not those of the service."""

    @property
    def good(self) -> bool:
        """Whether a call came to a good end and none to a bad one."""
        return self.ok > 0 and not self.failed and not self.hazards

    def save(self, path: Path) -> None:
        """Writes the report as JSON, indented."""
        path.write_bytes(msgspec.json.format(msgspec.json.encode(self), indent=2) + b"\n")


class Tally:
    """Counts calls as they end."""

    def __init__(self) -> None:
        self.made = self.ok = self.cut = self.most_at_once = self.silences = 0
        self.refused: Counter[str] = Counter()
        self.failed: Counter[str] = Counter()
        self.hazards: Counter[str] = Counter()
        self._answer: list[float] = []
        self._greeting: list[float] = []
        self._response: list[float] = []
        self._interruption: list[float] = []
        self._late = np.zeros(round(LONGEST_MS / BIN_MS) + 1, dtype=np.int64)
        self._sending_late_ms = 0.0

    def rung(self, at_once: int) -> None:
        """A call was begun; with it, so many run."""
        self.made += 1
        self.most_at_once = max(self.most_at_once, at_once)

    def ended(self, result: CallResult, late_ms: Floats, *, cut: bool) -> None:
        """A call is over. `cut`: it was hung up because everything is to end."""
        kind, reason = verdict(result, cut=cut)
        match kind:
            case "ok":
                self.ok += 1
            case "refused":
                self.refused[reason] += 1
            case "failed":
                self.failed[reason] += 1
            case "cut":
                self.cut += 1
        self.hazards.update(set(result.hazards))
        for values, value in ((self._answer, result.answered_ms), (self._greeting, result.greeting_ms)):
            if value is not None:
                values.append(value)
        self._response += [turn.response_ms for turn in result.turns if turn.response_ms is not None]
        self._interruption += [turn.barge_in_ms for turn in result.turns if turn.barge_in_ms is not None]
        self._sending_late_ms = max(self._sending_late_ms, result.uplink.late_max_ms)
        self.silences += result.downlink.gaps
        bins = np.minimum(np.rint(late_ms / BIN_MS).astype(np.int64), len(self._late) - 1)
        np.add.at(self._late, bins, 1)

    def crashed(self, why: str) -> None:
        """A call gave an order that kills a switch."""
        self.failed["the switch would have died"] += 1
        self.hazards[why] += 1

    def report(self, peer: ReferenceReport, *, at_once: int, planned_s: float, stopped: bool) -> LoadReport:
        """Everything so far."""
        return LoadReport(
            at_once=at_once,
            most_at_once=self.most_at_once,
            planned_s=planned_s,
            seconds=round(peer.seconds, 2),
            stopped=stopped,
            made=self.made,
            ok=self.ok,
            refused=dict(self.refused),
            failed=dict(self.failed),
            cut=self.cut,
            hazards=dict(self.hazards),
            answer=spread(self._answer),
            greeting=spread(self._greeting),
            response=spread(self._response),
            interruption=spread(self._interruption),
            cadence=self._cadence(),
            silences=self.silences,
            peer=peer,
            peer_sending_late_ms=self._sending_late_ms,
            void=peer.excluded_share > VOID_ABOVE_SHARE,
        )

    def _cadence(self) -> Spread | None:
        upto = np.cumsum(self._late)
        count = int(upto[-1])
        if not count:
            return None
        ranks = (np.searchsorted(upto, np.ceil(q * count)) for q in (0.50, 0.95, 0.99, 1.0))
        p50, p95, p99, longest = (round(float(rank) * BIN_MS, 1) for rank in ranks)
        return Spread(count=count, p50_ms=p50, p95_ms=p95, p99_ms=p99, max_ms=longest)


def verdict(result: CallResult, *, cut: bool) -> tuple[Literal["ok", "refused", "failed", "cut"], str]:
    """How a call went, and why."""
    if result.answered:
        if result.door == "failed":
            return "failed", "given back as failed after the answer"
        if result.ended_by == "service" and result.cause != "NORMAL_CLEARING":
            return "failed", f"hung up with {result.cause} after the answer"
        return "ok", ""
    if cut:
        return "cut", ""
    if result.connected_ms is None:
        return "failed", "no connection to the phone door"
    if result.ended_by == "caller":
        return "failed", "not answered while the caller waited"
    if result.door == "failed":
        return "failed", "given back as failed before the answer"
    return "refused", f"door {result.door}" if result.door else result.cause


def spread(values: list[float]) -> Spread | None:
    """Their percentiles; None of nothing."""
    if not values:
        return None
    p50, p95, p99, longest = np.percentile(values, [50, 95, 99, 100], method="inverted_cdf")
    return Spread(
        count=len(values),
        p50_ms=round(float(p50), 2),
        p95_ms=round(float(p95), 2),
        p99_ms=round(float(p99), 2),
        max_ms=round(float(longest), 2),
    )
