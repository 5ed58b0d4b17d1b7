"""A real Chroma server on loopback, and one that only seems to be."""

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from base.processes import free_port
from knowledge.passages import KnowledgeError
from knowledge.stores.chroma import ChromaServer, look

START_TIMEOUT_S = 30.0
ANSWERS = {
    "version": b'"1.0.0"',
    "identity": b'{"user_id": "", "tenant": "default_tenant", "databases": ["default_database"]}',
    "default_tenant": b'{"name": "default_tenant"}',
    "default_database": b'{"id": "00000000-0000-0000-0000-000000000000", "name": "d", "tenant": "default_tenant"}',
}
"""As much as Chroma's client asks before it is used, by the end of the path."""


@contextmanager
def chroma_server(folder: Path, port: int | None = None) -> Iterator[ChromaServer]:
    """Runs while the block does, over that folder."""
    port = free_port() if port is None else port
    server = ChromaServer(f"http://127.0.0.1:{port}")
    program = [str(Path(sys.executable).with_name("chroma")), "run", "--path", str(folder)]
    process = subprocess.Popen(
        [*program, "--host", "127.0.0.1", "--port", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        until = time.monotonic() + START_TIMEOUT_S
        while True:
            try:
                look(server, START_TIMEOUT_S)
                break
            except KnowledgeError:
                assert process.poll() is None, "the Chroma server ended"
                assert time.monotonic() < until, "the Chroma server does not begin"
        yield server
    finally:
        process.terminate()
        process.wait(10)


@contextmanager
def guarded_server(token: str) -> Iterator[tuple[str, list[str]]]:
    """The URL of what stands for a proxy that lets this token in, and what was sent to it as `Authorization`."""
    seen: list[str] = []

    class Guard(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append(self.headers.get("Authorization", ""))
            good = seen[-1] == f"Bearer {token}"
            body = ANSWERS.get(self.path.rpartition("/")[2], b"") if good else b""
            self.send_response(401 if not good else 200 if body else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Guard)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", seen
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
