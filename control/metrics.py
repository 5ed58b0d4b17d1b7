"""What Prometheus scrapes: counts and times of this process, without a tenant, a number or a word in any label.

Calls and turns are counted as they are told live; what only has a present value is read when somebody scrapes.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, get_args

from msgspec import Struct
from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from control.dependencies import Dependency
from control.headroom import Lane, Limiting
from pipelines.calls import (
    ChangedOver,
    Closed,
    FellBack,
    LiveEvent,
    Opened,
    Said,
    StageFailed,
    StageUsage,
    Underrun,
    Understood,
)
from pipelines.turnover import Turnover
from transports.lateness import Lateness

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
LATENCY_S: Final = (0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 2.5, 3.0, 4.0, 6.0, 10.0)
SILENCE_S: Final = (0.02, 0.04, 0.06, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
LENGTH_S: Final = (5, 15, 30, 60, 120, 300, 600, 1800, 3600)
STAGES: Final = ("vad_stop", "turn_wait", "transcript", "turn_end", "retrieved", "first_sentence", "first_tts_audio")
"""Fields of `pipelines.calls.Waterfall` before the first audio."""


class Present(Struct, frozen=True, kw_only=True):
    """What is so now."""

    live_calls: int
    max_calls: int | None
    taking_calls: bool | None
    """Both None: calls are other processes'."""
    tenants: Mapping[str, int]
    """By state."""
    stage_errors: Mapping[str, int]
    """Of the stages that are loaded, by their `use`."""
    full_by: str | None
    """What leaves no room for a call more; None: there is room."""
    refused: Mapping[tuple[str, str], int]
    """Calls since the start that were not let in, by the door at which the dialplan goes on, and by reason."""
    held_requests: Mapping[str, int]
    """To hosted providers, since the start, that were not sent because of `provider_rpm`, by their stage's `use`."""
    loop_load: float
    """Share of its time that the event loop works."""
    lanes: Mapping[str, Lane]
    """Of the threads on which the embedded recogniser and voice work."""
    missed_retrievals: Mapping[str, int]
    """That found out nothing, since the start: `failed`, or `late`."""
    clock: Lateness
    """The media clock's, of the last 5 to 10 seconds."""
    models_mb: float
    revisions: Mapping[str, int]
    """That are loaded, by what they are for."""
    turnover: Turnover
    queues: Mapping[str, int]
    """How many wait in each of those that are in memory alone."""
    traces_dropped: int = 0
    lost_calls: int = 0
    """Of processes that are gone, written down by this one."""
    database: Dependency | None = None
    spool: Dependency | None = None
    disk: Dependency | None = None
    model_server: bool | None = None
    """Whether it answers; None: there is none."""
    event_streams: int = 0


class Metrics:
    """`feed` hears the calls; `text` is the answer to a scrape."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        registry = self._registry
        self._opened = Counter("atende_calls_opened", "Calls that were answered.", registry=registry)
        self._closed = Counter(
            "atende_calls_closed", "Calls that are over, by their end.", ["end_reason"], registry=registry
        )
        self._length = Histogram("atende_call_seconds", "How long calls were.", buckets=LENGTH_S, registry=registry)
        self._turns = Counter("atende_turns", "Things said, by who said them.", ["speaker"], registry=registry)
        self._broken = Counter("atende_barge_ins", "Sentences of ours that a caller broke off.", registry=registry)
        self._changed = Counter(
            "atende_changed_over", "Live calls that changed to another revision.", registry=registry
        )
        self._answer = Histogram(
            "atende_answer_seconds",
            "The caller's last speech sample to the first sample of the answer on the wire.",
            buckets=LATENCY_S,
            registry=registry,
        )
        self._stage = Histogram(
            "atende_answer_stage_seconds",
            "The caller's last speech sample to the end of a step of the answer.",
            ["step"],
            buckets=LATENCY_S,
            registry=registry,
        )
        self._silence = Histogram(
            "atende_underrun_seconds",
            "Silences in the middle of a sentence, whose voice was slower than it speaks.",
            buckets=SILENCE_S,
            registry=registry,
        )
        self._failed = Counter(
            "atende_stage_failures",
            "Errors that stages reported in live calls, by the kind of stage.",
            ["kind", "reason"],
            registry=registry,
        )
        self._fallen_back = Counter(
            "atende_failure_sentences", "The failure sentence in the place of an answer.", registry=registry
        )
        self._answers = Counter(
            "atende_provider_answers",
            "Answers of hosted providers, in calls that are over.",
            ["stage"],
            registry=registry,
        )
        self._tokens = Counter(
            "atende_provider_tokens",
            "That hosted models have read (input) and written (output), in calls that are over.",
            ["stage", "direction"],
            registry=registry,
        )
        self._cost = Counter(
            "atende_provider_cost_usd",
            "US dollars that hosted providers cost, in calls that are over, where the price is known.",
            ["stage"],
            registry=registry,
        )
        ProcessCollector(registry=registry)

    def feed(self, event: LiveEvent) -> None:
        """See `pipelines.calls.LiveFeed`."""
        match event:
            case Opened():
                self._opened.inc()
            case Understood():
                self._turns.labels("caller").inc()
            case Said():
                self._said(event)
            case ChangedOver():
                self._changed.inc()
            case Underrun(silent_ms=silent_ms):
                self._silence.observe(silent_ms / 1000)
            case StageFailed(kind=kind, reason=reason):
                self._failed.labels(kind, reason).inc()
            case FellBack():
                self._fallen_back.inc()
            case Closed(record=record):
                self._closed.labels(record.end_reason).inc()
                self._length.observe(max(0.0, (record.ended_at - record.call.opened_at).total_seconds()))
                self._used(record.usage)

    def _used(self, usage: Iterable[StageUsage]) -> None:
        for one in usage:
            self._answers.labels(one.use).inc(one.answers)
            self._tokens.labels(one.use, "input").inc(one.input_tokens)
            self._tokens.labels(one.use, "output").inc(one.output_tokens)
            self._cost.labels(one.use).inc(one.cost_usd or 0.0)

    def _said(self, said: Said) -> None:
        self._turns.labels("assistant").inc()
        if said.interrupted:
            self._broken.inc()
        waterfall = said.waterfall
        if waterfall is None:
            return
        if waterfall.first_audio is not None:
            self._answer.observe(waterfall.first_audio / 1000)
        for step in STAGES:
            if (at_ms := getattr(waterfall, step)) is not None:
                self._stage.labels(step).observe(max(0.0, at_ms) / 1000)

    def text(self, now: Present) -> bytes:
        """In Prometheus' text format, 0.0.4."""
        present = CollectorRegistry()
        present.register(_Now(now))
        return generate_latest(self._registry) + generate_latest(present)


class _Now(Collector):
    """Values that are read, not counted."""

    def __init__(self, now: Present) -> None:
        self._now = now

    def describe(self) -> Iterable[Metric]:
        return []

    def collect(self) -> Iterable[Metric]:
        now = self._now
        yield from _optional("atende_taking_calls", "1: calls are let in.", now.taking_calls)
        yield _gauge("atende_live_calls", "Calls that are going on.", now.live_calls)
        yield from _optional("atende_max_calls", "So many are let in at most.", now.max_calls)
        yield _by("atende_tenants", "Tenants by their state.", "state", now.tenants)
        yield _by("atende_stage_errors", "Errors of the stages that are loaded.", "stage", now.stage_errors)
        refused = CounterMetricFamily("atende_calls_refused", "Calls that were not let in.", labels=["door", "reason"])
        for labels, count in sorted(now.refused.items()):
            refused.add_metric(labels, count)
        yield refused
        held = CounterMetricFamily(
            "atende_provider_requests_held", "Not sent: the assistant's provider_rpm was reached.", labels=["stage"]
        )
        for use, count in sorted(now.held_requests.items()):
            held.add_metric([use], count)
        yield held
        missed = CounterMetricFamily(
            "atende_retrievals_missed", "Looks into documents that found out nothing.", labels=["reason"]
        )
        for reason, count in sorted(now.missed_retrievals.items()):
            missed.add_metric([reason], count)
        yield missed
        full = {limiting: float(limiting == now.full_by) for limiting in get_args(Limiting)}
        yield _by("atende_full", "1: this leaves no room for a call more.", "by", full)
        yield _gauge("atende_event_loop_load_ratio", "Share of its time that the event loop works.", now.loop_load)
        lanes = sorted(now.lanes.items())
        waiting = {name: float(lane.waiting) for name, lane in lanes}
        yield _by("atende_lane_waiting", "Sentences that wait for a thread.", "lane", waiting)
        waits = {name: lane.wait_ms / 1000 for name, lane in lanes}
        yield _by("atende_lane_wait_seconds", "The longest wait of the last seconds.", "lane", waits)
        loads = {name: lane.load for name, lane in lanes}
        yield _by("atende_lane_load_ratio", "Share of the lane's time that the live calls take.", "lane", loads)
        late = GaugeMetricFamily(
            "atende_media_clock_late_seconds", "Beats of the last seconds, after their time.", labels=["quantile"]
        )
        for name, late_ms in (("0.5", now.clock.p50_ms), ("0.99", now.clock.p99_ms), ("1", now.clock.max_ms)):
            late.add_metric([name], late_ms / 1000)
        yield late
        yield _gauge("atende_models_bytes", "Of prepared models, by their stages' declaration.", now.models_mb * 1e6)
        yield _gauge("atende_event_streams", "Who follows the events.", now.event_streams)
        yield from _of_revisions(now.revisions, now.turnover)
        yield _by("atende_queue_entries", "What waits in memory alone, by where it does.", "queue", now.queues)
        yield _counter("atende_traces_dropped", "Calls whose traces found no room.", now.traces_dropped)
        yield _counter("atende_lost_calls", "Calls of processes that are gone, told by this one.", now.lost_calls)
        if now.database is not None:
            yield _gauge("atende_database_up", "1: the database answers.", float(now.database.state == "ok"))
        if now.model_server is not None:
            yield _gauge("atende_model_server_up", "1: the model server answers.", float(now.model_server))
        if now.spool is not None:
            yield _gauge("atende_spool_entries", "Records and events on their way.", now.spool.waiting or 0)
            yield _gauge("atende_spool_bytes", "Used by them.", now.spool.used_bytes or 0)
            yield _gauge("atende_spool_max_bytes", "So many at most.", now.spool.bound_bytes or 0)
            yield _gauge("atende_spool_oldest_seconds", "For how long the oldest waits.", now.spool.oldest_s or 0.0)
        if now.disk is not None:
            yield _gauge("atende_disk_free_bytes", "On the disk of the data folder.", now.disk.free_bytes or 0)
            yield _gauge("atende_disk_min_free_bytes", "So many are to stay free.", now.disk.bound_bytes or 0)


def _of_revisions(revisions: Mapping[str, int], turnover: Turnover) -> Iterable[Metric]:
    yield _by("atende_revisions", "That are loaded, by what they are for.", "state", revisions)
    loads = CounterMetricFamily("atende_revision_loads", "Revisions that were to be made ready.", labels=["result"])
    loads.add_metric(["ok"], turnover.loaded)
    loads.add_metric(["failed"], turnover.not_loaded)
    yield loads
    yield _counter("atende_revision_swaps", "What answered gave way to another revision.", turnover.swaps)
    yield _counter("atende_revision_rollbacks", "Trials that ended with what stood before.", turnover.rollbacks)
    since = turnover.answers_since
    if since is not None:
        told = "When a revision began to answer last, in Unix time."
        yield _gauge("atende_revision_activated_timestamp_seconds", told, since.timestamp())


def _counter(name: str, told: str, value: int) -> Metric:
    return CounterMetricFamily(name, told, value=value)


def _gauge(name: str, told: str, value: float) -> Metric:
    return GaugeMetricFamily(name, told, value=value)


def _optional(name: str, told: str, value: float | None) -> Iterator[Metric]:
    if value is not None:
        yield _gauge(name, told, value)


def _by(name: str, told: str, label: str, values: Mapping[str, float]) -> Metric:
    family = GaugeMetricFamily(name, told, labels=[label])
    for one, count in sorted(values.items()):
        family.add_metric([one], count)
    return family
