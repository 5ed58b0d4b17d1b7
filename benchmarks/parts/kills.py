"""PostgreSQL is killed while documents are put; see `benchmarks.control`."""

import asyncio
import hashlib
import random
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import httpx
from rich.console import Console

from benchmarks.parts.judge import Report
from benchmarks.parts.serving import Database, Serving, document, serving, tenant

TENANTS: Final = 4
ROWS: Final = "SELECT tenant_id::text AS tenant, number, digest, document FROM atende.revisions ORDER BY 1, 2"
TOLD: Final = """
SELECT tenant_id::text AS tenant, subject, count(*) AS events FROM atende.events
WHERE kind = 'document.published' GROUP BY 1, 2
"""
CURRENT: Final = "/api/v1/tenants/{}/document"


@dataclass
class Accepted:
    """What the API said yes to."""

    revisions: dict[tuple[str, int], str] = field(default_factory=dict)
    """(tenant, number) to the digest of what was put."""
    refused: Counter[int] = field(default_factory=Counter)
    """By status."""
    cut: int = 0
    """Changes that a kill met half-way: they were begun, and refused."""


async def measure_kills(report: Report, kills: int, folder: Path, out: Console) -> None:
    """With so many of them."""
    chance = random.Random(5)
    async with serving(folder, TENANTS, {"ATENDE_SWAP": "drain"}) as service:
        accepted, over = Accepted(), asyncio.Event()
        putting = [asyncio.create_task(_put(service, number, accepted, over)) for number in range(TENANTS)]
        for kill in range(kills):
            await asyncio.sleep(chance.uniform(0.5, 1.5))
            out.print(f"kill {kill + 1} of {kills}; {len(accepted.revisions)} were accepted so far …")
            await service.database.kill()
            await service.database.start()
            await _accepts_again(accepted)
        over.set()
        await asyncio.gather(*putting)
        await _judge(report, service.database, accepted)
        current = [await service.ask("GET", CURRENT.format(tenant(number))) for number in range(TENANTS)]
    last = {number: max(n for owner, n in accepted.revisions if owner == tenant(number)) for number in range(TENANTS)}
    behind = sum(int(told.headers["Atende-Revision"]) < last[number] for number, told in enumerate(current))
    report.add("kills", kills)
    report.add("puts_accepted", len(accepted.revisions), least=kills)
    report.add("puts_refused", accepted.refused.total())
    report.add("puts_cut_by_a_kill", accepted.cut, least=1)
    report.add("puts_refused_otherwise", sum(n for status, n in accepted.refused.items() if status != 503), most=0)
    report.add("current_behind_accepted", behind, most=0)


async def _put(service: Serving, number: int, accepted: Accepted, over: asyncio.Event) -> None:
    """One text after the other, each from what stands."""
    asked, turn = tenant(number), 0
    path = CURRENT.format(asked)
    while not over.is_set():
        turn += 1
        text = document(number, f"Welcome for the {turn}th time")
        try:
            stands = await service.ask("GET", path)
            if stands.status_code != httpx.codes.OK:
                accepted.refused[stands.status_code] += 1
                await asyncio.sleep(0.1)
                continue
            told = await service.ask("PUT", path, content=text, headers={"If-Match": stands.headers["etag"]})
        except httpx.TransportError:
            accepted.refused[0] += 1
            continue
        if told.status_code == httpx.codes.OK:
            accepted.revisions[asked, told.json()["revision"]] = hashlib.sha256(text.encode()).hexdigest()
        else:
            accepted.refused[told.status_code] += 1
            accepted.cut += 1


async def _accepts_again(accepted: Accepted, timeout_s: float = 60.0) -> None:
    """Return when something is accepted behind the kill."""
    before = len(accepted.revisions)
    async with asyncio.timeout(timeout_s):
        while len(accepted.revisions) <= before + TENANTS:  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def _judge(report: Report, database: Database, accepted: Accepted) -> None:
    rows = {(row["tenant"], row["number"]): row for row in await database.ask(ROWS)}
    told = {(row["tenant"], int(row["subject"])): row["events"] for row in await database.ask(TOLD)}
    kept = {place: row["digest"] for place, row in rows.items()}
    numbers: dict[str, list[int]] = {}
    for owner, number in rows:
        numbers.setdefault(owner, []).append(number)
    report.add("revisions", len(rows))
    report.add("accepted_gone", sum(kept.get(place) != digest for place, digest in accepted.revisions.items()), most=0)
    half = sum(hashlib.sha256(bytes(row["document"])).hexdigest() != row["digest"] for row in rows.values())
    report.add("half_written", half, most=0)
    report.add("gaps", sum(found != list(range(1, len(found) + 1)) for found in numbers.values()), most=0)
    report.add("events_not_once", sum(told.get(place, 0) != 1 for place in rows), most=0)
    report.add("events_of_nothing", len(told.keys() - rows.keys()), most=0)
