"""A node of several processes with the example tenants and real models, and the memory of each."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx

from base.processes import PROGRAM, ended, free_ports, others_environ
from control.capacity.child import series

ROOT: Final = Path(__file__).parents[2]
START_S: Final = 900.0
"""Voices are rendered before calls are taken; once, then they are on disk."""
STOP_S: Final = 60.0
WORKERS: Final = 2
TENANTS: Final = 2
READY: Final = 'atende_tenants{state="ready"}'


@dataclass(frozen=True)
class OwnNode:
    """One that takes calls."""

    pid: int
    data_dir: Path

    @property
    def models_url(self) -> str:
        """Of its own process for the models."""
        return f"unix://{self.data_dir / 'models.sock'}"

    def pss_mb(self) -> dict[str, float]:
        """Proportional set size by role, the parent's too. The database's processes are no children of ours."""
        found = Counter[str]()
        for pid in (self.pid, *_children(self.pid)):
            words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
            if pid == self.pid or '"role": "' in words:
                role = words.partition('"role": "')[2].partition('"')[0] or "parent"
                found[role] += _pss_kb(pid) / 1024  # type: ignore[assignment]
        return dict(found)


@asynccontextmanager
async def own_node(folder: Path, shared: Path, models_dir: Path, *, models_url: str) -> AsyncIterator[OwnNode]:
    """`atende serve --workers 2` in a folder of its own; rendered voices are those of `shared`. Raises RuntimeError."""
    data_dir, (http_port, esl_port) = folder / "data", free_ports(2)
    data_dir.mkdir(parents=True)
    (shared / "tts-cache").mkdir(parents=True, exist_ok=True)
    (data_dir / "tts-cache").symlink_to(shared / "tts-cache")
    environ = others_environ() | {
        "ATENDE_DATA_DIR": str(data_dir),
        "ATENDE_MODELS_DIR": str(models_dir),
        "ATENDE_MODELS_URL": models_url,
        "ATENDE_HTTP_PORT": str(http_port),
        "ATENDE_ESL_PORT": str(esl_port),
        "ATENDE_WORKERS": str(WORKERS),
        "ATENDE_LOG_LEVEL": "error",
    }
    with (folder / "log").open("wb") as said:
        process = await asyncio.create_subprocess_exec(
            *PROGRAM, "serve", cwd=ROOT, env=environ, stdout=said, stderr=said
        )
    try:
        await _ready(process, http_port, folder / "log")
        yield OwnNode(process.pid, data_dir)
    finally:
        await ended(process, STOP_S)


async def _ready(process: asyncio.subprocess.Process, port: int, log: Path) -> None:
    """Return when both processes that take calls answer for all tenants."""
    until = time.monotonic() + START_S
    async with httpx.AsyncClient(timeout=10, trust_env=False) as client:
        while process.returncode is None and time.monotonic() < until:
            try:
                if await _answering(client, f"http://127.0.0.1:{port}/metrics/targets") == WORKERS:
                    return
            except (httpx.HTTPError, ValueError):
                pass
            await asyncio.sleep(0.2)
    said = await asyncio.to_thread(log.read_text, errors="replace")
    raise RuntimeError(f"the node did not begin:\n{said[-2000:]}")


async def _answering(client: httpx.AsyncClient, targets: str) -> int:
    """Processes that take calls and have every tenant."""
    media = [one for one in (await client.get(targets)).json() if one["labels"]["atende_role"] == "media"]
    found = [series((await client.get(f"http://{one['targets'][0]}/metrics")).text) for one in media]
    return sum(one.get(READY, 0) == TENANTS and one["atende_taking_calls"] == 1 for one in found)


def _children(pid: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        found += [int(one) for one in (task / "children").read_text().split()]
    return found


def _pss_kb(pid: int) -> int:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    return 0
