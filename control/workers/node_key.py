"""Who may ask a process for another: a request is signed with a key that all processes of all nodes have. Pure.

The key is derived from what API keys are digested with, which nodes share already. A signature is good for one request,
for half a minute, and by the one process that it is for: addresses change hands.
"""

import hashlib
import hmac
from collections import OrderedDict
from typing import Final

from base.secret import Secret

HEADER: Final = "Atende-Signature"
GOOD_S: Final = 30
"""The clocks of two nodes may differ by so much."""
MAX_REMEMBERED: Final = 10_000
_PURPOSE: Final = b"atende: one process asks another"


def node_key(pepper: Secret) -> bytes:
    """The key of these nodes."""
    return hmac.digest(pepper.reveal().encode(), _PURPOSE, "sha256")


class MisdirectedError(Exception):
    """A request of ours, for another process than the one that it reached."""


def signed(key: bytes, to: str, method: str, target: str, body: bytes, *, at: int, nonce: str) -> str:
    """The header's value. `to` is the id in the receiver's lease, `target` path and query, `at` the time in seconds
    since 1970.
    """
    return f"{at}.{nonce}.{to}.{_mac(key, to, method, target, body, at, nonce)}"


def _mac(key: bytes, to: str, method: str, target: str, body: bytes, at: int, nonce: str) -> str:
    text = "\n".join((to, method.upper(), target, str(at), nonce, hashlib.sha256(body).hexdigest()))
    return hmac.new(key, text.encode(), "sha256").hexdigest()


class NodeDoor:
    """Tells our own requests from others, each once."""

    def __init__(self, key: bytes, me: str) -> None:
        """`me` is the id in this process's lease."""
        self._key = key
        self._me = me
        self._seen: OrderedDict[str, int] = OrderedDict()

    def admits(self, method: str, target: str, body: bytes, header: str, *, now: float) -> bool:
        """Whether this request may be answered. Raises MisdirectedError for one of ours that is for another process."""
        at, _, rest = header.partition(".")
        nonce, _, rest = rest.partition(".")
        to, _, mac = rest.partition(".")
        if not (at.isascii() and at.isdecimal() and len(at) < 16 and 0 < len(nonce) <= 64):
            return False
        expected = _mac(self._key, to, method, target, body, int(at), nonce)
        if not hmac.compare_digest(expected.encode(), mac.encode()) or abs(now - int(at)) > GOOD_S:
            return False
        if to != self._me:
            raise MisdirectedError
        while self._seen and (len(self._seen) > MAX_REMEMBERED or next(iter(self._seen.values())) < now - 2 * GOOD_S):
            self._seen.popitem(last=False)
        if mac in self._seen:
            return False
        self._seen[mac] = int(now)
        return True
