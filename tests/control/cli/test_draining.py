"""`atende serve` that is told to end while somebody talks: a process of its own, by its own signals."""

import asyncio
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from base.ids import TenantId
from base.processes import PROGRAM, free_ports, others_environ
from control.peer import CallResult, Dialed, HangUp, Hears, Script, Wait, WaitFor
from control.peer import Switch as Peer
from tenants.keys import signing_keys
from tenants.signing import NUMBER_VARIABLE, SIGNATURE_VARIABLE, TENANT_VARIABLE, sign
from tests import clusters
from tests.control.api.house import ACME, folder_of_tenants

pytestmark = pytest.mark.postgres

ROOT = Path(__file__).parents[3]
LIMIT_S = 60.0


class Served:
    """A service in a process."""

    def __init__(self, process: asyncio.subprocess.Process, folder: Path, http_port: int, esl_port: int) -> None:
        self.process = process
        self.folder = folder
        self.esl_port = esl_port
        self.url = f"http://127.0.0.1:{http_port}/health/ready"

    async def ready(self) -> tuple[int, str]:
        async with httpx.AsyncClient(trust_env=False) as client:
            told = await client.get(self.url)
        return told.status_code, told.text

    async def ring(self, talks_s: float) -> CallResult:
        signed = {
            TENANT_VARIABLE: ACME,
            NUMBER_VARIABLE: "100",
            SIGNATURE_VARIABLE: sign(signing_keys(self.folder / "data", None), TenantId(ACME), "100"),
        }
        heard = WaitFor(what=Hears.SPEECH_END, quiet_ms=200, limit_s=10.0)
        script = Script(steps=(heard, Wait(talks_s), HangUp()), limit_s=LIMIT_S)
        async with Peer("127.0.0.1", self.esl_port) as switch:
            return await switch.call(Dialed(number="100", variables=signed), script)

    async def talking(self, calls: int) -> None:
        async with asyncio.timeout(LIMIT_S):
            while f'"live_calls":{calls},"tenants"' not in (await self.ready())[1]:  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.02)


@asynccontextmanager
async def served(drain_s: int) -> AsyncIterator[Served]:
    folder, (http_port, esl_port) = await asyncio.to_thread(folder_of_tenants), free_ports(2)
    await asyncio.to_thread(clusters.copy, folder / "data")
    environment = others_environ() | {
        "ATENDE_DATA_DIR": str(folder / "data"),
        "ATENDE_TENANTS_DIR": str(folder / "tenants"),
        "ATENDE_KNOWLEDGE_DIR": str(folder / "knowledge"),
        "ATENDE_HTTP_PORT": str(http_port),
        "ATENDE_ESL_PORT": str(esl_port),
        "ATENDE_DRAIN_S": str(drain_s),
        "PYTHONPATH": str(ROOT),
    }
    process = await asyncio.create_subprocess_exec(*PROGRAM, "serve", cwd=folder, env=environment)
    try:
        one = Served(process, folder, http_port, esl_port)
        async with asyncio.timeout(LIMIT_S):
            while True:
                try:
                    if (await one.ready())[0] == 200:
                        break
                except httpx.TransportError:
                    assert process.returncode is None
                    await asyncio.sleep(0.05)
        yield one
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        shutil.rmtree(folder, ignore_errors=True)


async def ended(one: Served) -> int:
    async with asyncio.timeout(LIMIT_S):
        return await one.process.wait()


async def test_live_calls_end_as_they_would_and_nobody_else_is_let_in() -> None:
    async with served(drain_s=60) as one:
        talking = asyncio.create_task(one.ring(talks_s=4.0))
        await one.talking(1)
        one.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(LIMIT_S):
            while (await one.ready())[0] == 200:  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.02)
        assert "being stopped" in (await one.ready())[1]
        refused = await one.ring(talks_s=0.0)
        assert (refused.answered, refused.door) == (False, "busy")
        heard = await talking
        assert (heard.ended_by, heard.door) == ("caller", None), "it was not given back"
        assert await ended(one) == -signal.SIGTERM


@pytest.mark.parametrize(("drain_s", "signals"), [(0, 1), (60, 2)])
async def test_what_lives_when_the_time_is_over_or_at_the_second_signal_goes_back_to_its_dialplan(
    drain_s: int, signals: int
) -> None:
    async with served(drain_s) as one:
        talking = asyncio.create_task(one.ring(talks_s=30.0))
        await one.talking(1)
        for _ in range(signals):
            one.process.send_signal(signal.SIGTERM)
            await asyncio.sleep(0.3 if signals > 1 else 0)
        heard = await talking
        assert heard.door == "failed"
        assert await ended(one) == -signal.SIGTERM
