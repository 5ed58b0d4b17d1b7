"""How many requests an assistant sends to hosted providers within a minute, against its `provider_rpm`.

The last minute slides, by the monotonic clock: at no time were more sent within 60 s. Libraries were looked at:
aiolimiter's bucket lets twice as many pass in the first minute, `limits` reads the wall clock and keeps a thread.
What other processes send is not known here: each has its share of the limit, and one request at the least.
"""

from collections import Counter, deque
from collections.abc import Callable
from typing import Final

from base.ids import AssistantName, TenantId

WITHIN_S: Final = 60.0


class ProviderRates:
    """Of all assistants of this process."""

    def __init__(self, now: Callable[[], float], processes: Callable[[], int] = lambda: 1) -> None:
        """`now` is a monotonic clock in seconds; `processes` says how many take calls of these tenants."""
        self._now, self._processes = now, processes
        self._sent: dict[tuple[TenantId, AssistantName], deque[float]] = {}
        self._swept_at = now()
        self.held: Counter[str] = Counter()
        """Requests that were not sent, by the `use` of their stage."""

    def take(
        self, tenant_id: TenantId, assistant: AssistantName, use: str, limit: int | None, *, whatever: bool = False
    ) -> bool:
        """Whether a request may be sent now; it is counted if so. `whatever`: it may, and is counted."""
        if limit is None:
            return True
        now = self._now()
        self._sweep(now)
        sent = self._sent.setdefault((tenant_id, assistant), deque())
        _forget(sent, now)
        if not whatever and len(sent) >= max(1, limit // max(1, self._processes())):
            self.held[use] += 1
            return False
        sent.append(now)
        return True

    def _sweep(self, now: float) -> None:
        """Once a minute, of those who have asked nothing for one."""
        if now < self._swept_at + WITHIN_S:
            return
        self._swept_at = now
        for key, sent in list(self._sent.items()):
            _forget(sent, now)
            if not sent:
                del self._sent[key]


def _forget(sent: deque[float], now: float) -> None:
    while sent and sent[0] <= now - WITHIN_S:
        sent.popleft()
