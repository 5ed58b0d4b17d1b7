"""Traces on their way to a collector: they arrive, and whatever becomes of them, nobody waits."""

import asyncio
import sys
import threading
import time
from datetime import timedelta

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from control import tracing
from control.settings import SettingsError
from control.tracing import Traces, traces
from pipelines.calls import CallRecord, Closed, Opened
from pipelines.timeline import Moment
from tests.control.collector import collector, facts
from tests.control.test_metrics import AT, CALL
from tests.control.test_trace_spans import ANSWER, ASKED, GREETING

OVER = Closed(
    record=CallRecord(
        call=CALL,
        ended_at=AT + timedelta(seconds=10),
        end_reason="lost",
        hangup_cause="NORMAL_CLEARING",
        turns=(GREETING, ASKED, ANSWER),
        errors=("tts: my secret",),
        timeline=(
            Moment(at_ms=0, what="rang"),
            Moment(at_ms=12, what="admitted"),
            Moment(at_ms=2012, what="caller_speaks"),
            Moment(at_ms=3512, what="stage_failed", detail="tts.kokoro"),
            Moment(at_ms=5012, what="barge_in"),
            Moment(at_ms=10_012, what="ended", detail="service: lost"),
        ),
    )
)


def service_name(request: ExportTraceServiceRequest) -> str:
    [resource] = [one.resource for one in request.resource_spans]
    name: str = facts(resource)["service.name"]
    return name


async def test_a_call_arrives_whole_when_it_is_over() -> None:
    with collector() as there:
        async with traces(there.url) as told:
            assert told is not None
            told.feed(Opened(call=CALL))
            told.feed(OVER)
        spans = {span.name: span for span in there.spans}
    assert len(there.spans) == 9
    root, turn = spans["call"], spans["turn"]
    assert (root.parent_span_id, turn.parent_span_id) == (b"", root.span_id)
    stages = ("vad", "turn_wait", "stt", "rag", "llm", "tts", "wire")
    assert {spans[name].parent_span_id for name in stages} == {turn.span_id}
    assert {span.trace_id for span in there.spans} == {root.trace_id}
    opened_ns = round(AT.timestamp() * 1e9)
    assert (root.start_time_unix_nano, root.end_time_unix_nano) == (opened_ns, opened_ns + 10_000_000_000)
    assert spans["llm"].start_time_unix_nano == opened_ns + 3_690_000_000
    assert (root.kind, turn.kind) == (2, 1), "a server's, and internal"
    told_ns = [(event.name, event.time_unix_nano - opened_ns, facts(event)) for event in root.events]
    assert told_ns == [
        ("stage_failed", 3_500_000_000, {"atende.detail": "tts.kokoro"}),
        ("barge_in", 5_000_000_000, {}),
    ]
    assert not any(span.events for span in there.spans if span.name != "call")
    assert all(span.end_time_unix_nano >= span.start_time_unix_nano for span in there.spans)
    assert (root.status.code, facts(root)["error.type"]) == (2, "lost")
    assert {service_name(request) for request in there.requests} == {"atende"}


async def test_no_words_no_numbers_and_no_names_are_sent() -> None:
    with collector() as there:
        async with traces(there.url) as told:
            assert told is not None
            told.feed(OVER)
        sent = b"".join(body for _, body in there.bodies)
    assert CALL.id.encode() in sent
    for secret in (
        CALL.tenant_slug,
        CALL.caller,
        "5511999990000",
        "Welcome",
        "my secret",
        "We open",
        "hours#1",
        "tts:",
    ):
        assert secret.encode() not in sent, secret
    told_values = [str(value) for span in there.spans for value in facts(span).values()]
    assert CALL.number not in told_values
    assert CALL.assistant not in told_values


async def test_without_an_endpoint_there_are_none() -> None:
    before = threading.active_count()
    async with traces(None) as told:
        assert told is None
        assert threading.active_count() == before


async def test_a_collector_that_is_away_or_refuses_costs_its_traces_alone() -> None:
    with collector(status=400) as refusing:
        async with traces(refusing.url) as told:
            assert told is not None
            told.feed(OVER)
        assert refusing.bodies
    began = time.monotonic()
    async with traces(refusing.url) as told:
        assert told is not None
        told.feed(OVER)
    assert time.monotonic() - began < 15


async def test_a_collector_that_hangs_holds_up_neither_a_call_nor_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracing, "CLOSE_TIMEOUT_S", 0.2)
    with collector() as hanging:
        hanging.let_go.clear()
        async with traces(hanging.url) as told:
            assert told is not None
            began = time.perf_counter()
            for _ in range(100):
                told.feed(OVER)
            assert time.perf_counter() - began < 0.5
            closing = time.monotonic()
        assert time.monotonic() - closing < 5
        hanging.let_go.set()
        await asyncio.to_thread(told._thread.join, 30)


async def test_more_than_there_is_room_for_is_dropped_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracing, "MAX_WAITING_CALLS", 2)
    with collector() as there:
        provider = tracing._provider(there.url)
        told = Traces(provider)
        for _ in range(5):
            told.feed(OVER)
        assert told.dropped == 3
        await told.close()
        provider.shutdown()


async def test_a_record_that_cannot_be_told_is_not_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    real, calls = tracing.tell, 0

    def breaks_once(*told: object) -> None:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise ValueError("my secret")
        real(*told)  # type: ignore[arg-type]

    monkeypatch.setattr(tracing, "tell", breaks_once)
    with collector() as there:
        async with traces(there.url) as told:
            assert told is not None
            told.feed(OVER)
            told.feed(OVER)
        assert [span.name for span in there.spans].count("call") == 1


async def test_the_standard_variables_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_SERVICE_NAME", "front-desk")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "always_off")
    with collector() as there:
        async with traces(there.url) as told:
            assert told is not None
            assert told._provider.resource.attributes["service.name"] == "front-desk"
            told.feed(OVER)
        assert there.bodies == []


async def test_a_missing_exporter_stops_the_start_and_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    with pytest.raises(SettingsError, match=r"install atende\[otel\]"):
        async with traces("http://127.0.0.1:9"):
            pass
