"""A collector of traces on loopback: OTLP over HTTP, as it is sent."""

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


class Collector:
    """What came, by path."""

    def __init__(self, status: int) -> None:
        self.status = status
        self.url = ""
        self.bodies: list[tuple[str, bytes]] = []
        self.let_go = threading.Event()
        """Set: requests are answered."""
        self.let_go.set()

    @property
    def requests(self) -> list[ExportTraceServiceRequest]:
        assert {path for path, _ in self.bodies} <= {"/v1/traces"}
        return [ExportTraceServiceRequest.FromString(body) for _, body in self.bodies]

    @property
    def spans(self) -> list[Any]:
        return [
            span
            for request in self.requests
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]


@contextmanager
def collector(status: int = 200) -> Iterator[Collector]:
    """Runs while the block does, and answers everything with this status."""
    kept = Collector(status)

    class Door(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            kept.bodies.append(
                (self.path, gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body)
            )
            kept.let_go.wait(30)
            self.send_response(kept.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    kept.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield kept
    finally:
        kept.let_go.set()
        server.shutdown()
        thread.join()
        server.server_close()


def facts(span: Any) -> dict[str, Any]:
    """A span's attributes."""
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in span.attributes}
