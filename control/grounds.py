"""What a process stands on before any company is loaded: its database and stores, its spool, and who else there is."""

from contextlib import AsyncExitStack
from dataclasses import dataclass

from base.clock import SystemClock
from control import parts
from control.dependency_watch import DependencyWatch
from control.event_feed import EventFeed
from control.secret_access import ring_source
from control.service import ApiKeys
from control.settings import Settings
from control.sink import Sink
from control.workers.joining import joined
from control.workers.presence import Presence
from control.workers.seat import Place
from pipelines.spool import Spool
from tenants.audit_store import PostgresAuditLog
from tenants.conversations import PostgresConversations
from tenants.database import Database
from tenants.event_store import PostgresEvents
from tenants.master_keys import read_ring
from tenants.secrets import TenantSecrets


@dataclass(frozen=True, kw_only=True)
class Grounds:
    """Of one process. Whoever laid them closes them."""

    database: Database
    conversations: PostgresConversations
    events: PostgresEvents
    event_feed: EventFeed
    """Not begun yet."""
    api_keys: ApiKeys
    audit: PostgresAuditLog
    secrets: TenantSecrets
    call_log: Spool
    presence: Presence | None
    """The process among others, which does not tell of it yet; None: it is alone."""
    watch: DependencyWatch


async def laid(found: Settings, place: Place, clock: SystemClock, stack: AsyncExitStack) -> Grounds:
    """Opening order: the ring of master keys, database, spool, who looks after both, secrets. `stack` closes them.

    Raises SettingsError, DatabaseError, EmbeddedError, KeyFileError.
    """
    ring = await read_ring(ring_source(found))
    database = await stack.enter_async_context(parts.service_database(found))
    conversations, events, audit = PostgresConversations(database), PostgresEvents(database), PostgresAuditLog(database)
    api_keys = parts.api_keys(found, database, clock)
    event_feed = EventFeed(events, api_keys.checker.still_good)
    sink = Sink(conversations, events, event_feed.wake)
    call_log = await stack.enter_async_context(parts.spool(found, place.seat, sink, clock))
    presence = await joined(found, database, place, clock)
    watch = parts.dependency_watch(found, place.seat, database, call_log, clock)
    return Grounds(
        database=database,
        conversations=conversations,
        events=events,
        event_feed=event_feed,
        api_keys=api_keys,
        audit=audit,
        call_log=call_log,
        presence=presence,
        watch=await stack.enter_async_context(watch),
        secrets=await parts.open_secrets(found, place.seat, ring, database, audit, clock),
    )
