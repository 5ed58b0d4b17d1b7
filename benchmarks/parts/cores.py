"""One core for the server and one for its peers: who may run where, and what else ran there."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def two_cores() -> tuple[int, int]:
    """The server's core and the peers'. Raises RuntimeError on a machine with one."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        raise RuntimeError("the server and its peers need a core each, and this process may use one only")
    return cores[0], cores[1]


def cpu_s(pid: int) -> float:
    """CPU seconds of a process so far, all threads. Raises OSError when it is gone."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S


def pinned(core: int) -> Callable[[], None]:
    """For a child to call before it becomes another program: all threads that it ever makes stay on `core`."""
    return lambda: os.sched_setaffinity(0, {core})


@dataclass(frozen=True)
class Busy:
    """Seconds since the machine began that a core was not idle, and of these, that another machine had it."""

    busy_s: float
    stolen_s: float


def busy(core: int, stat: str | None = None) -> Busy:
    """Of one core, from /proc/stat (or its text)."""
    text = Path("/proc/stat").read_text() if stat is None else stat
    fields = next(line for line in text.splitlines() if line.startswith(f"cpu{core} ")).split()
    user, nice, system, _idle, _iowait, irq, softirq, stolen = (int(field) / TICKS_PER_S for field in fields[1:9])
    return Busy(user + nice + system + irq + softirq + stolen, stolen)
