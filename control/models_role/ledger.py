"""Lanes of threads that many processes share: how much is done for whom, and how long work waits."""

import asyncio
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from contextvars import ContextVar
from threading import Lock
from typing import Any, Final

from processors.compute import ComputeLanes, Lane, LaneLoad
from processors.served.protocol import LaneName, LaneState

LANES: Final[tuple[LaneName, ...]] = ("stt", "tts")
LOOK_S: Final = 0.5
LOOKS: Final = 2
MAX_CLIENTS: Final = 256
"""Whose work is told apart; of more, whoever has asked for nothing for longest is forgotten."""

asking: ContextVar[str] = ContextVar("asking", default="")
"""Who has sent the request that is being answered."""


class Ledger:
    """Satisfies `processors.factory.Compute`."""

    def __init__(self, lanes: ComputeLanes) -> None:
        self._lanes = lanes
        self._lock = Lock()
        self._busy: OrderedDict[str, dict[Lane, float]] = OrderedDict()
        self._total: dict[Lane, float] = dict.fromkeys(LANES, 0.0)
        self._seen: dict[LaneName, deque[LaneLoad]] = {lane: deque(maxlen=LOOKS) for lane in LANES}
        self.look()

    async def run(self, lane: Lane, work: Callable[[], Any]) -> Any:
        """As `ComputeLanes.run`."""
        client = asking.get()

        def counted() -> Any:
            began = time.monotonic()
            try:
                return work()
            finally:
                self._add(client, lane, time.monotonic() - began)

        return await self._lanes.run(lane, counted)

    def look(self) -> None:
        """Twice a second: what waits is told of the last two looks."""
        for lane in LANES:
            self._seen[lane].append(self._lanes.look(lane))

    async def keep_looking(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            self.look()

    def state(self, lane: LaneName, client: str) -> LaneState:
        """As one of them is told."""
        seen = self._seen[lane]
        with self._lock:
            total_s = self._total[lane]
            yours_s = self._busy.get(client, {}).get(lane, 0.0)
        return LaneState(
            threads=seen[-1].threads,
            waiting=seen[-1].waiting,
            wait_s=max(one.wait_s for one in seen),
            busy_s=total_s,
            yours_s=yours_s,
        )

    def _add(self, client: str, lane: Lane, busy_s: float) -> None:
        with self._lock:
            self._total[lane] = self._total.get(lane, 0.0) + busy_s
            of_client = self._busy.setdefault(client, {})
            of_client[lane] = of_client.get(lane, 0.0) + busy_s
            self._busy.move_to_end(client)
            while len(self._busy) > MAX_CLIENTS:
                self._busy.popitem(last=False)
