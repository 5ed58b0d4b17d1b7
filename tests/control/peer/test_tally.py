"""The figures of many calls, with calls made by hand."""

from typing import Any

import numpy as np
import pytest

from control.peer.clock import ReferenceReport
from control.peer.result import CallResult, Downlink, SpokenTurn, Uplink
from control.peer.tally import LoadReport, Tally, spread, verdict

NOTHING = np.zeros(0)


def call(**parts: Any) -> CallResult:
    """A good call; `parts` of it are otherwise."""
    good: dict[str, Any] = {
        "call_id": "c", "tenant": "t", "number": "1", "codec": "PCMU", "sample_rate": 8000, "answered": True,
        "ended_by": "caller", "cause": "NORMAL_CLEARING", "door": None, "doors": (), "connected_ms": 1.0,
        "answered_ms": 50.0, "media_ms": 20.0, "greeting_ms": 80.0, "ended_ms": 900.0, "turns": (), "texts": (),
        "hazards": (),
        "script_finished": True, "events": (), "uplink": Uplink(datagrams=9, filler=2, late_max_ms=3.0),
        "downlink": Downlink(
        ran_empty=0,
            datagrams=9, octets=9, sizes={}, overflowed=0, gaps=1, longest_gap_ms=70, backlog_max_ms=0, lateness=None
        ),
    }  # fmt: skip
    return CallResult(**good | parts)


def unanswered(**parts: Any) -> CallResult:
    return call(**{"answered": False, "answered_ms": None, "greeting_ms": None} | parts)


def report(tally: Tally, excluded_share: float = 0.0) -> LoadReport:
    peer = ReferenceReport(
        ticks=500, seconds=10.0, p50_ms=0.1, p99_ms=1.0, max_ms=2.0, late_intervals=0, excluded_share=excluded_share
    )
    return tally.report(peer, at_once=5, planned_s=10.0, stopped=False)


@pytest.mark.parametrize(
    ("result", "kind", "reason"),
    [
        (call(), "ok", ""),
        (call(ended_by="service"), "ok", ""),
        (call(ended_by="transfer"), "ok", ""),
        (call(ended_by="dialplan", door="operator"), "ok", ""),
        (call(ended_by="dialplan", door="failed"), "failed", "given back as failed after the answer"),
        (call(ended_by="service", cause="USER_BUSY"), "failed", "hung up with USER_BUSY after the answer"),
        (unanswered(ended_by="dialplan", door="busy"), "refused", "door busy"),
        (unanswered(ended_by="service", cause="CALL_REJECTED"), "refused", "CALL_REJECTED"),
        (unanswered(ended_by="dialplan", door="failed"), "failed", "given back as failed before the answer"),
        (unanswered(ended_by="caller"), "failed", "not answered while the caller waited"),
        (
            unanswered(ended_by="dialplan", door="failed", connected_ms=None),
            "failed",
            "no connection to the phone door",
        ),
    ],
)
def test_how_a_call_went(result: CallResult, kind: str, reason: str) -> None:
    assert verdict(result, cut=False) == (kind, reason)
    cut = verdict(result, cut=True)
    assert cut == ((kind, reason) if result.answered else ("cut", ""))


def test_calls_are_counted_and_their_times_spread() -> None:
    tally = Tally()
    turn = SpokenTurn(
        name="q", began_at_ms=0, speech_began_at_ms=1, speech_ended_at_ms=2, response_ms=700.0, barge_in_ms=90.0
    )
    for n in range(100):
        tally.rung(1 + n % 5)
        tally.ended(call(answered_ms=float(n + 1), turns=(turn,) if n < 10 else ()), NOTHING, cut=False)
    for _ in range(3):
        tally.rung(2)
        tally.ended(unanswered(ended_by="dialplan", door="busy"), NOTHING, cut=False)
    found = report(tally)
    assert (found.made, found.ok, found.refused, found.failed, found.cut) == (103, 100, {"door busy": 3}, {}, 0)
    assert (found.most_at_once, found.silences, found.peer_sending_late_ms) == (5, 103, 3.0)
    assert found.answer is not None
    assert (found.answer.p50_ms, found.answer.p95_ms, found.answer.p99_ms, found.answer.max_ms) == (50, 95, 99, 100)
    assert found.response is not None
    assert found.interruption is not None
    assert (found.response.count, found.interruption.p50_ms) == (10, 90.0)
    assert found.cadence is None
    assert found.good


def test_frames_of_all_calls_share_one_spread_that_does_not_grow() -> None:
    tally, chance = Tally(), np.random.default_rng(7)
    every = [chance.exponential(3.0, size=2000) for _ in range(50)]
    for late in every:
        tally.ended(call(), late, cut=False)
    found = report(tally).cadence
    assert found is not None
    assert found.count == 100_000
    whole = np.concatenate(every)
    for q, value in ((50, found.p50_ms), (95, found.p95_ms), (99, found.p99_ms), (100, found.max_ms)):
        assert value == pytest.approx(float(np.percentile(whole, q)), abs=0.1)
    tally.ended(call(), np.array([5e6]), cut=False)
    worst = report(tally).cadence
    assert worst is not None
    assert worst.max_ms == 1000.0


@pytest.mark.parametrize(("share", "void"), [(0.0, False), (0.01, False), (0.011, True)])
def test_who_is_late_himself_measures_nothing(share: float, void: bool) -> None:
    assert report(Tally(), share).void is void


def test_only_a_run_with_good_calls_and_no_bad_one_is_good() -> None:
    tally = Tally()
    assert not report(tally).good
    tally.ended(call(), NOTHING, cut=False)
    assert report(tally).good
    tally.ended(call(hazards=("a second unicast",)), NOTHING, cut=False)
    assert not report(tally).good
    assert spread([]) is None
