"""What is told to Prometheus."""

from datetime import UTC, datetime, timedelta

from msgspec import structs
from prometheus_client.parser import text_string_to_metric_families

from base.ids import AssistantName, CallId, TenantId
from control.dependencies import Dependency
from control.headroom import Lane
from control.metrics import Metrics, Present
from pipelines.calls import (
    Call,
    CallRecord,
    ChangedOver,
    Closed,
    FellBack,
    Opened,
    Said,
    StageFailed,
    StageUsage,
    Underrun,
    Understood,
    Waterfall,
)
from pipelines.turnover import Turnover
from transports.lateness import Lateness

AT = datetime(2026, 11, 26, 9, 0, tzinfo=UTC)
CALL = Call(
    id=CallId("d2317f64-4e50-42fb-9843-0f0a0848899e"),
    tenant_id=TenantId("0f0f0f0f-0000-4000-8000-000000000001"),
    tenant_slug="acme",
    assistant=AssistantName("ana"),
    number="100",
    caller="+5511999990000",
    revision=1,
    language="en",
    opened_at=AT,
)
NOW = Present(
    live_calls=3,
    max_calls=200,
    taking_calls=True,
    tenants={"ready": 2, "failed": 1},
    stage_errors={"stt.whisper": 4},
    full_by="stt",
    refused={("busy", "stt"): 5},
    held_requests={"llm.openai": 6},
    loop_load=0.5,
    lanes={"stt": Lane(waiting=7, wait_ms=900.0, load=0.65)},
    missed_retrievals={"failed": 8, "late": 2},
    clock=Lateness(count=10, p50_ms=1.0, p99_ms=4.0, max_ms=6.0),
    models_mb=230.0,
    revisions={"active": 3, "on trial": 1, "retiring": 0},
    turnover=Turnover(loaded=7, not_loaded=2, swaps=3, rollbacks=1, answers_since=AT),
    queues={"unwritten_records": 1, "event_stream": 4},
    traces_dropped=6,
    lost_calls=9,
    database=Dependency(name="database", state="degraded"),
    spool=Dependency(name="spool", state="ok", waiting=3, used_bytes=4000, bound_bytes=10_000, oldest_s=1.5),
    disk=Dependency(name="disk", state="ok", free_bytes=10**9, bound_bytes=10**8),
    event_streams=2,
    model_server=False,
)


def scraped(metrics: Metrics) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Name and labels to value, but for `_created`."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(metrics.text(NOW).decode())
        for sample in family.samples
    }


def test_calls_turns_and_latencies_are_counted() -> None:
    metrics = Metrics()
    waterfall = Waterfall(vad_stop=160.0, transcript=400.0, first_audio=1200.0)
    record = CallRecord(call=CALL, ended_at=AT + timedelta(seconds=42), end_reason="goodbye", hangup_cause="", turns=())
    for event in (
        Opened(call=CALL),
        Said(call_id=CALL.id, text="Welcome", interrupted=True, waterfall=None),
        Understood(call_id=CALL.id, text="my secret number"),
        Said(call_id=CALL.id, text="We open at nine", interrupted=False, waterfall=waterfall),
        ChangedOver(call_id=CALL.id, revision=2),
        Closed(record=record),
    ):
        metrics.feed(event)
    found = scraped(metrics)
    assert found["atende_calls_opened_total", ()] == 1
    assert found["atende_calls_closed_total", (("end_reason", "goodbye"),)] == 1
    assert found["atende_call_seconds_sum", ()] == 42
    assert found["atende_turns_total", (("speaker", "assistant"),)] == 2
    assert found["atende_turns_total", (("speaker", "caller"),)] == 1
    assert found["atende_barge_ins_total", ()] == 1
    assert found["atende_changed_over_total", ()] == 1
    assert (found["atende_answer_seconds_count", ()], found["atende_answer_seconds_sum", ()]) == (1, 1.2)
    assert found["atende_answer_stage_seconds_sum", (("step", "transcript"),)] == 0.4
    assert ("atende_answer_stage_seconds_count", (("step", "retrieved"),)) not in found


def test_what_goes_wrong_in_calls_is_counted_in_few_words() -> None:
    metrics = Metrics()
    for event in (
        Underrun(call_id=CALL.id, silent_ms=140),
        Underrun(call_id=CALL.id, silent_ms=20),
        StageFailed(call_id=CALL.id, kind="llm", reason="rate_limit"),
        StageFailed(call_id=CALL.id, kind="llm", reason="rate_limit"),
        StageFailed(call_id=CALL.id, kind="stt", reason="overloaded"),
        FellBack(call_id=CALL.id),
    ):
        metrics.feed(event)
    found = scraped(metrics)
    assert (found["atende_underrun_seconds_count", ()], found["atende_underrun_seconds_sum", ()]) == (2, 0.16)
    failures = {labels: count for (name, labels), count in found.items() if name == "atende_stage_failures_total"}
    assert failures == {
        (("kind", "llm"), ("reason", "rate_limit")): 2,
        (("kind", "stt"), ("reason", "overloaded")): 1,
    }
    assert found["atende_failure_sentences_total", ()] == 1


def test_revisions_queues_and_what_was_lost_are_told() -> None:
    found = scraped(Metrics())
    assert found["atende_revisions", (("state", "on trial"),)] == 1
    assert found["atende_revision_loads_total", (("result", "ok"),)] == 7
    assert found["atende_revision_loads_total", (("result", "failed"),)] == 2
    assert (found["atende_revision_swaps_total", ()], found["atende_revision_rollbacks_total", ()]) == (3, 1)
    assert found["atende_revision_activated_timestamp_seconds", ()] == AT.timestamp()
    assert found["atende_queue_entries", (("queue", "event_stream"),)] == 4
    assert (found["atende_traces_dropped_total", ()], found["atende_lost_calls_total", ()]) == (6, 9)
    none_yet = structs.replace(NOW, turnover=Turnover())
    assert b"atende_revision_activated" not in Metrics().text(none_yet), "not 1970"


def test_what_hosted_providers_took_is_counted_when_a_call_is_over() -> None:
    metrics = Metrics()
    asked = StageUsage(
        stage="mind",
        use="llm.openai",
        model="secret-model",
        answers=3,
        input_tokens=900,
        output_tokens=60,
        cost_usd=0.5,
    )
    of_nobody = StageUsage(stage="mind", use="llm.openai", model="m", answers=1, output_tokens=5, cost_usd=None)
    record = CallRecord(
        call=CALL, ended_at=AT, end_reason="goodbye", hangup_cause="", turns=(), usage=(asked, of_nobody)
    )
    metrics.feed(Closed(record=record))
    found = scraped(metrics)
    stage = ("stage", "llm.openai")
    assert found["atende_provider_answers_total", (stage,)] == 4
    assert found["atende_provider_tokens_total", (("direction", "input"), stage)] == 900
    assert found["atende_provider_tokens_total", (("direction", "output"), stage)] == 65
    assert found["atende_provider_cost_usd_total", (stage,)] == 0.5
    assert "secret-model" not in metrics.text(NOW).decode(), "an operator may write what he likes"


def test_what_is_so_now_is_read_when_it_is_scraped() -> None:
    found = scraped(Metrics())
    assert found["atende_taking_calls", ()] == 1
    assert found["atende_live_calls", ()] == 3
    assert found["atende_tenants", (("state", "ready"),)] == 2
    assert found["atende_stage_errors", (("stage", "stt.whisper"),)] == 4
    assert found["atende_calls_refused_total", (("door", "busy"), ("reason", "stt"))] == 5
    assert found["atende_provider_requests_held_total", (("stage", "llm.openai"),)] == 6
    assert found["atende_full", (("by", "stt"),)] == 1
    assert found["atende_full", (("by", "media_clock"),)] == 0
    assert found["atende_event_loop_load_ratio", ()] == 0.5
    assert found["atende_retrievals_missed_total", (("reason", "failed"),)] == 8
    assert found["atende_lane_waiting", (("lane", "stt"),)] == 7
    assert found["atende_lane_wait_seconds", (("lane", "stt"),)] == 0.9
    assert found["atende_lane_load_ratio", (("lane", "stt"),)] == 0.65
    assert found["atende_media_clock_late_seconds", (("quantile", "0.99"),)] == 0.004
    assert found["atende_models_bytes", ()] == 230e6


def test_nothing_that_a_caller_said_or_is_is_in_it() -> None:
    metrics = Metrics()
    metrics.feed(Opened(call=CALL))
    metrics.feed(Understood(call_id=CALL.id, text="my secret number"))
    text = metrics.text(NOW).decode()
    for word in ("secret", "5511", "acme", CALL.id, CALL.tenant_id):
        assert word not in text


def test_the_database_the_spool_and_the_disk_are_gauges() -> None:
    found = scraped(Metrics())
    expected = {
        "atende_database_up": 0,
        "atende_spool_entries": 3,
        "atende_spool_bytes": 4000,
        "atende_spool_max_bytes": 10_000,
        "atende_spool_oldest_seconds": 1.5,
        "atende_disk_free_bytes": 10**9,
        "atende_disk_min_free_bytes": 10**8,
        "atende_event_streams": 2,
        "atende_model_server_up": 0,
    }
    assert {name: found[name, ()] for name in expected} == expected
