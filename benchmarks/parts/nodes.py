"""Three nodes on addresses of their own, one PostgreSQL, and callers who ring whichever listens."""

import asyncio
import secrets
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx

from base.clock import SystemClock
from base.ids import TenantId
from base.processes import PROGRAM, free_ports, others_environ
from base.secret import Secret
from control.peer import CallResult, Dialed, HangUp, Hears, Script, Switch, Wait, WaitFor
from control.peer.call import PeerCall
from tenants.api_key_store import PostgresApiKeys
from tenants.api_keys import new_key
from tenants.database import Database
from tenants.signing import NUMBER_VARIABLE, SIGNATURE_VARIABLE, TENANT_VARIABLE, parse_keys, sign, write_keys
from tenants.signing import new_key as new_signing_key

HOSTS: Final = ("127.0.0.2", "127.0.0.3", "127.0.0.4")
TENANT: Final = TenantId("0d9f3a52-6b1e-4c0e-9d7a-5b8c2f4e6a12")
NUMBER: Final = "3000"
START_S: Final = 180.0
STOP_S: Final = 120.0
ROOT: Final = Path(__file__).parents[2]


def document(greeting: str) -> bytes:
    """A company that takes any number of calls, without models."""
    return f"""\
slug: bench-nodes
id: {TENANT}
domain: nodes.example.net
name: Nodes
language: en
assistants:
  - name: mock
    numbers: ["{NUMBER}"]
    record: false
    limits: {{max_concurrent_calls: 1000, max_call_s: 3600, silence_s: 300}}
    texts: {{greeting: "{greeting}"}}
    pipeline:
      - {{id: vad, use: vad.silero}}
      - {{id: stt, use: stt.mock}}
      - {{id: llm, use: llm.mock}}
      - {{id: tts, use: tts.mock, config: {{word_s: 0.1}}}}
""".encode()


@dataclass
class Node:
    """One node; `process` is the one that runs now."""

    host: str
    environ: dict[str, str]
    http_port: int
    esl_port: int
    output: Path
    process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.http_port}"

    @property
    def door(self) -> tuple[str, int]:
        return self.host, self.esl_port

    async def start(self, client: httpx.AsyncClient, limit_s: float = START_S) -> None:
        """It takes calls when this returns, unless nothing is stored yet. Raises TimeoutError."""
        with self.output.open("ab") as output:
            self.process = await asyncio.create_subprocess_exec(
                *PROGRAM, "serve", cwd=ROOT, env=self.environ, stdout=output, stderr=output
            )
        async with asyncio.timeout(limit_s):
            while (ready := await self.ready(client)) is None or "starting" in ready["problems"]:
                if self.process.returncode is not None:
                    raise RuntimeError(
                        f"{self.host} did not start ({self.process.returncode}):\n{self.output.read_text()[-2000:]}"
                    )
                await asyncio.sleep(0.05)

    async def stop(self, how: signal.Signals) -> int:
        """Return when it is gone: its exit status, negative for a signal."""
        assert self.process is not None
        self.process.send_signal(how)
        async with asyncio.timeout(STOP_S):
            return await self.process.wait()

    async def ready(self, client: httpx.AsyncClient, key: str = "") -> dict[str, Any] | None:
        """What it says of itself, of its tenants to who has a key; None while nobody listens."""
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        try:
            found: dict[str, Any] = (await client.get(f"{self.url}/health/ready", headers=headers)).json()
        except httpx.HTTPError:
            return None
        return found


@dataclass
class Cluster:
    """What the parts of the benchmark work on."""

    nodes: Sequence[Node]
    client: httpx.AsyncClient
    key: str
    keys: Any
    database: Database
    digests: dict[TenantId, str] = field(default_factory=dict)
    """Of what each company has now."""

    async def put(self, greeting: str, at: Node) -> float:
        """Milliseconds from the answer of a PUT until every node answers with that revision."""
        revision = await self.put_document(TENANT, document(greeting), at)
        answered_at = time.perf_counter()
        await self.answers(revision, TENANT)
        return (time.perf_counter() - answered_at) * 1e3

    async def put_document(self, tenant_id: TenantId, document: bytes, at: Node) -> int:
        """The number of its revision."""
        url, digest = f"{at.url}/api/v1/tenants/{tenant_id}/document", self.digests.get(tenant_id)
        wish = {"If-None-Match": "*"} if digest is None else {"If-Match": f'"{digest}"'}
        headers = {"Authorization": f"Bearer {self.key}"} | wish
        answer = (await self.client.put(url, headers=headers, content=document)).raise_for_status().json()
        self.digests[tenant_id] = answer["digest"]
        return int(answer["revision"])

    async def answers(self, revision: int, tenant_id: TenantId) -> None:
        """Return when every node answers with that revision. Raises TimeoutError."""
        async with asyncio.timeout(30):
            await asyncio.gather(*(self._answers(node, revision, tenant_id) for node in self.nodes))

    async def _answers(self, node: Node, revision: int, tenant_id: TenantId) -> None:
        while True:
            ready = await node.ready(self.client, self.key) or {}
            tenants = ready.get("tenants") or ()
            if any((one["tenant_id"], one["revision"]) == (tenant_id, revision) for one in tenants):
                return
            await asyncio.sleep(0.01)

    def dialed(self) -> Dialed:
        signed = {TENANT_VARIABLE: TENANT, NUMBER_VARIABLE: NUMBER, SIGNATURE_VARIABLE: sign(self.keys, TENANT, NUMBER)}
        return Dialed(number=NUMBER, variables=signed)


@asynccontextmanager
async def cluster(folder: Path, url: Secret, database: Database, *, drain_s: int) -> AsyncIterator[Cluster]:
    """Three nodes that share the database of `url`; each has a folder and media ports of its own."""
    pepper, keys = Secret(secrets.token_urlsafe(32)), write_keys((new_signing_key(),))
    row, text = new_key(None, "platform-admin", "bench", pepper=pepper, created_at=SystemClock().now())
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(httpx.AsyncClient(timeout=30, trust_env=False))
        nodes = []
        for place, host in enumerate(HOSTS):
            http_port, esl_port = free_ports(2, host)
            first = 40000 + 3000 * place  # the switch has its own end of each pair, for all nodes on one address
            settings = {
                "DATA_DIR": str(folder / host), "DATABASE_URL": url.reveal(), "TENANTS": "database", "NODE": host,
                "HTTP_HOST": host, "HTTP_PORT": str(http_port), "ESL_HOST": host, "ESL_PORT": str(esl_port),
                "MEDIA_PORTS": f"{first}-{first + 2999}", "SIGNING_KEYS": keys.reveal(), "INTERNAL_HOST": host,
                "API_KEY_SECRET": pepper.reveal(), "DRAIN_S": str(drain_s), "API_REQUESTS_PER_S": "1000",
                "KNOWLEDGE_DIR": str(folder / f"knowledge-{host}"), "VECTORS": "pgvector",
            }  # fmt: skip
            environ = others_environ() | {f"ATENDE_{name}": value for name, value in settings.items()}
            nodes.append(Node(host, environ, http_port, esl_port, folder / f"{host}.log"))
        try:
            for node in nodes:
                await node.start(client)
            await PostgresApiKeys(database).add(None, row)
            yield Cluster(nodes, client, text.reveal(), parse_keys(keys.reveal()), database)
        finally:
            for node in nodes:
                if node.process is not None and node.process.returncode is None:
                    node.process.terminate()
                    node.process.terminate()
            for node in nodes:
                if node.process is not None and node.process.returncode is None:
                    await asyncio.wait_for(node.process.wait(), STOP_S)


@dataclass
class Crowd:
    """So many callers at any time: one who has ended is followed by the next. `stop` lets the last ones end."""

    cluster: Cluster
    callers: int
    talk_s: float
    results: list[tuple[str, float, CallResult]] = field(default_factory=list)
    """Who had the call (its host), when it ended (monotonic), and how."""
    live: dict[str, PeerCall] = field(default_factory=dict)
    _stopping: bool = False

    def of(self, host: str) -> list[str]:
        """Ids of the live calls that this node has."""
        return [call_id for call_id, call in self.live.items() if had_by(call) == host]

    def endings(self, since: float = 0.0) -> Counter[str]:
        """How calls ended since then: `caller` is as it should be."""
        return Counter(ending(result) for _, at, result in self.results if at >= since)

    @asynccontextmanager
    async def rings(self) -> AsyncIterator["Crowd"]:
        """All of them have been greeted when the block begins."""
        doors = [node.door for node in self.cluster.nodes]
        async with AsyncExitStack() as stack:
            switches = []
            for first in range(len(doors)):
                (host, port), *others = doors[first:] + doors[:first]
                switches.append(await stack.enter_async_context(Switch(host, port, others=others)))
            tasks = [
                asyncio.create_task(self._one_after_the_other(switches[place % len(switches)], place))
                for place in range(self.callers)
            ]
            try:
                await until(lambda: len([call for call in self.live.values() if had_by(call)]) == self.callers)
                yield self
            finally:
                self._stopping = True
                await asyncio.gather(*tasks)

    async def _one_after_the_other(self, switch: Switch, place: int) -> None:
        # Their ends are spread over the time that a call takes.
        talk_s = self.talk_s * (1 + place / self.callers) / 2
        while not self._stopping:
            heard = WaitFor(what=Hears.SPEECH_END, quiet_ms=200, limit_s=10.0)
            script = Script(steps=(heard, Wait(talk_s), HangUp()), limit_s=self.talk_s + 30)
            call = switch.dial(self.cluster.dialed(), script)
            self.live[call.call_id] = call
            try:
                result = await switch.ring(call)
            finally:
                del self.live[call.call_id]
            self.results.append((had_by(call), time.monotonic(), result))
            if result.ended_by != "caller":
                await asyncio.sleep(0.2)  # who was turned away does not dial at once
            talk_s = self.talk_s


async def until(condition: Callable[[], bool], limit_s: float = 60.0) -> None:
    """Raises TimeoutError."""
    async with asyncio.timeout(limit_s):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.01)


def ending(result: CallResult) -> str:
    """`caller` for one who was greeted, talked and hung up."""
    if result.ended_by == "caller" and result.greeting_ms is None:
        return "caller, never greeted"
    return result.ended_by if result.door is None else f"door_{result.door}"


def had_by(call: PeerCall) -> str:
    """The node that has the call, or had it; empty before it is known."""
    return (call.machine.channel.variables.get("atende_again_at") or "").partition(":")[0]
