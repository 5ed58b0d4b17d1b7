"""What the calls of a revision were like, and whether one that is on trial may stay. Pure."""

from collections import deque
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from base.ids import AssistantName
from pipelines.calls import CallRecord
from pipelines.spec_desk import Slug

EARLY_S: Final = 15.0
"""A caller who hangs up sooner than this, and was not told good-bye, has not got what they rang for. An operator who
hangs up or sends the caller on says nothing of the revision."""
FAILED: Final = frozenset({"failure"})
"""Ends of a call that are nobody's wish, and ours. A call that is `lost` was the telephone's to keep: a PBX that starts
anew ends all calls so, and no trial. (Those that are lost with their process nobody is left to judge.)"""
KEPT_LATENCIES: Final = 512
"""Of one revision, the latest; percentiles are of these."""

Share = Annotated[float, Meta(ge=0.01, le=100.0)]
OwnShare = Annotated[float, Meta(ge=0.0, le=100.0)]
Rate = Annotated[float, Meta(ge=0.0, le=1.0)]


class CanarySpec(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How a document is tried on some callers, and what ends the trial. A threshold that is null ends nothing.

    Thresholds hold for all calls of the trial together and for those of each assistant.
    """

    share: Share = 10.0
    """Of the callers, in per cent; always the same ones."""
    shares: Annotated[dict[Slug, OwnShare], Meta(max_length=100)] = {}
    """An assistant's own share in place of that, by its name; 0: it is not tried there."""
    min_calls: Annotated[int, Meta(ge=1, le=1_000_000)] = 20
    """Finished calls before anything is decided; of an assistant, before anything is decided by its own."""
    max_failed: Rate | None = 0.05
    """Of the calls, 0 to 1: ended by a failure of ours, or with errors of a stage. Requests that the assistant's
    `limits.provider_rpm` held back are none, here and below.
    """
    max_fallback_turns: Rate | None = 0.2
    """Of the assistant's turns, 0 to 1: the failure sentence instead of an answer."""
    max_p95_ms: Annotated[float, Meta(ge=1.0)] | None = None
    """Last speech sample of the caller → first sample of the answer, 95th percentile."""
    max_early_hangups: Rate | None = 0.5
    """Of the calls, 0 to 1: the caller hung up within 15 s of the answer."""

    def share_of(self, assistant: AssistantName) -> float:
        """Of that assistant's callers, in per cent."""
        return self.shares.get(assistant, self.share)


class CanaryPolicy(CanarySpec, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """As `CanarySpec`, and how a trial may end well by itself."""

    promote_after_calls: Annotated[int, Meta(ge=1)] | None = None
    """The revision stands once so many calls have ended without a breach; absent: an operator says so."""


class Outcome(Struct, frozen=True, kw_only=True):
    """What one finished call says of the revision on which it ended."""

    failed: bool
    early_hangup: bool
    turns: int
    fallback_turns: int
    latencies_ms: tuple[float, ...]


def outcome_of(
    record: CallRecord, failure_text: str, stage_errors: int = 0, held_requests: int = 0, *, held_last: bool = False
) -> Outcome:
    """`failure_text` is the sentence that the assistant says instead of an answer.

    `stage_errors` are those that the revision's own stages reported: what else the record tells of (a full disk, a
    telephone that could not be called, a line that was lost) is no fault of a revision. Of `held_requests` it is none
    either: for each the failure sentence was due, and where one was the last thing that failed (`held_last`), a second
    failure in a row, it has ended the call.
    """
    said = [turn for turn in record.turns if turn.role == "assistant"]
    latencies = [turn.waterfall.first_audio for turn in said if turn.waterfall is not None]
    talked_s = (record.ended_at - record.call.opened_at).total_seconds()
    return Outcome(
        failed=(record.end_reason in FAILED and not held_last) or stage_errors > 0,
        early_hangup=record.end_reason == "caller_hangup" and talked_s < EARLY_S and not held_requests,
        turns=len(said),
        fallback_turns=max(0, sum(turn.text.strip() == failure_text.strip() for turn in said) - held_requests),
        latencies_ms=tuple(latency for latency in latencies if latency is not None),
    )


class OutcomeCounts(Struct, frozen=True, kw_only=True):
    """A revision's calls so far, for status and metrics."""

    calls: int = 0
    failed: int = 0
    early_hangups: int = 0
    turns: int = 0
    fallback_turns: int = 0
    p95_ms: float | None = None


class Outcomes:
    """Counts the finished calls of one revision, or of one assistant in it."""

    def __init__(self) -> None:
        self._calls = self._failed = self._early = self._turns = self._fallbacks = 0
        self._latencies: deque[float] = deque(maxlen=KEPT_LATENCIES)

    def add(self, outcome: Outcome) -> None:
        """One more call."""
        self._calls += 1
        self._failed += outcome.failed
        self._early += outcome.early_hangup
        self._turns += outcome.turns
        self._fallbacks += outcome.fallback_turns
        self._latencies.extend(outcome.latencies_ms)

    def counts(self) -> OutcomeCounts:
        """As they are now."""
        ordered = sorted(self._latencies)
        return OutcomeCounts(
            calls=self._calls,
            failed=self._failed,
            early_hangups=self._early,
            turns=self._turns,
            fallback_turns=self._fallbacks,
            p95_ms=ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))] if ordered else None,
        )


class Verdict(Struct, frozen=True, kw_only=True):
    """What is to become of a revision on trial, and why."""

    what: Literal["wait", "promote", "roll back"]
    reason: str = ""


def judge(policy: CanaryPolicy, counts: OutcomeCounts) -> Verdict:
    """The first threshold that is crossed ends the trial; a rate needs `min_calls` calls to be one."""
    if counts.calls < policy.min_calls:
        return Verdict(what="wait")
    rates = (
        ("calls failed", counts.failed, counts.calls, policy.max_failed),
        ("turns were the failure sentence", counts.fallback_turns, counts.turns, policy.max_fallback_turns),
        ("callers hung up early", counts.early_hangups, counts.calls, policy.max_early_hangups),
    )
    for what, some, of, most in rates:
        if most is not None and of and some / of > most:
            return Verdict(what="roll back", reason=f"{some} of {of} {what}; at most {most:.0%} may be")
    if policy.max_p95_ms is not None and counts.p95_ms is not None and counts.p95_ms > policy.max_p95_ms:
        told = f"answers take {counts.p95_ms:.0f} ms at the 95th percentile; at most {policy.max_p95_ms:.0f} may be"
        return Verdict(what="roll back", reason=told)
    if policy.promote_after_calls is not None and counts.calls >= policy.promote_after_calls:
        return Verdict(what="promote", reason=f"{counts.calls} calls without a breach")
    return Verdict(what="wait")


def judge_with(policy: CanaryPolicy, counts: OutcomeCounts, name: AssistantName, own: OutcomeCounts) -> Verdict:
    """By all calls of the trial, and by those of one assistant: where many do well one that fails ends it, too."""
    whole, alone = judge(policy, counts), judge(policy, own)
    if whole.what != "roll back" and alone.what == "roll back":
        return Verdict(what="roll back", reason=f"assistant {name!r}: {alone.reason}")
    return whole
