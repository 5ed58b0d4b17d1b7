"""A running service with two companies, a key of each role, and a live call of each company."""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec
from litestar import Litestar

from app import create_app
from base.ids import CallId, TenantId
from control.peer import CallResult, Dialed, HangUp, Hears, Script, Wait, WaitFor
from control.peer import Switch as Peer
from control.peer.script import Step
from control.service import Service
from control.settings import Settings
from control.workers.seat import Place
from tenants.api_key_store import PostgresApiKeys
from tenants.api_keys import Role, new_key
from tenants.signing import NUMBER_VARIABLE, SIGNATURE_VARIABLE, TENANT_VARIABLE, sign
from tests.pipelines.virtual import eventually

ACME = TenantId("0f0f0f0f-0000-4000-8000-00000000000a")
BRAVO = TenantId("0f0f0f0f-0000-4000-8000-00000000000b")
NOBODY = TenantId("0f0f0f0f-0000-4000-8000-00000000000c")
SECRETARY = "0f0f0f0f-0000-4000-8000-0000000000aa"
SLUGS = {ACME: "acme", BRAVO: "bravo"}


def document(tenant_id: TenantId, *, greeting: str = "Welcome", more: str = "", numbers: str = '["100"]') -> str:
    """A company whose assistant speaks and hears without models."""
    slug = SLUGS.get(tenant_id, "newcomer")
    secretary = SECRETARY if tenant_id == ACME else tenant_id
    return f"""\
slug: {slug}
id: {tenant_id}
domain: {slug}.example.net
name: {slug.title()}
language: en
{more}assistants:
  - name: ana
    id: {secretary}
    numbers: {numbers}
    texts: {{greeting: {greeting} to {slug}}}
    pipeline:
      - {{id: vad, use: vad.silero}}
      - {{id: stt, use: stt.mock}}
      - {{id: llm, use: llm.mock}}
      - {{id: tts, use: tts.mock, config: {{word_s: 0.1}}}}
"""


class ApiHouse:
    """What a test of the API needs. `keys` has the text of one for each (role, tenant)."""

    def __init__(self, app: Litestar, client: httpx.AsyncClient, service: Service) -> None:
        self.app = app
        self.client = client
        self.service = service
        self.keys: dict[tuple[Role, TenantId | None], str] = {}
        self.ringing: list[asyncio.Task[CallResult]] = []

    async def make_keys(self) -> None:
        wanted: list[tuple[Role, TenantId | None]] = [("platform-admin", None), ("platform-viewer", None)]
        stored = (ACME, BRAVO) if self.service.settings.tenants == "folder" else ()  # else nothing is, yet
        wanted += [(role, tenant) for role in ("tenant-admin", "tenant-viewer") for tenant in stored]
        for role, tenant in wanted:
            self.keys[role, tenant] = await self.key(role, tenant)

    async def key(self, role: Role, tenant: TenantId | None, **more: Any) -> str:
        """The text of a fresh key."""
        facts = {"pepper": self.service.api_keys.pepper, "created_at": self.service.clock.now()} | more
        row, text = new_key(tenant, role, "a test", **facts)
        await self.service.api_keys.store.add(tenant, row)
        return text.reveal()

    async def database_goes(self) -> None:
        """Its connections are cut, and there are no others."""
        store = self.service.api_keys.store
        assert isinstance(store, PostgresApiKeys)
        store._database._pool.terminate()

    async def ask(
        self,
        method: str,
        path: str,
        role: Role | None = "platform-admin",
        tenant: TenantId | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        **sent: Any,
    ) -> httpx.Response:
        """One request below `/api/v1`, with that role's key; None: without a key."""
        own = {} if role is None else {"Authorization": f"Bearer {self.keys[role, tenant]}"}
        return await self.client.request(method, f"/api/v1{path}", headers={**own, **(headers or {})}, **sent)

    @asynccontextmanager
    async def call(
        self, tenant_id: TenantId, *, wait_s: float = 60.0, then: tuple[Step, ...] = ()
    ) -> AsyncIterator[CallId]:
        """A caller who hears the greeting, does what comes `then`, and listens until the block or the call ends."""
        service = self.service
        signed = {
            TENANT_VARIABLE: tenant_id,
            NUMBER_VARIABLE: "100",
            SIGNATURE_VARIABLE: sign(service.keys, tenant_id, "100"),
        }
        before = {view.call.id for view in service.board.calls(tenant_id)}

        def greeted() -> list[CallId]:
            return [v.call.id for v in service.board.calls(tenant_id) if v.call.id not in before and v.turns]

        heard = WaitFor(what=Hears.SPEECH_END, quiet_ms=200, limit_s=10.0)
        script = Script(steps=(heard, *then, Wait(wait_s), HangUp()), limit_s=wait_s + 20.0)
        async with Peer(*service.address) as switch:
            ringing = asyncio.create_task(switch.call(Dialed(number="100", variables=signed), script))
            self.ringing.append(ringing)
            try:
                await eventually(lambda: bool(greeted()) or ringing.done(), limit_s=20.0)
                yield greeted()[0]
            finally:
                ringing.cancel()
                await asyncio.gather(ringing, return_exceptions=True)


@asynccontextmanager
async def api_house(
    *, before: Callable[[Path], object] | None = None, place: Place | None = None, **settings: Any
) -> AsyncIterator[ApiHouse]:
    """The program as `app.py` puts it together, on free ports, with an embedded database of its own.

    `before` is given the data folder, in which nothing is yet; `place` is the service's among others.
    """
    folder = folder_of_tenants()
    if before is not None:
        before(folder / "data")
    found = Settings(
        data_dir=folder / "data",
        esl_port=0,
        tenants_dir=folder / "tenants",
        knowledge_dir=folder / "knowledge",
        # The callers share our loop, and whatever else the tests do, our cores.
        max_lateness_ms=1000,
        max_loop_load=1000,
        **settings,
    )
    running: list[Service] = []
    try:
        app = create_app(found, running.append, place)
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with _living(app), httpx.AsyncClient(transport=transport, base_url="http://atende.test") as client:
            house = ApiHouse(app, client, running[0])
            await house.make_keys()
            yield house
    finally:
        shutil.rmtree(folder)


@asynccontextmanager
async def _living(app: Litestar) -> AsyncIterator[None]:
    """The application's lifespan, in a task of its own: a fixture is left in another task than it was entered in."""
    began, ends = asyncio.Event(), asyncio.Event()

    async def live() -> None:
        async with app.lifespan():
            began.set()
            await ends.wait()

    living = asyncio.create_task(live())
    beginning = asyncio.create_task(began.wait())
    await asyncio.wait({living, beginning}, return_when=asyncio.FIRST_COMPLETED)
    try:
        if not began.is_set():
            await living
        yield
    finally:
        ends.set()
        beginning.cancel()
        await asyncio.gather(living, beginning, return_exceptions=True)


def folder_of_tenants() -> Path:
    """One that the database's user may pass."""
    folder = Path(tempfile.mkdtemp(prefix="atende-test-"))
    folder.chmod(0o755)
    (folder / "tenants").mkdir()
    for tenant_id, slug in SLUGS.items():
        (folder / "tenants" / f"{slug}.yaml").write_text(document(tenant_id))
    return folder


def problem(response: httpx.Response) -> tuple[int, str]:
    """Status and kind of a problem."""
    assert response.headers["content-type"].startswith("application/problem+json"), response.text
    told = msgspec.json.decode(response.content)
    assert told["status"] == response.status_code
    assert told["title"]
    kind = told["type"]
    assert kind.startswith("urn:atende:problem:")
    return response.status_code, kind.removeprefix("urn:atende:problem:")
