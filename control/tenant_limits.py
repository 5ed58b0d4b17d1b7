"""What the calls of an assistant may take together: of a day, and of its providers within a minute."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext

from control.admission import RefusedError
from control.daily_use import DailyUse
from control.provider_rates import ProviderRates
from pipelines.leases import Lease
from pipelines.spending import Spending
from tenants.directory import Destination
from transports.freeswitch.words import DoorName


class TenantLimits:
    """Of all tenants that have calls in this process."""

    def __init__(self, rates: ProviderRates, daily_use: DailyUse | None = None) -> None:
        """Without `daily_use` nobody counts what a day takes."""
        self._rates, self._daily_use = rates, daily_use

    @property
    def held_requests(self) -> Mapping[str, int]:
        """Requests to hosted providers that were not sent, since `provider_rpm` was reached, by their stage's `use`."""
        return self._rates.held

    def require_the_days(self, destination: Destination) -> None:
        """Raises RefusedError when what the assistant's calls of today may take is used up. Never waits."""
        use, assistant = self._daily_use, destination.assistant
        if use is not None and (limit := use.used_up(destination.tenant, assistant)) is not None:
            raise RefusedError(f"assistant {assistant!r} has used up its {limit} today", DoorName.BUSY, limit)

    @contextmanager
    def call(self, destination: Destination, lease: Lease) -> Iterator[Spending]:
        """A call goes on while the block does; it is bounded as the revision says on which it runs then."""
        tenant, assistant = destination.tenant, destination.assistant

        def allowed(use: str, whatever: bool) -> bool:
            limit = lease.pipeline.assistant.limits.provider_rpm
            return self._rates.take(tenant.tenant_id, assistant, use, limit, whatever=whatever)

        spending, use = Spending(allowed), self._daily_use
        with nullcontext() if use is None else use.call(tenant, assistant, spending):
            yield spending
