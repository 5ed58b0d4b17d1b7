"""Programs that are started for a while, and where they may listen."""

import asyncio
import socket
from contextlib import ExitStack


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
