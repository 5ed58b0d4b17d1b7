"""Very many companies and their finished calls, asked for over REST: a real socket, a service of its own."""

import asyncio
import hashlib
import os
import random
import secrets
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Final

import httpx
from rich.console import Console

from base.clock import SystemClock
from base.ids import TenantId
from base.processes import free_ports
from base.secret import Secret
from benchmarks.parts import many_calls as data
from benchmarks.parts.finding import KINDS, PAGE, SEARCH_P95_MS, Asker
from benchmarks.parts.judge import Report, tell
from benchmarks.parts.many_calls import ASSISTANTS, NUMBERS, ManyCalls, call_id
from benchmarks.parts.nodes import Node
from control.api.pages import written
from tenants.api_key_store import PostgresApiKeys
from tenants.api_keys import new_key
from tenants.call_search import CallFilter, Cursor
from tenants.database import Database, PoolBounds, connect_app
from tenants.migrate import connect, migrate
from tenants.revisions import PostgresRevisions, TenantRow

AT_ONCE: Final = 8
START_S: Final = 900.0
"""10,000 documents are read before the first request is answered."""
LOADED: Final = 20
"""Companies that are made ready before their first call."""
WALK_LIMIT: Final = 200


def document(tenant_id: TenantId, place: int) -> bytes:
    """A company with the assistants whose calls there are; without models."""
    said = "".join(
        f'  - name: {name}\n    numbers: ["{number}"]\n    record: false\n{MOCKS}'
        for name, number in zip(ASSISTANTS, NUMBERS, strict=True)
    )
    return (
        f"slug: tenant-{place}\nid: {tenant_id}\ndomain: t{place}.example.net\nname: Tenant {place}\n"
        f"language: pt-BR\nassistants:\n{said}"
    ).encode()


MOCKS: Final = """\
    pipeline:
      - {id: vad, use: vad.silero}
      - {id: stt, use: stt.mock}
      - {id: llm, use: llm.mock}
      - {id: tts, use: tts.mock, config: {word_s: 0.1}}
"""


async def publish(database: Database, many: ManyCalls) -> None:
    """The first revision of each, as a PUT stores it."""
    revisions = PostgresRevisions(database)
    room = asyncio.Semaphore(AT_ONCE)

    async def one(place: int, tenant_id: TenantId) -> None:
        async with room:
            raw = document(tenant_id, place)
            row = TenantRow(slug=f"tenant-{place}", domain=f"t{place}.example.net", name=f"Tenant {place}")
            await revisions.put(tenant_id, row, hashlib.sha256(raw).hexdigest(), raw)

    everybody = enumerate(many.tenants)
    while some := list(islice(everybody, 500)):
        async with asyncio.TaskGroup() as group:
            for place, tenant_id in some:
                group.create_task(one(place, tenant_id))


@dataclass
class Asked:
    """Milliseconds of each request, by what was asked for."""

    took_ms: dict[str, list[float]] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)
    """What was answered otherwise than with 200, or with nothing where something is."""


@dataclass
class Rest:
    """The service, and who asks it: one request after the other, each over the same connection."""

    node: Node
    client: httpx.AsyncClient
    headers: Mapping[str, str]

    async def get(self, asked: Asked, name: str, path: str, *, some: bool = True, **params: Any) -> dict[str, Any]:
        """The answer, noted. `some`: a list that has something in it."""
        began = time.perf_counter()
        answer = await self.client.get(f"{self.node.url}/api/v1{path}", params=params, headers=self.headers)
        asked.took_ms.setdefault(name, []).append((time.perf_counter() - began) * 1e3)
        found: dict[str, Any] = answer.json() if answer.status_code == httpx.codes.OK else {}
        if not found or (some and not found.get("items", True)):
            asked.failed.append(f"{name}: {answer.status_code} {path} {params}")
        return found


async def measured_tenants(
    report: Report, many: ManyCalls, rounds: int, url: Secret, folder: Path, out: Console
) -> None:
    """Fill it, start a service on it, and ask that."""
    await migrate(url)
    owner, database = await connect(url), await connect_app(url, None, PoolBounds(max_connections=8))
    try:
        out.print(f"{len(many.tenants):,} companies and {len(many.owners):,} calls …")
        began = time.perf_counter()
        await publish(database, many)
        report.add("rest_publish_s", time.perf_counter() - began, "s")
        await data.fill(owner, many)
        async with served(folder, url, database, len(many.tenants)) as (rest, known_s):
            report.add("rest_known_s", known_s, "s")
            out.print("over REST …")
            asked = Asked()
            there = await ask_for_tenants(rest, many, rounds, asked)
            found = await ask_for_calls(rest, many, Asker(many, 6).asked, KINDS, rounds)
    finally:
        await database.close()
        await owner.close()
    report.add("rest_tenants", there, least=len(many.tenants))
    for name, took in asked.took_ms.items():
        tell(report, f"rest_{name}", took, most=None if name == "tenants_walk" else SEARCH_P95_MS)
    for kind, took in found.took_ms.items():
        tell(report, f"rest_calls_{kind}", took, most=SEARCH_P95_MS)
    failed = asked.failed + found.failed
    report.add("rest_failed", len(failed), most=0)
    report.notes += failed[:5]


@asynccontextmanager
async def served(folder: Path, url: Secret, database: Database, tenants: int) -> AsyncIterator[tuple[Rest, float]]:
    """`atende serve` on the database, and the seconds until it knows all companies."""
    pepper = Secret(secrets.token_urlsafe(32))
    row, text = new_key(None, "platform-viewer", "bench", pepper=pepper, created_at=SystemClock().now())
    await PostgresApiKeys(database).add(None, row)
    http_port, esl_port = free_ports(2)
    settings = {
        "DATA_DIR": str(folder), "DATABASE_URL": url.reveal(), "TENANTS": "database", "HTTP_PORT": str(http_port),
        "ESL_PORT": str(esl_port), "API_KEY_SECRET": pepper.reveal(), "API_REQUESTS_PER_S": "10000",
        "EAGER_TENANTS": str(LOADED), "LOG_LEVEL": "warning", "KNOWLEDGE_DIR": str(folder / "knowledge"),
    }  # fmt: skip
    bare = {name: value for name, value in os.environ.items() if not name.startswith("ATENDE_")}
    environ = bare | {f"ATENDE_{name}": value for name, value in settings.items()}
    node = Node("127.0.0.1", environ, http_port, esl_port, folder.with_name("serve.log"))
    async with httpx.AsyncClient(timeout=60, trust_env=False) as client:
        began = time.perf_counter()
        try:
            await node.start(client, START_S)
            while sum(((await node.ready(client)) or {}).get("states", {}).values()) < tenants:  # noqa: ASYNC110
                await asyncio.sleep(0.1)
            rest = Rest(node, client, {"Authorization": f"Bearer {text.reveal()}"})
            yield rest, time.perf_counter() - began
        finally:
            if node.process is not None and node.process.returncode is None:
                await node.stop(signal.SIGTERM)


async def ask_for_tenants(rest: Rest, many: ManyCalls, rounds: int, asked: Asked) -> int:
    """Pages of companies from the first to the last, then pages, filters and single ones by chance; how many there are.

    The largest page is `tenants_walk`; of 50 are `tenants_list` (the first), `tenants_cursor` (any) and `pipelines`.
    """
    chance, seen, cursors, cursor = random.Random(4), 0, [], None
    while True:
        page = await rest.get(asked, "tenants_walk", "/tenants", **_given(limit=WALK_LIMIT, cursor=cursor))
        seen += len(page.get("items", ()))
        if (cursor := page.get("next")) is None:
            break
        cursors.append(cursor)
    for _ in range(rounds):
        tenant_id = chance.choice(many.tenants)
        await rest.get(asked, "tenants_list", "/tenants", limit=PAGE)
        await rest.get(asked, "tenants_cursor", "/tenants", **_given(limit=PAGE, cursor=_any(chance, cursors)))
        await rest.get(asked, "tenants_filter", "/tenants", domain_uuid=tenant_id)
        await rest.get(asked, "tenants_one", f"/tenants/{tenant_id}")
        await rest.get(asked, "tenants_revisions", f"/tenants/{tenant_id}/revisions")
        await rest.get(asked, "pipelines", "/pipelines", limit=PAGE)
    return seen


Search = Callable[[str], tuple[TenantId, CallFilter, Cursor | None]]


async def ask_for_calls(rest: Rest, many: ManyCalls, search: Search, kinds: tuple[str, ...], rounds: int) -> Asked:
    """The searches of the part `calls`, each as its request, and whole records of any company's."""
    chance, asked = random.Random(5), Asked()
    for _ in range(rounds):
        for kind in kinds:
            tenant_id, wanted, before = search(kind)
            params = dict(_conditions(wanted), domain_uuid=tenant_id, limit=PAGE)
            if before is not None:
                params["cursor"] = written(before)
            await rest.get(asked, kind, "/calls", some=kind in ("list", "caller"), **params)
        place = chance.randrange(len(many.owners))
        tenant_id = many.tenants[many.owners[place]]
        await rest.get(asked, "one", f"/calls/{call_id(place)}", domain_uuid=tenant_id)
    return asked


def _conditions(wanted: CallFilter) -> Iterator[tuple[str, str]]:
    for name in wanted.__struct_fields__:
        if (value := getattr(wanted, name)) is not None:
            yield name, value.isoformat() if name.startswith("opened") else str(value)


def _given(**params: Any) -> dict[str, Any]:
    return {name: value for name, value in params.items() if value is not None}


def _any(chance: random.Random, cursors: list[str]) -> str | None:
    return chance.choice(cursors) if cursors else None
