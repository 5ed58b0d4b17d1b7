"""A service in a process of its own, for measuring: with a database and tenants of its own, and gone afterwards."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import httpx
import msgspec
from msgspec import Struct

from base.processes import PROGRAM, ended, free_ports
from base.secret import Secret
from control.health import ReadyView, TenantHealth
from tenants.api_key_store import PostgresApiKeys
from tenants.api_keys import new_key
from tenants.database import PoolBounds, connect_app
from tenants.embedded import embedded_postgres
from tenants.keys import api_key_pepper

START_TIMEOUT_S: Final = 180.0
"""On a machine that is busy, with models to be read."""
STOP_TIMEOUT_S: Final = 20.0
LOOK_EVERY_S: Final = 0.5
ASK_TIMEOUT_S: Final = 10.0
LOOPBACK: Final = "127.0.0.1"
BY_DEFAULT: Final = (
    "ATENDE_WORKERS",
    "ATENDE_TENANTS",
    "ATENDE_NODE",
    "ATENDE_INTERNAL_HOST",
    "ATENDE_INTERNAL_PORT",
    "ATENDE_AGAIN_PORT",
    "ATENDE_API_KEY_SECRET",
    "ATENDE_VECTORS",
    "ATENDE_CHROMA_URL",
    "ATENDE_CHROMA_TOKEN",
)
"""Of the operator's service and not of one process that is alone; empty, they are as if nobody had set them."""


class ChildError(Exception):
    """The service did not start, or has ended; the message has its last words."""


class Child(Struct, frozen=True, kw_only=True):
    """A service that runs."""

    pid: int
    esl_port: int
    http_port: int
    data_dir: Path
    database_url: Secret
    """Of the database's owner."""
    client: httpx.AsyncClient
    """Of its HTTP door."""
    process: asyncio.subprocess.Process
    log: Path
    """What it says."""

    def last_words(self) -> str:
        """The end of what it said."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-8:])

    def require_alive(self) -> None:
        """Raises ChildError."""
        if self.process.returncode is not None:
            raise ChildError(f"the service ended by itself:\n{self.last_words()}")

    async def key(self) -> Secret:
        """A fresh key that sees everything and changes nothing."""
        database = await connect_app(self.database_url, None, PoolBounds(max_connections=1))
        try:
            pepper = api_key_pepper(self.data_dir, None)
            row, text = new_key(None, "platform-viewer", "measuring", pepper=pepper, created_at=datetime.now(UTC))
            await PostgresApiKeys(database).add(None, row)
        finally:
            await database.close()
        return text

    async def tenants(self, key: Secret) -> tuple[TenantHealth, ...]:
        """How each fares, as `/health/ready` tells who has a key. Raises ChildError."""
        told = await self._asked("/health/ready", {"Authorization": f"Bearer {key.reveal()}"})
        return msgspec.json.decode(told.content, type=ReadyView).tenants or ()

    async def ready(self) -> ReadyView:
        """What `/health/ready` says to everybody, ready or not. Raises ChildError."""
        return msgspec.json.decode((await self._asked("/health/ready")).content, type=ReadyView)

    async def scraped(self) -> dict[str, float]:
        """What `/metrics` says; a series as it is written there, labels and all. Raises ChildError."""
        return series((await self._asked("/metrics")).text)

    async def _asked(self, path: str, headers: Mapping[str, str] | None = None) -> httpx.Response:
        self.require_alive()
        try:
            return await self.client.get(path, headers=headers)
        except httpx.TransportError as error:
            raise ChildError(f"the service does not answer any more ({type(error).__name__})") from error


def series(text: str) -> dict[str, float]:
    """Prometheus' text format, as far as our own service writes it."""
    lines = (line.rpartition(" ") for line in text.splitlines() if line and not line.startswith("#"))
    return {name: float(value) for name, _, value in lines}


def own_settings(
    database_url: Secret, data_dir: Path, tenants_dir: Path, esl_port: int, http_port: int, media_port: int
) -> dict[str, str]:
    """What a service has of its own in the place of the operator's, be that in the environment or in `.env`."""
    return dict.fromkeys(BY_DEFAULT, "") | {
        "ATENDE_DATABASE_URL": database_url.reveal(),
        "ATENDE_DATA_DIR": str(data_dir),
        "ATENDE_TENANTS_DIR": str(tenants_dir),
        "ATENDE_ESL_HOST": LOOPBACK,
        "ATENDE_ESL_PORT": str(esl_port),
        "ATENDE_ESL_ALLOWED_CIDRS": "127.0.0.0/8",
        "ATENDE_MEDIA_HOST": LOOPBACK,
        "ATENDE_MEDIA_SOCKET_PORT": str(media_port),
        "ATENDE_HTTP_HOST": LOOPBACK,
        "ATENDE_HTTP_PORT": str(http_port),
        "ATENDE_DRAIN_S": "0",
        "ATENDE_LOG_LEVEL": "error",
    }


@asynccontextmanager
async def child(
    folder: Path,
    tenants_dir: Path,
    environ: Mapping[str, str],
    *,
    start_timeout_s: float = START_TIMEOUT_S,
    before_exec: Callable[[], None] | None = None,
) -> AsyncIterator[Child]:
    """Serve the tenants of a folder on loopback, with `environ` above our own environment, until the block ends.

    `folder` is empty and holds all that the service keeps; `before_exec` is called in the process before it becomes the
    service. It has begun when the HTTP door answers. Raises ChildError, EmbeddedError.
    """
    data_dir, log = folder / "data", folder / "service.log"
    esl_port, http_port, media_port = free_ports(3)
    async with embedded_postgres(folder / "database") as url:
        own = own_settings(url, data_dir, tenants_dir, esl_port, http_port, media_port)
        with log.open("wb") as said:
            process = await asyncio.create_subprocess_exec(
                *PROGRAM,
                "serve",
                env={**os.environ, **own, **environ},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                preexec_fn=before_exec,
            )
        try:
            base = f"http://{LOOPBACK}:{http_port}"
            async with httpx.AsyncClient(base_url=base, timeout=ASK_TIMEOUT_S, trust_env=False) as client:
                found = Child(
                    pid=process.pid,
                    esl_port=esl_port,
                    http_port=http_port,
                    data_dir=data_dir,
                    database_url=url,
                    client=client,
                    process=process,
                    log=log,
                )
                await _begun(found, start_timeout_s)
                yield found
        finally:
            await ended(process, STOP_TIMEOUT_S)


async def _begun(started: Child, timeout_s: float) -> None:
    try:
        async with asyncio.timeout(timeout_s):
            while True:
                started.require_alive()
                try:
                    await started.client.get("/health/live")
                except httpx.TransportError:
                    await asyncio.sleep(LOOK_EVERY_S)
                else:
                    return
    except TimeoutError:
        raise ChildError(f"the service did not start in {timeout_s:.0f} s\n{started.last_words()}".strip()) from None
