"""How soon every process that takes calls answers with what is put; see `benchmarks.control`."""

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import httpx
from rich.console import Console

from benchmarks.parts.judge import Report, percentile
from benchmarks.parts.serving import Serving, document, serving, tenant

WORKERS: Final = 2
EVERYWHERE_MS: Final = 1000.0
ANSWERS_S: Final = 30.0
LOOK_S: Final = 0.01


async def measure_followers(report: Report, puts: int, folder: Path, out: Console) -> None:
    """Of so many PUTs, the first of which counts for nothing."""
    async with serving(folder, 1, {"ATENDE_WORKERS": str(WORKERS)}) as service:
        processes = await _processes(service)
        out.print(f"{puts} documents are put, {len(processes)} processes follow …")
        took_ms = [await _put(service, f"Welcome {turn}", processes) for turn in range(puts + 1)][1:]
    report.add("followers", len(processes), least=WORKERS)
    for name, q in (("p50", 0.5), ("p95", 0.95)):
        report.add(f"put_in_processes_{name}_ms", percentile(took_ms, q), "ms")
    report.add("put_in_processes_max_ms", max(took_ms), "ms", most=EVERYWHERE_MS)


async def _processes(service: Serving) -> Sequence[str]:
    """URLs of those that take calls, when all do."""
    async with asyncio.timeout(ANSWERS_S):
        while True:
            found = (await service.ask("GET", "/metrics/targets")).json()
            media = [one["targets"][0] for one in found if one["labels"]["atende_role"] == "media"]
            if len(media) == WORKERS:
                return [f"http://{one}" for one in media]
            await asyncio.sleep(LOOK_S)


async def _put(service: Serving, greeting: str, processes: Sequence[str]) -> float:
    """Milliseconds from its answer until the last of the processes answers with that revision."""
    path = f"/api/v1/tenants/{tenant(0)}/document"
    stands = (await service.ask("GET", path)).raise_for_status()
    sent: dict[str, Any] = {"content": document(0, greeting), "headers": {"If-Match": stands.headers["etag"]}}
    revision = (await service.ask("PUT", path, **sent)).raise_for_status().json()["revision"]
    answered_at = time.perf_counter()
    async with asyncio.timeout(ANSWERS_S):
        await asyncio.gather(*(_answers(service, url, revision) for url in processes))
    return (time.perf_counter() - answered_at) * 1e3


async def _answers(service: Serving, url: str, revision: int) -> None:
    while True:
        try:
            ready = (await service.ask("GET", f"{url}/health/ready")).json()
        except httpx.HTTPError:
            ready = {}
        if any(one["revision"] == revision for one in ready.get("tenants") or ()):
            return
        await asyncio.sleep(LOOK_S)
