"""A node of real processes: `atende serve --workers 2`, its embedded database, and callers who ring it."""

import asyncio
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from base.ids import TenantId
from base.processes import PROGRAM, free_ports, others_environ
from control.peer import Dialed, HangUp, Hears, Script, Switch, Wait, WaitFor
from control.peer.call import PeerCall
from control.peer.result import CallResult
from tenants.keys import signing_keys
from tenants.signing import NUMBER_VARIABLE, SIGNATURE_VARIABLE, TENANT_VARIABLE, sign
from tests import clusters
from tests.control.api.house import ACME
from tests.pipelines.virtual import eventually

ROOT = Path(__file__).parents[3]
START_S = 120.0
LOOK_S = 0.1
"""Between two questions that are waited on: who asks takes time of the machine's, and of the process that is asked."""
PLAIN: dict[str, Any] = {"verify": False, "trust_env": False}
"""No certificates are read, which takes longer than a question does."""
ANEW = httpx.Limits(max_keepalive_connections=0)
FILE = "/tmp/other.wav"
PLUGIN = "plugin"
STUCK = '''\
"""A stage that computes where it should wait: every call that is made while the file `when` is there."""

import time
from pathlib import Path

from msgspec import Struct
from pipecat.processors.frame_processor import FrameProcessor

from processors.factory import Place, ProcessorFactory, Role


class StuckConfig(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """When it is."""

    when: str
    """A path."""


class Stuck(ProcessorFactory[StuckConfig, StuckConfig]):
    """Stands between the llm and the tts stage."""

    use = "filter.acme_stuck"
    role = Role.FILTER
    config_type = StuckConfig
    place = Place.ANSWERING

    async def prepare(self, config, context, workshop):
        return config

    def create(self, config, prepared, call):
        if Path(config.when).exists():
            time.sleep(60)
        return Passing()


class Passing(FrameProcessor):
    async def process_frame(self, frame, direction):
        await super().process_frame(frame, direction)
        await self.push_frame(frame, direction)
'''
Process = dict[str, Any]


def add_plugin(folder: Path) -> None:
    """A distribution of another's, `acme-stuck`, where the processes find it."""
    info = folder / PLUGIN / "acme_stuck-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-stuck\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[atende.stages]\nfilter.acme_stuck = acme_stuck:Stuck\n")
    (folder / PLUGIN / "acme_stuck.py").write_text(STUCK)


def program(*arguments: str, environ: dict[str, str]) -> list[Any]:
    """The command line of our program, as `subprocess` takes it."""
    return [[*PROGRAM, *arguments], {"cwd": ROOT, "env": environ}]


@dataclass
class Node:
    """`key` opens everything in the REST API."""

    folder: Path
    environ: dict[str, str]
    process: subprocess.Popen[bytes]
    url: str
    door: tuple[str, int]
    key: str = ""
    ringing: list["asyncio.Task[CallResult]"] = field(default_factory=list)
    client: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=5, limits=ANEW, **PLAIN))
    """For questions in one step."""

    async def ask(self, method: str, path: str, **sent: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.key}"} | sent.pop("headers", {})
        async with httpx.AsyncClient(timeout=15, **PLAIN) as client:
            return await client.request(method, self.url + path, headers=headers, **sent)

    def ready(self) -> dict[str, Any]:
        """What `/health/ready` says, of machines when there is a key; empty while nobody answers there."""
        headers = {"Authorization": f"Bearer {self.key}"} if self.key else {}
        try:
            found: dict[str, Any] = self.client.get(f"{self.url}/health/ready", headers=headers).json()
        except (httpx.HTTPError, ValueError):
            return {}
        return found

    def media(self, state: str = "ok") -> list[Process]:
        """The processes that take calls and say so."""
        found = self.ready().get("processes", [])
        return [one for one in found if one["role"] == "media" and one["state"] == state]

    def models_pid(self) -> int:
        """Of the process that has the models, as it tells on its socket."""
        socket = str(self.folder / "data" / "models.sock")
        with httpx.Client(transport=httpx.HTTPTransport(uds=socket, verify=False)) as client:
            return int(client.get("http://models/health", timeout=5).json()["pid"])

    async def all_well(self) -> list[Process]:
        """Return the two processes when both take calls and answer for both tenants, and nobody is draining."""
        found: list[Process] = []

        def well() -> bool:
            ready = self.ready()
            processes = [one for one in ready.get("processes", []) if one["role"] == "media"]
            found[:] = processes
            states = {one["state"] for one in processes}
            return len(processes) == 2 and states == {"ok"} and all(map(alive, (one["pid"] for one in processes)))

        await eventually(well, START_S, pause_s=LOOK_S)
        return found

    async def live_calls(self) -> list[str]:
        """Ids, as the REST API tells them."""
        answer = await self.ask("GET", "/api/v1/live-calls", params={"limit": 200})
        return [one["call"]["id"] for one in answer.raise_for_status().json()["items"]]

    def dialed(self, number: str = "100", tenant_id: TenantId = ACME) -> Dialed:
        signature = sign(signing_keys(self.folder / "data", None), tenant_id, number)
        signed = {TENANT_VARIABLE: tenant_id, NUMBER_VARIABLE: number, SIGNATURE_VARIABLE: signature}
        return Dialed(number=number, variables=signed)

    def ring(self, switch: Switch, *, wait_s: float = 120.0, tenant_id: TenantId = ACME) -> "Ringing":
        """A caller who has heard the greeting and waits."""
        heard = WaitFor(what=Hears.SPEECH_END, quiet_ms=200, limit_s=15.0)
        call = switch.dial(
            self.dialed(tenant_id=tenant_id), Script(steps=(heard, Wait(wait_s), HangUp()), limit_s=wait_s + 30)
        )
        task = asyncio.create_task(switch.ring(call))
        self.ringing.append(task)
        return Ringing(call, task)


@dataclass
class Ringing:
    """A call, and what becomes of it."""

    call: PeerCall
    task: "asyncio.Task[CallResult]"

    @property
    def process(self) -> str:
        """Which one has it; empty before it is known."""
        return self.call.machine.channel.variables.get("atende_again_at") or ""

    @property
    def greeted(self) -> bool:
        return bool(self.process) and len(self.call.media.ears.voices) > 0

    @property
    def goes_on(self) -> bool:
        return not self.task.done()


@asynccontextmanager
async def ringing(
    node: Node, count: int, *, files: dict[str, float] | None = None, tenant_id: TenantId = ACME
) -> AsyncIterator[list[Ringing]]:
    """So many callers, who have all been greeted; they hang up when the block ends."""
    async with Switch(*node.door, files=files) as switch:
        calls = []
        for _ in range(count):
            calls.append(node.ring(switch, tenant_id=tenant_id))
            await eventually(lambda: bool(calls[-1].process), 15)
        await eventually(lambda: all(call.greeted for call in calls), 15)
        try:
            yield calls
        finally:
            for one in calls:
                one.call.hang_up()
            await asyncio.gather(*(one.task for one in calls), return_exceptions=True)


@contextmanager
def node(folder: Path, *, workers: int = 2, **settings: str) -> Iterator[Node]:
    """Started, and stopped in order. `settings` are `ATENDE_…`, in lower case and without it."""
    http, door = free_ports(2)
    wanted = {
        "data_dir": str(folder / "data"), "tenants_dir": str(folder / "tenants"),
        "knowledge_dir": str(folder / "knowledge"), "http_port": str(http), "esl_port": str(door),
        "max_calls": "40", "drain_s": "20", "api_requests_per_s": "1000", "workers": str(workers),
    }  # fmt: skip
    environ = others_environ()
    environ |= {f"ATENDE_{name.upper()}": value for name, value in (wanted | settings).items()}
    environ["PYTHONPATH"] = str(folder / PLUGIN)
    clusters.copy(folder / "data")
    command, options = program("serve", environ=environ)
    with (folder / "output").open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, **options)
    made = Node(folder, environ, process, f"http://127.0.0.1:{http}", ("127.0.0.1", door))
    try:
        _wait(lambda: process.poll() is not None or len(made.media()) == workers, START_S)
        assert process.poll() is None, (folder / "output").read_text()
        command, options = program("keys", "create", "--role", "platform-admin", environ=environ)
        made.key = (
            subprocess.run(command, check=True, capture_output=True, timeout=60, **options).stdout.decode().strip()
        )
        yield made
    finally:
        made.client.close()
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            process.send_signal(signal.SIGTERM)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def alive(pid: int) -> bool:
    """Whether it runs, and is not only waited for."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _wait(condition: Callable[[], bool], limit_s: float) -> None:
    until = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < until, "it takes too long"
        time.sleep(0.1)
