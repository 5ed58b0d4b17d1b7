"""`atende serve` in a process of its own, with its REST, on a PostgreSQL that the benchmark stops, kills and starts."""

import asyncio
import os
import shutil
import signal
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx

from base.ids import TenantId
from base.processes import PROGRAM, ended, free_ports, others_environ
from control.peer import Dialed
from tenants.embedded import DATABASE, SUPERUSER, EmbeddedError, EmbeddedPostgres
from tenants.keys import signing_keys
from tenants.migrate import connect
from tenants.signing import NUMBER_VARIABLE, SIGNATURE_VARIABLE, TENANT_VARIABLE, sign

ROOT: Final = Path(__file__).parents[2]
START_TIMEOUT_S: Final = 120.0
STOP_TIMEOUT_S: Final = 40.0
NUMBER: Final = "100"


def tenant(number: int) -> TenantId:
    """The id of the tenant of that number."""
    return TenantId(f"0f0f0f0f-0000-4000-8000-{number:012d}")


def document(number: int, greeting: str = "Welcome to us") -> str:
    """Of a tenant whose assistant hears and speaks without models."""
    return f"""\
slug: t{number}
id: {tenant(number)}
domain: t{number}.example.net
name: T{number}
language: en
assistants:
  - name: ana
    numbers: ["{NUMBER}"]
    limits: {{max_concurrent_calls: 100, max_turns: 1000, max_call_s: 3600, silence_s: 300}}
    texts: {{greeting: {greeting}}}
    pipeline:
      - {{id: vad, use: vad.silero}}
      - {{id: stt, use: stt.mock, config: {{transcripts: [When do you open]}}}}
      - {{id: llm, use: llm.mock, config: {{answers: [We open at nine]}}}}
      - {{id: tts, use: tts.mock, config: {{word_s: 0.1}}}}
"""


class Database:
    """An embedded PostgreSQL beside the service."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._server = EmbeddedPostgres(folder)

    async def start(self) -> None:
        """Accepts connections when this returns; also where one that was killed is still going."""
        until = time.monotonic() + START_TIMEOUT_S
        while True:
            try:
                await asyncio.to_thread(self._server.start)
            except EmbeddedError:
                if time.monotonic() > until:
                    raise
                await asyncio.sleep(0.2)
            else:
                return

    async def stop(self) -> None:
        """In order."""
        await asyncio.to_thread(self._server.stop)

    async def kill(self) -> None:
        """With SIGKILL; then what is left of it is cleared away."""
        pid = int((self._folder / "postgres" / "postmaster.pid").read_text().split()[0])
        os.kill(pid, signal.SIGKILL)
        await asyncio.to_thread(os.waitpid, pid, 0)  # or it seems to be there still
        await asyncio.to_thread(self._server.stop)

    async def make(self) -> None:
        """The service's own database."""
        owner = await connect(self._server.url(SUPERUSER))
        await owner.execute(f'CREATE DATABASE "{DATABASE}"')
        await owner.close()

    async def ask(self, query: str, *facts: Any) -> list[Any]:
        """As its owner."""
        owner = await connect(self._server.url(DATABASE))
        try:
            return list(await owner.fetch(query, *facts))
        finally:
            await owner.close()

    @property
    def url(self) -> str:
        return self._server.url(DATABASE).reveal()


@dataclass
class Serving:
    """A running service."""

    process: asyncio.subprocess.Process
    data: Path
    database: Database
    client: httpx.AsyncClient
    esl_port: int
    key: str

    async def ask(self, method: str, path: str, **sent: Any) -> httpx.Response:
        """With a key of the platform's administrator."""
        headers = {"Authorization": f"Bearer {self.key}", **sent.pop("headers", {})}
        return await self.client.request(method, path, headers=headers, **sent)

    def dialed(self, number: int) -> Dialed:
        """A call to that tenant, as its dialplan hands it over."""
        signature = sign(signing_keys(self.data, None), tenant(number), NUMBER)
        variables = {TENANT_VARIABLE: tenant(number), NUMBER_VARIABLE: NUMBER, SIGNATURE_VARIABLE: signature}
        return Dialed(number=NUMBER, variables=variables)


@asynccontextmanager
async def serving(folder: Path, tenants: int, environ: Mapping[str, str] | None = None) -> AsyncIterator[Serving]:
    """With so many tenants. The folder is one that the database's user may pass."""
    database = Database(folder / "database")
    await database.start()
    await database.make()
    documents = folder / "tenants"
    documents.mkdir()
    for number in range(tenants):
        (documents / f"t{number}.yaml").write_text(document(number), encoding="utf-8")
    http_port, esl_port = free_ports(2)
    own = others_environ() | {
        "ATENDE_DATA_DIR": str(folder / "data"),
        "ATENDE_DATABASE_URL": database.url,
        "ATENDE_TENANTS_DIR": str(documents),
        "ATENDE_KNOWLEDGE_DIR": str(folder / "knowledge"),
        "ATENDE_HTTP_PORT": str(http_port),
        "ATENDE_ESL_PORT": str(esl_port),
        "ATENDE_WATCH": "off",
        "ATENDE_RECORDINGS": "off",
        "ATENDE_LOG_LEVEL": "error",
        "ATENDE_API_REQUESTS_PER_S": "1000",
        "PYTHONPATH": str(ROOT),
        **(environ or {}),
    }
    process = await _program("serve", cwd=folder, env=own)
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{http_port}", trust_env=False, timeout=60.0) as client:
            await _ready(client, process)
            making = await _program("keys", "create", "--role", "platform-admin", "--name", "benchmark", cwd=folder,
                                    env=own, stdout=asyncio.subprocess.PIPE)  # fmt: skip
            written, _ = await making.communicate()
            yield Serving(process, folder / "data", database, client, esl_port, written.decode().split()[-1])
    finally:
        await ended(process, STOP_TIMEOUT_S)
        await database.stop()
        await asyncio.to_thread(shutil.rmtree, folder / "database", ignore_errors=True)


async def _program(
    *arguments: str, cwd: Path, env: Mapping[str, str], stdout: int | None = None
) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(*PROGRAM, *arguments, cwd=cwd, env=env, stdout=stdout)


async def _ready(client: httpx.AsyncClient, process: asyncio.subprocess.Process) -> None:
    async with asyncio.timeout(START_TIMEOUT_S):
        while True:
            try:
                if (await client.get("/health/ready")).status_code == httpx.codes.OK:
                    return
            except httpx.TransportError:
                if process.returncode is not None:
                    raise RuntimeError("the service did not start") from None
            await asyncio.sleep(0.1)
