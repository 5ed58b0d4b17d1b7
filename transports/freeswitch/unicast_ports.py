"""Which UDP ports a unicast stream uses: a fresh random pair, outside FreeSWITCH's RTP range."""

import random
from typing import Final

from msgspec import Struct

from transports.freeswitch.errors import MediaUnavailableError

SWITCH_RTP_RANGE: Final = range(16384, 32769)
"""FreeSWITCH's default `rtp-start-port` to `rtp-end-port`; a port in there could hit a live call."""


class PortPair(Struct, frozen=True):
    """Ours is even, FreeSWITCH's is the next."""

    ours: int

    @property
    def switch(self) -> int:
        return self.ours + 1


class UnicastPorts:
    """Lends pairs out of [first_port, last_port]; each is lent once at a time.

    A pair of a call that may have had two streams is retired: FreeSWITCH may hold its end for ever, and a
    datagram sent there after that call aborts it.
    """

    def __init__(self, first_port: int = 40000, last_port: int = 49999, *, seed: int | None = None) -> None:
        if not 1024 <= first_port < last_port <= 65535:
            raise ValueError(f"unicast ports {first_port}-{last_port}: give a range inside 1024-65535")
        if first_port < SWITCH_RTP_RANGE.stop and last_port >= SWITCH_RTP_RANGE.start:
            raise ValueError(f"unicast ports {first_port}-{last_port} overlap FreeSWITCH's RTP ports 16384-32768")
        # Not a secret: random only so that a restarted process does not begin with the ports of the former one.
        self._random = random.Random(seed)  # noqa: S311
        self._free = list(range(first_port + first_port % 2, last_port, 2))
        self.retired = 0

    @property
    def free(self) -> int:
        """Pairs that can be lent now."""
        return len(self._free)

    def take(self) -> PortPair:
        """Lend a random pair. Raises MediaUnavailableError when none is left."""
        if not self._free:
            raise MediaUnavailableError("all unicast ports are in use or retired: widen the range")
        index = self._random.randrange(len(self._free))
        self._free[index], self._free[-1] = self._free[-1], self._free[index]
        return PortPair(self._free.pop())

    def give_back(self, pair: PortPair) -> None:
        """The stream has ended and was the only one of its park."""
        self._free.append(pair.ours)

    def retire(self, pair: PortPair) -> None:
        """Never lend this pair again."""
        self.retired += 1
