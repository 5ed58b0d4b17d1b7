"""Programs that are started for a while, and where they may listen."""

import asyncio
import os
import socket
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Final

PROGRAM: Final[Sequence[str]] = (sys.executable, "-c", "import atende; atende.main()")
"""`atende`, whose arguments follow: that of the folder it is started in, or of PYTHONPATH, or the installed one."""


def others_environ() -> dict[str, str]:
    """What the environment says to every program, and not to ours."""
    return {name: value for name, value in os.environ.items() if not name.startswith("ATENDE_")}


async def ended(process: asyncio.subprocess.Process, within_s: float) -> None:
    """It is asked to end (SIGTERM), and killed when it has not in that time; one that has ended is left alone."""
    if process.returncode is not None:
        return
    process.terminate()
    try:
        async with asyncio.timeout(within_s):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


def free_ports(count: int, host: str = "127.0.0.1") -> list[int]:
    """TCP ports that differ. Nobody has them now; somebody may before they are used, and then who uses them is told."""
    with ExitStack() as stack:
        listeners = [stack.enter_context(socket.create_server((host, 0))) for _ in range(count)]
        return [int(listener.getsockname()[1]) for listener in listeners]


def free_port(host: str = "127.0.0.1") -> int:
    """One of them."""
    return free_ports(1, host)[0]


def is_there(pid: int) -> bool:
    """Whether this machine, as far as we see of it, has a process of that number."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
