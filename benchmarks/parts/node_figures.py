"""Three nodes that share a database: what is put at one answers at all, and none takes a call of another along."""

import asyncio
import signal
import time
from collections import Counter
from pathlib import Path
from typing import Final

from rich.console import Console

from base.secret import Secret
from benchmarks.parts.judge import Report, percentile
from benchmarks.parts.nodes import HOSTS, TENANT, Cluster, Crowd, Node, cluster, ending, until
from benchmarks.parts.searching import bring_in, measured_search
from control import logs
from control.capacity.child import series
from control.workers.presence import RENEW_S
from tenants.database import PoolBounds, connect_app
from tenants.lost import LOST_AFTER_S
from tenants.migrate import migrate

PUT_EVERYWHERE_MS: Final = 1000.0
FALL_BACK_MS: Final = 1000.0
SLACK_S: Final = 6.0
"""The last renewal may be as old as the kill, what is read is read once a second, and two cores have three nodes."""
REFUSED: Final = "atende_calls_refused_total"
FALL_BACK: Final = "door_failed"
ENDS_WELL: Final = (0, -signal.SIGTERM)
LOST: Final = "SELECT call_id FROM atende.conversations WHERE tenant_id = $1 AND end_reason = 'lost'"


async def measured_nodes(
    report: Report, folder: Path, url: Secret, out: Console, *, puts: int, callers: int, talk_s: float
) -> None:
    """`url` is of an empty database's owner; a call lasts `talk_s` seconds behind its greeting."""
    logs.configure("console", "error")  # that nobody listens at a node is what is measured
    await migrate(url)
    database = await connect_app(url, None, PoolBounds(max_connections=2))
    try:
        bring_in(folder / f"knowledge-{HOSTS[0]}")
        async with cluster(folder, url, database, drain_s=60) as three:
            out.print("what is put at one node …")
            took_ms = [await three.put(f"Welcome {n}", three.nodes[n % 3]) for n in range(puts + 1)][1:]
            for name, q in (("p50", 0.5), ("p95", 0.95)):
                report.add(f"put_everywhere_{name}_ms", percentile(took_ms, q), "ms")
            report.add("put_everywhere_max_ms", max(took_ms), "ms", most=PUT_EVERYWHERE_MS)
            await measured_search(report, three)
            crowd = Crowd(three, callers, talk_s)
            async with crowd.rings():
                await _restarted(report, three, crowd, out)
                await _killed(report, three, crowd, out)
    finally:
        await database.close()


async def _restarted(report: Report, three: Cluster, crowd: Crowd, out: Console) -> None:
    """Each node in turn: it drains, ends, and is there again with calls before the next one goes."""
    began = time.monotonic()
    had, statuses, relieved, refused = list[int](), list[int](), 0, Counter[str]()
    for node in three.nodes:
        await until(lambda: bool(crowd.of(node.host)))  # noqa: B023 - it is over before the next one
        had.append(len(crowd.of(node.host)))
        out.print(f"{node.host} is restarted under {had[-1]} of {len(crowd.live)} calls …")
        former, counted = await _pids(node, three), await _refused(three, node)
        refused += counted
        statuses.append(await node.stop(signal.SIGTERM))
        await node.start(three.client)
        relieved += bool(former) and not former & await _pids(node, three)
        await until(lambda: bool(crowd.of(node.host)))  # noqa: B023
    for node in three.nodes:
        refused += await _refused(three, node)
    endings = crowd.endings(began)
    report.add("rolling_restart_s", time.monotonic() - began, "s")
    report.add("rolling_nodes_relieved", relieved, least=len(three.nodes))
    report.add("rolling_calls_at_a_stop_min", min(had), least=1)
    report.add("rolling_bad_exits", sum(status not in ENDS_WELL for status in statuses), most=0)
    report.add("rolling_calls", endings.total(), least=crowd.callers)
    report.add("rolling_dropped", endings.total() - endings["caller"], most=0)
    for how, count in sorted(endings.items()):
        report.notes.append(f"rolling restart: {count} calls ended by {how}")
    report.notes += [f"refused until then: {name} {count}" for name, count in sorted(refused.items())]


async def _refused(three: Cluster, node: Node) -> Counter[str]:
    """Calls that the node did not let in since its start, by the metric's labels."""
    told = series((await three.client.get(f"{node.url}/metrics")).text)
    return Counter({name: round(count) for name, count in told.items() if name.startswith(REFUSED) and count})


async def _pids(node: Node, three: Cluster) -> set[int]:
    """Of the node's processes, as it tells them itself."""

    async def told() -> set[int]:
        ready = await node.ready(three.client, three.key) or {"processes": []}
        return {process["pid"] for process in ready["processes"] if process["node"] == node.host}

    async with asyncio.timeout(10):
        while not (found := await told()):  # noqa: ASYNC110 - it is asked over HTTP
            await asyncio.sleep(0.1)
    return found


async def _killed(report: Report, three: Cluster, crowd: Crowd, out: Console) -> None:
    """Without a word, under its calls; and started again."""
    victim, *others = three.nodes
    await until(lambda: len(crowd.of(victim.host)) >= len(crowd.live) / 4)
    its_calls = set(crowd.of(victim.host))
    out.print(f"{victim.host} is killed under {len(its_calls)} of {len(crowd.live)} calls …")
    killed_at = time.monotonic()
    await victim.stop(signal.SIGKILL)
    await until(lambda: not its_calls & set(crowd.live))
    # Some may have hung up in the same moment.
    gave_back = [(at, end) for _, at, end in crowd.results if end.call_id in its_calls and ending(end) != "caller"]
    report.add("killed_calls", len(gave_back), least=max(1.0, len(its_calls) / 2))
    report.add("killed_calls_not_at_fall_back", sum(ending(end) != FALL_BACK for _, end in gave_back), most=0)
    took_ms = [(at - killed_at) * 1e3 for at, _ in gave_back]
    report.add("killed_calls_at_fall_back_max_ms", max(took_ms), "ms", most=FALL_BACK_MS)
    async with asyncio.timeout(60):
        while await _knows(others[0], victim.host, three):  # noqa: ASYNC110 - it is asked over HTTP
            await asyncio.sleep(0.1)
    lost_after_s = time.monotonic() - killed_at
    report.add("killed_lost_after_s", lost_after_s, "s", most=LOST_AFTER_S + SLACK_S)
    report.add("killed_lost_not_before_s", lost_after_s, "s", least=LOST_AFTER_S - RENEW_S)
    answered = {end.call_id for _, end in gave_back if end.answered}
    told = await _told_lost(three, answered)
    report.add("killed_records_missing_while_it_is_gone", len(answered - told), most=0)
    await victim.start(three.client)
    dropped = [(host, at, end) for host, at, end in crowd.results if at >= killed_at and ending(end) != "caller"]
    # Whom it was just taking when it died is its own, too, although nobody knows yet who has him.
    its = {"", victim.host}
    elsewhere = [end for host, at, end in dropped if host not in its or at > killed_at + FALL_BACK_MS / 1e3]
    others_dropped = [end for end in elsewhere if end.answered]
    report.add("killed_other_calls_dropped", len(others_dropped), most=0)
    # All of its callers ring the others at once: a node without room refuses, and the dialplan goes on.
    report.add("killed_new_calls_refused", len(elsewhere) - len(others_dropped))
    report.notes += [f"{victim.host} killed: another call ended by {ending(end)}" for end in others_dropped]
    told = await _told_lost(three, answered)
    report.add("killed_records_missing", len(answered - told), most=0)
    report.add("killed_records_of_others", len(told - its_calls), most=0)


async def _knows(node: Node, host: str, three: Cluster) -> bool:
    ready = await node.ready(three.client, three.key)
    return ready is None or any(process["node"] == host for process in ready["processes"])


async def _told_lost(three: Cluster, calls: set[str], limit_s: float = 20.0) -> set[str]:
    """The calls whose records say that their process died; returns when these are among them, or time is over."""
    found, until_s = set[str](), time.monotonic() + limit_s
    while not calls <= found and time.monotonic() < until_s:
        await asyncio.sleep(0.2)
        async with three.database.tenant(TENANT) as connection:
            found = {row["call_id"] for row in await connection.fetch(LOST, TENANT)}
    return found
