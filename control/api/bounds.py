"""How often somebody may ask, and how often guess. Pure: times are monotonic seconds that go in.

Both keep at most `MAX_KEPT` names; who was seen longest ago is forgotten.
"""

from collections import OrderedDict
from ipaddress import IPv6Address, ip_address
from typing import Any, Final

MAX_KEPT: Final = 10_000
GUESSES: Final = 10
"""Wrong keys from one address within `GUESSES_WITHIN_S`, then it is locked out."""
GUESSES_WITHIN_S: Final = 60.0
FIRST_LOCK_S: Final = 60.0
MAX_LOCK_S: Final = 900.0
"""Each further lock-out lasts twice as long, up to this."""


def address_name(host: str) -> str:
    """Who counts as one: an IPv4 address, or an IPv6 network of 64 bits, which one subscriber has for himself."""
    try:
        address = ip_address(host)
    except ValueError:
        return host[:64]  # a proxy may hand on whatever somebody wrote
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return f"{IPv6Address(int(address) >> 64 << 64)}/64"
    return str(address)


class Buckets:
    """A token bucket for each name: `per_s` requests a second in the long run, `burst` at once."""

    def __init__(self, per_s: float, burst: int) -> None:
        self._per_s = per_s
        self._burst = float(burst)
        self._kept: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, name: str, at: float) -> float:
        """0.0 when the request may pass; else how many seconds too early it is, and nothing is taken."""
        left, since = self._kept.pop(name, (self._burst, at))
        left = min(self._burst, left + (at - since) * self._per_s)
        wait_s = 0.0 if left >= 1.0 else (1.0 - left) / self._per_s
        self._kept[name] = (left if wait_s else left - 1.0, at)
        _trim(self._kept)
        return wait_s


class _Guesser:
    """One address."""

    def __init__(self) -> None:
        self.wrong: list[float] = []
        self.locked_until = float("-inf")
        self.locks = 0


class Guesses:
    """Addresses that send wrong keys."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, _Guesser] = OrderedDict()

    def locked_s(self, name: str, at: float) -> float:
        """How long the address is locked out from now on; 0.0: it is not."""
        guesser = self._kept.get(name)
        return 0.0 if guesser is None else max(0.0, guesser.locked_until - at)

    def wrong(self, name: str, at: float) -> None:
        """A wrong key came."""
        guesser = self._kept.pop(name, None) or _Guesser()
        self._kept[name] = guesser
        _trim(self._kept)
        if guesser.locks and at > guesser.locked_until + MAX_LOCK_S:
            guesser.locks = 0  # it has behaved since
        guesser.wrong = [*(one for one in guesser.wrong if one > at - GUESSES_WITHIN_S), at]
        if len(guesser.wrong) >= GUESSES:
            guesser.locked_until = at + min(MAX_LOCK_S, FIRST_LOCK_S * 2**guesser.locks)
            guesser.locks, guesser.wrong = guesser.locks + 1, []


def _trim(kept: OrderedDict[str, Any]) -> None:
    while len(kept) > MAX_KEPT:
        kept.popitem(last=False)
