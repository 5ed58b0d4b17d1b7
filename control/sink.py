"""Where the spool hands records and events on."""

from collections.abc import Callable

from pipelines.calls import Call, CallRecord
from pipelines.events import Event, call_ended, call_started
from tenants.conversations import ConversationStore
from tenants.event_store import EventStore


class Sink:
    """Each is idempotent, and raises when it could not. A record's own two events are kept with it, whatever of them
    was kept before.
    """

    def __init__(self, conversations: ConversationStore, events: EventStore, kept: Callable[[], None]) -> None:
        """`kept` is called when there are new events; it must not block or raise."""
        self._conversations = conversations
        self._events = events
        self._kept = kept

    async def store(self, record: CallRecord) -> None:
        """See `pipelines.spool.Store`."""
        tenant_id = record.call.tenant_id
        await self._conversations.store(tenant_id, record)
        await self._events.append(tenant_id, call_started(record.call), call_ended(record))
        self._kept()

    async def begun(self, call: Call) -> None:
        """See `pipelines.spool.Begun`."""
        await self.keep(call_started(call))

    async def keep(self, event: Event) -> None:
        """See `pipelines.spool.Keep`."""
        await self._events.append(event.tenant_id, event)
        self._kept()
