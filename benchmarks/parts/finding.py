"""Finished calls are looked for in a database of very many: lists and searches, each by itself and page after page."""

import random
import time
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from msgspec import structs
from rich.console import Console

from base.ids import CallId, TenantId
from base.secret import Secret
from benchmarks.parts import many_calls as data
from benchmarks.parts.judge import Report, percentile, tell
from benchmarks.parts.many_calls import ManyCalls, call_id
from tenants.call_search import CallFilter, Cursor
from tenants.conversations import ConversationStore, PostgresConversations
from tenants.database import PoolBounds, connect_app
from tenants.migrate import connect, migrate

PAGE: Final = 50
SEARCH_P95_MS: Final = 100.0
EXPORTED: Final = 5000
KINDS: Final = (
    "list", "cursor", "dates", "assistant", "number", "caller", "end_reason", "revision", "several", "all_at_once",
    "never_together", "never_with_dates", "never_from_a_cursor", "rare_end_and_text",
)  # fmt: skip
NEW_INDEXES: Final = """
SELECT indexname AS name, indexdef AS made_by, pg_relation_size(format('atende.%I', indexname)::regclass) AS bytes
FROM pg_indexes WHERE schemaname = 'atende' AND tablename = 'conversations'
    AND indexname NOT IN ('conversations_pkey', 'conversations_newest') ORDER BY indexname
"""


@dataclass(frozen=True)
class Rounds:
    """How often each is asked for."""

    of_each: int
    peer: int
    text: int


class Asker:
    """Draws what is asked for; the same seed asks the same."""

    def __init__(self, many: ManyCalls, seed: int) -> None:
        self._many, self._chance = many, random.Random(seed)
        self._largest = many.tenants[data.LARGEST]
        self._its_calls = many.of(data.LARGEST)

    def asked(self, kind: str) -> tuple[TenantId, CallFilter, Cursor | None]:
        """Tenant, filter and cursor of one search."""
        chance, one = self._chance, self._chance.choice(self._its_calls)
        tenant = self._many.tenants[chance.choice(self._many.owners)]
        since = data.FIRST + timedelta(days=chance.uniform(0, data.DAYS - 30))
        dates = {"opened_from": since, "opened_to": since + timedelta(days=chance.uniform(1, 30))}
        never = {"assistant": data.ASSISTANTS[0], "number": data.NUMBERS[1]}
        facts: Mapping[str, Mapping[str, Any]] = {
            "list": {},
            "cursor": {},
            "dates": dates,
            "assistant": {"assistant": chance.choice(data.ASSISTANTS)},
            "number": {"number": chance.choice(data.NUMBERS)},
            "caller": {"caller": self._many.caller(one)},
            "end_reason": {"end_reason": chance.choice(list(data.ENDS))},
            "revision": {"revision": chance.randint(1, data.REVISIONS)},
            "several": {**dates, "assistant": data.ASSISTANTS[1], "end_reason": chance.choice(list(data.ENDS))},
            "never_together": never,
            "never_with_dates": {**dates, **never},
            "never_from_a_cursor": never,
            "all_at_once": {
                "assistant": data.ASSISTANTS[0],
                "number": data.NUMBERS[0],
                "revision": chance.randint(1, data.REVISIONS),
                "end_reason": chance.choice(list(data.ENDS)),
                "caller": self._many.caller(one),
            },
            "rare_end_and_text": {"end_reason": "silence", "text": data.RARE},
        }
        before = Cursor(self._many.opened_at(one), call_id(one)) if "cursor" in kind else None
        return tenant if kind in ("list", "dates") else self._largest, CallFilter(**facts[kind]), before

    def said(self, text: str, days: float) -> tuple[TenantId, CallFilter]:
        """A text of the largest tenant's, within so many days."""
        since = data.FIRST + timedelta(days=self._chance.uniform(0, data.DAYS - days))
        return self._largest, CallFilter(text=text, opened_from=since, opened_to=since + timedelta(days=days))


async def measured_finding(report: Report, many: ManyCalls, rounds: Rounds, url: Secret, out: Console) -> None:
    """Fill it, ask without the new indexes, make them, ask again."""
    await migrate(url)
    owner = await connect(url)
    database = await connect_app(url, None, PoolBounds(max_connections=2))
    store = PostgresConversations(database)
    try:
        indexes = await owner.fetch(NEW_INDEXES)
        for index in indexes:
            await owner.execute(f"DROP INDEX atende.{index['name']}")
        out.print(f"{len(many.owners):,} calls of {len(many.tenants):,} tenants …")
        report.add("tenants", len(many.tenants))
        report.add("calls", len(many.owners))
        report.add("largest_tenant_calls", len(many.of(data.LARGEST)))
        report.add("fill_s", await _seconds(data.fill(owner, many)), "s")
        out.print("without the indexes …")
        without = await _searched(store, Asker(many, 1), rounds.peer)
        stored_without = await _stored(store, many, "without")
        report.add("indexes_s", await _seconds(_make(owner, indexes)), "s")
        out.print("with them …")
        found = await _searched(store, Asker(many, 2), rounds.of_each)
        for kind in KINDS:
            tell(report, kind, found[kind], most=SEARCH_P95_MS)
            report.add(f"{kind}_without_p95_ms", percentile(without[kind], 0.95), "ms")
        await _texts(report, store, Asker(many, 3), rounds.text)
        await _wholes(report, store, Asker(many, 4))
        report.add("export_calls_per_s", await _exported(store, many), "1/s")
        report.add("store_p50_ms", percentile(await _stored(store, many, "with"), 0.5), "ms")
        report.add("store_without_p50_ms", percentile(stored_without, 0.5), "ms")
        report.add("indexes_mb", sum(index["bytes"] for index in await owner.fetch(NEW_INDEXES)) / 1e6, "MB")
    finally:
        await database.close()
        await owner.close()


async def _seconds(work: Coroutine[Any, Any, Any]) -> float:
    """It begins when it is awaited."""
    began = time.perf_counter()
    await work
    return time.perf_counter() - began


async def _make(owner: Any, indexes: Sequence[Any]) -> None:
    """The migration's indexes, as it makes them: in one transaction."""
    async with owner.transaction():
        for index in indexes:
            await owner.execute(index["made_by"])
    await owner.execute("VACUUM (ANALYZE) atende.conversations")


async def _searched(store: ConversationStore, asker: Asker, rounds: int) -> dict[str, list[float]]:
    """Milliseconds of each search; the kinds take turns."""
    took: dict[str, list[float]] = {kind: [] for kind in KINDS}
    for _ in range(rounds):
        for kind in KINDS:
            tenant, wanted, before = asker.asked(kind)
            seconds = await _seconds(store.search(tenant, wanted, PAGE, before))
            took[kind].append(seconds * 1e3)
    return took


async def _texts(report: Report, store: ConversationStore, asker: Asker, rounds: int) -> None:
    """Texts that are often and hardly ever said, within a week, a quarter and all time: first pages."""
    for name, text, days in (
        ("text_common", data.COMMON, data.DAYS), ("text_rare_week", data.RARE, 7), ("text_rare_quarter", data.RARE, 91),
        ("text_rare_year", data.RARE, data.DAYS),
    ):  # fmt: skip
        took = []
        for _ in range(rounds):
            tenant, wanted = asker.said(text, days)
            took.append(await _seconds(store.search(tenant, wanted, PAGE)) * 1e3)
        tell(report, name, took, most=SEARCH_P95_MS)


async def _wholes(report: Report, store: ConversationStore, asker: Asker) -> None:
    """Everything looked through, page after page, each judged by itself."""
    for name, (tenant, wanted) in {
        "never_together": asker.asked("never_together")[:2],
        "text_rare": asker.said(data.RARE, data.DAYS),
    }.items():
        took: list[float] = []
        behind: Cursor | None = None
        while not took or behind is not None:
            began = time.perf_counter()
            behind = (await store.search(tenant, wanted, PAGE, behind)).behind
            took.append((time.perf_counter() - began) * 1e3)
        report.add(f"{name}_whole_pages", len(took))
        report.add(f"{name}_whole_s", sum(took) / 1e3, "s")
        tell(report, f"{name}_whole", took, most=SEARCH_P95_MS)


async def _exported(store: ConversationStore, many: ManyCalls) -> float:
    """Whole records of the largest tenant's in a second."""
    began, count = time.perf_counter(), 0
    async for _ in store.export(many.tenants[data.LARGEST], CallFilter()):
        count += 1
        if count == EXPORTED:
            break
    return count / (time.perf_counter() - began)


async def _stored(store: ConversationStore, many: ManyCalls, name: str, calls: int = 200) -> list[float]:
    """Milliseconds of keeping another call, each like the newest."""
    tenant, took = many.tenants[data.LARGEST], []
    (whole,) = await store.list(tenant, 1)
    for number in range(calls):
        call = structs.replace(whole.call, id=CallId(f"{name}-{number}"))
        took.append(await _seconds(store.store(tenant, structs.replace(whole, call=call))) * 1e3)
    return took
