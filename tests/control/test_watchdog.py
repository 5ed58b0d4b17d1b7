"""A hung event loop ends the process; a busy one does not."""

import asyncio
import subprocess
import sys
import threading
import time

from control.watchdog import EXIT_CODE, Watchdog

HANGS = """
import asyncio, time
from control.watchdog import Watchdog

async def main():
    Watchdog(limit_s=0.4)
    time.sleep(30)

asyncio.run(main())
"""


def test_a_process_whose_loop_hangs_is_ended_with_its_stacks() -> None:
    began = time.monotonic()

    done = subprocess.run([sys.executable, "-c", HANGS], capture_output=True, text=True, timeout=25, check=False)

    assert done.returncode == EXIT_CODE
    assert time.monotonic() - began < 20
    assert "the event loop hangs" in done.stderr
    assert "in main" in done.stderr, "where it hung"


async def test_a_loop_that_turns_is_left_alone() -> None:
    ended = threading.Event()
    watchdog = Watchdog(limit_s=0.2, end=ended.set)
    for _ in range(20):
        await asyncio.sleep(0.03)
    watchdog.stop()

    assert not ended.is_set()
