"""Which tests are run again when they fail, and after which failures: those that a machine can cause which stops for
longer than a caller waits. Whatever else fails has failed: a fence that lets something through once is no fence.
"""

import asyncio
import subprocess
from pathlib import Path
from typing import Final, TypeAlias

import httpx
import pytest
from websockets.exceptions import ConnectionClosed

Kinds: TypeAlias = tuple[type[BaseException] | str, ...]

_NUMBER: Final = r"-?\d[\d.e+-]*"
WAITED: Final[Kinds] = (
    TimeoutError,
    subprocess.TimeoutExpired,
    ConnectionError,
    httpx.TransportError,
    ConnectionClosed,
    asyncio.IncompleteReadError,
    # A number that is too large or too small, or not about what it should be.
    rf"^AssertionError: (.*\n)?assert \(?{_NUMBER} (<|<=|>|>=) {_NUMBER}",
    rf"^AssertionError: (.*\n)?assert \(?{_NUMBER} == \(?{_NUMBER} ± ",
    r"^AssertionError: it takes too long",
    r"^AssertionError: (.*\n)?assert False\n.*where False = .*\bwait\b",
)
"""Something was waited for in vain, or took another time than it should."""
HEARD: Final[Kinds] = (*WAITED, AssertionError)
"""Of tests in real time that wait a fixed while, or in which whole calls are made, what was not heard by then, too."""

BY_THE_CLOCK: Final[dict[str, tuple[int, Kinds]]] = {
    "calls": (2, HEARD),
    "processors/realtime/test_faults.py": (1, HEARD),
    "processors/realtime/test_openai.py": (1, HEARD),
    "processors/realtime/test_usage.py": (1, HEARD),
    "control/api/test_copies.py": (1, WAITED),
    "control/api/test_documents.py": (1, WAITED),
    "control/api/test_events.py": (1, WAITED),
    "control/api/test_idempotency.py": (1, WAITED),
    "control/api/test_live_calls.py": (1, WAITED),
    "control/api/test_outage.py": (1, WAITED),
    "control/api/test_stored_documents.py": (1, WAITED),
    "control/capacity/test_child.py": (1, WAITED),
    "control/capacity/test_measuring.py": (1, WAITED),
    "control/cli/test_bench.py": (1, HEARD),
    "control/cli/test_call.py": (1, HEARD),
    "control/cli/test_demo.py": (1, HEARD),
    "control/cli/test_draining.py": (1, WAITED),
    "control/cli/test_remote.py": (1, WAITED),
    "control/cli/test_serve.py": (1, WAITED),
    "control/peer/test_caller.py": (1, WAITED),
    "control/peer/test_doors.py": (1, WAITED),
    "control/peer/test_late_ticks.py": (1, WAITED),
    "control/workers/test_everywhere.py": (1, WAITED),
    "control/workers/test_line.py": (1, WAITED),
    "control/workers/test_parent.py": (1, WAITED),
    "control/workers/test_two_nodes.py": (1, WAITED),
    "control/workers/test_workers.py": (1, HEARD),
    "test_app.py": (1, HEARD),
    "transports/freeswitch/test_burst_in_call.py": (1, WAITED),
    "transports/freeswitch/test_esl_client.py": (1, WAITED),
    "transports/freeswitch/test_esl_server.py": (1, WAITED),
    "transports/freeswitch/test_fork_downlink.py": (1, WAITED),
    "transports/freeswitch/test_fork_wait.py": (1, WAITED),
    "transports/freeswitch/test_hold_in_call.py": (1, WAITED),
    "transports/freeswitch/test_lead_in_call.py": (1, WAITED),
    "transports/freeswitch/test_media_server.py": (1, WAITED),
    "transports/freeswitch/test_outbox.py": (1, WAITED),
    "transports/freeswitch/test_shared_door.py": (1, WAITED),
    "transports/freeswitch/test_text_in_call.py": (1, WAITED),
    "transports/freeswitch/test_transport.py": (1, WAITED),
    "transports/freeswitch/test_unicast_socket.py": (1, WAITED),
}
"""A file or folder, how often what stands there is run again, and after what."""
NEVER: Final = frozenset(
    {
        "calls/test_no_key_in_logs.py",
        "calls/test_nonsense.py",
        "calls/test_nothing_kept.py",
        "calls/test_refusals.py",
        "calls/test_switches.py",
        "calls/test_trials.py",
    }
)
"""Of those folders: who may what, what is refused, what leaks, and what follows from what."""


def rerun(place: str) -> pytest.MarkDecorator | None:
    """How a test is run again, by its file's path below `tests`; None: it is not."""
    if place in NEVER:
        return None
    reruns, kinds = BY_THE_CLOCK.get(place) or BY_THE_CLOCK.get(Path(place).parent.as_posix()) or (0, ())
    return pytest.mark.flaky(reruns=reruns, reruns_delay=1, only_rerun=list(kinds)) if reruns else None
