"""Three nodes that share a database: what is put at one answers at all, and none takes a call of another along."""

import asyncio
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from rich.console import Console

from base.ids import CallId
from base.secret import Secret
from benchmarks.parts.judge import Report, percentile
from benchmarks.parts.nodes import TENANT, Cluster, Crowd, Node, cluster, until
from control import logs
from tenants.conversations import PostgresConversations
from tenants.database import PoolBounds, connect_app
from tenants.migrate import migrate

PUT_EVERYWHERE_MS: Final = 1000.0
FALL_BACK_MS: Final = 1000.0
LOST_AFTER_S: Final = 10.0


async def measured_nodes(
    report: Report, folder: Path, url: Secret, out: Console, *, puts: int, callers: int, talk_s: float
) -> None:
    """`url` is of an empty database's owner; a call lasts `talk_s` seconds behind its greeting."""
    logs.configure("console", "error")  # that nobody listens at a node is what is measured
    await migrate(url)
    database = await connect_app(url, None, PoolBounds(max_connections=2))
    try:
        async with cluster(folder, url, database, drain_s=60) as three:
            out.print("what is put at one node …")
            took_ms = [await three.put(f"Welcome {n}", three.nodes[n % 3]) for n in range(puts + 1)][1:]
            for name, q in (("p50", 0.5), ("p95", 0.95)):
                report.add(f"put_everywhere_{name}_ms", percentile(took_ms, q), "ms")
            report.add("put_everywhere_max_ms", max(took_ms), "ms", most=PUT_EVERYWHERE_MS)
            crowd = Crowd(three, callers, talk_s)
            async with crowd.rings():
                await _restarted(report, three, crowd, out)
                await _killed(report, three, crowd, out)
    finally:
        await database.close()


async def _restarted(report: Report, three: Cluster, crowd: Crowd, out: Console) -> None:
    """Each node in turn: it drains, ends, and is there again before the next one goes."""
    began = time.monotonic()
    for node in three.nodes:
        out.print(f"{node.host} is restarted under {len(crowd.live)} calls …")
        await node.stop(signal.SIGTERM)
        await node.start(three.client)
    endings = crowd.endings(began)
    report.add("rolling_restart_s", time.monotonic() - began, "s")
    report.add("rolling_calls", endings.total())
    report.add("rolling_dropped", endings.total() - endings["caller"], most=0)
    for ending, count in sorted(endings.items()):
        report.notes.append(f"rolling restart: {count} calls ended by {ending}")


async def _killed(report: Report, three: Cluster, crowd: Crowd, out: Console) -> None:
    """Without a word, under its calls; and started again."""
    victim, *others = three.nodes
    await until(lambda: len(crowd.of(victim.host)) >= len(crowd.live) / 4)
    its_calls = set(crowd.of(victim.host))
    out.print(f"{victim.host} is killed under {len(its_calls)} of {len(crowd.live)} calls …")
    killed_at = time.monotonic()
    await victim.stop(signal.SIGKILL)
    await until(lambda: not its_calls & set(crowd.live))
    gave_back = [(at - killed_at) * 1e3 for _, at, end in crowd.results if end.call_id in its_calls]
    report.add("killed_calls", len(its_calls), least=1)
    report.add("killed_calls_at_fall_back_max_ms", max(gave_back), "ms", most=FALL_BACK_MS)
    async with asyncio.timeout(60):
        while await _knows(others[0], victim.host, three):  # noqa: ASYNC110 - it is asked over HTTP
            await asyncio.sleep(0.1)
    report.add("killed_lost_after_s", time.monotonic() - killed_at, "s", least=LOST_AFTER_S - 2.0)
    lost = [end for _, at, end in crowd.results if at >= killed_at and end.ended_by != "caller"]
    answered = [end.call_id for end in lost if end.call_id in its_calls and end.answered]
    report.add("killed_records_missing_while_it_is_gone", await _missing(three, answered), most=0)
    await victim.start(three.client)
    lost = [end for _, at, end in crowd.results if at >= killed_at and end.ended_by != "caller"]
    report.add("killed_other_calls_dropped", len([end for end in lost if end.call_id not in its_calls]), most=0)
    report.add("killed_records_missing", await _missing(three, answered), most=0)


async def _knows(node: Node, host: str, three: Cluster) -> bool:
    ready = await node.ready(three.client)
    return ready is None or any(process["node"] == host for process in ready["processes"])


async def _missing(three: Cluster, calls: Sequence[str], limit_s: float = 20.0) -> int:
    """How many of these have no record in the database that says that they were lost with their process."""
    store, left, until = PostgresConversations(three.database), set(calls), time.monotonic() + limit_s
    while left and time.monotonic() < until:
        for call in sorted(left):
            record = await store.get(TENANT, CallId(call))
            if record is not None and record.end_reason == "lost":
                left.discard(call)
        await asyncio.sleep(0.2)
    return len(left)
