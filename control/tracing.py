"""What each call's time went into, told to an OpenTelemetry collector (OTLP over HTTP) when the call is over.

A record goes into a bounded queue and is made into spans on a thread of ours; the SDK's own thread sends them, from a
bounded queue of its own. The event loop hands over a reference and nothing else. What finds no room is dropped and
counted, and a collector that is away or slow costs nothing but its traces.

pipecat can make spans itself; it writes what was said into them, and is not asked to.
"""

import asyncio
import queue
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING, Final

import structlog

from control.settings import SettingsError
from control.trace_spans import Stretch, spans_of
from pipelines.calls import CallRecord, Closed, LiveEvent

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span, Tracer

MAX_WAITING_CALLS: Final = 500
CLOSE_TIMEOUT_S: Final = 5.0
"""So long the last spans may take at the end of the service."""

log = structlog.get_logger()


class Traces:
    """`feed` hears the calls. Made by `traces`."""

    def __init__(self, provider: "TracerProvider") -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("atende", version("atende"))
        self._waiting: queue.Queue[CallRecord | None] = queue.Queue(MAX_WAITING_CALLS)
        # A daemon: a collector that hangs keeps no process alive.
        self._thread = threading.Thread(target=self._work, name="traces", daemon=True)
        self.dropped = 0

    def start(self) -> None:
        self._thread.start()

    def feed(self, event: LiveEvent) -> None:
        """See `pipelines.calls.LiveFeed`."""
        if isinstance(event, Closed):
            try:
                self._waiting.put_nowait(event.record)
            except queue.Full:
                self.dropped += 1
                log.warning("traces of calls are dropped", dropped=self.dropped)

    @property
    def waiting(self) -> int:
        """Calls of which no spans are made yet."""
        return self._waiting.qsize()

    async def close(self) -> None:
        """Send what waits, within a limit."""
        try:
            self._waiting.put_nowait(None)
        except queue.Full:
            return
        await asyncio.to_thread(self._thread.join, CLOSE_TIMEOUT_S)
        if self._thread.is_alive():
            log.warning("the last traces were not sent in time")

    def _work(self) -> None:
        while (record := self._waiting.get()) is not None:
            try:
                tell(self._tracer, record)
            except Exception as error:
                # One call's trace is lost, and the next ones are not.
                log.warning("a call could not be traced", call=record.call.id, error=type(error).__name__)
        self._provider.shutdown()


@asynccontextmanager
async def traces(endpoint: str | None) -> AsyncIterator[Traces | None]:
    """None without an endpoint. Raises SettingsError when OpenTelemetry's exporter is not installed."""
    if endpoint is None:
        yield None
        return
    made = Traces(await asyncio.to_thread(_provider, endpoint))
    made.start()
    try:
        yield made
    finally:
        await made.close()


def tell(tracer: "Tracer", record: CallRecord) -> None:
    """The spans of a call."""
    from opentelemetry.trace import SpanKind

    opened_ns = round(record.call.opened_at.timestamp() * 1e9)

    def span(stretch: Stretch, parent: "Span | None") -> None:
        from opentelemetry.context import Context
        from opentelemetry.trace import Status, StatusCode, set_span_in_context

        started = tracer.start_span(
            stretch.name,
            # Of its own, whatever else is traced in this thread.
            context=Context() if parent is None else set_span_in_context(parent, Context()),
            kind=SpanKind.SERVER if parent is None else SpanKind.INTERNAL,
            attributes=stretch.facts,
            start_time=opened_ns + round(stretch.start_ms * 1e6),
        )
        if stretch.error is not None:
            started.set_attribute("error.type", stretch.error)
            started.set_status(Status(StatusCode.ERROR))
        for moment in stretch.moments:
            detail = {"atende.detail": moment.detail} if moment.detail else None
            started.add_event(moment.what, detail, opened_ns + round(moment.at_ms * 1e6))
        for part in stretch.parts:
            span(part, started)
        started.end(opened_ns + round(stretch.end_ms * 1e6))

    span(spans_of(record), None)


def _provider(endpoint: str) -> "TracerProvider":
    """Its limits, the sampler, headers and so on are those of the standard `OTEL_…` variables."""
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise SettingsError(
            ["ATENDE_OTLP_ENDPOINT: OpenTelemetry's exporter is missing; install atende[otel]"]
        ) from error
    resource = Resource.create({SERVICE_VERSION: version("atende")})
    if str(resource.attributes[SERVICE_NAME]).startswith("unknown_service"):
        resource = resource.merge(Resource({SERVICE_NAME: "atende"}))
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    path = "" if endpoint.endswith("/v1/traces") else "/v1/traces"
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint + path)))
    return provider
