"""How a process comes to be one of several: it is told of, and waits at the door that they share."""

import asyncio
import os
import uuid
from collections.abc import Awaitable, Callable
from importlib.metadata import version
from typing import Final

from base.clock import Clock
from control.phone import PhoneDoor
from control.settings import Settings
from control.workers.presence import Presence, is_alone
from control.workers.seat import Place, node_of
from tenants.database import Database
from tenants.leases import PostgresLeases, ProcessRow
from transports.freeswitch.esl_server import SharedDoor

MANY: Final = 1_000_000
"""Calls that a process which is full counts as having: it is the last to take one, and refuses it."""


async def joined(found: Settings, database: Database, place: Place, clock: Clock) -> Presence | None:
    """The process among the others; None where it is alone."""
    if not found.shared:
        return None
    now, seat = clock.now(), place.seat
    me = ProcessRow(
        id=str(uuid.uuid4()),
        node=await asyncio.to_thread(node_of, found),
        role=seat.role,
        slot=seat.slot,
        pid=os.getpid(),
        url=place.url,
        version=version("atende"),
        state="starting",
        started_at=now,
        renewed_at=now,
    )
    return Presence(PostgresLeases(database), me, processes=max(1, found.workers))


def alone(found: Settings, database: Database, presence: Presence | None) -> Callable[[], Awaitable[bool]]:
    """Whether no other node uses the database; of a process without a presence, too. It raises what that raises."""
    if presence is not None:
        return presence.alone
    leases = PostgresLeases(database)

    async def asked() -> bool:
        return await is_alone(leases, await asyncio.to_thread(node_of, found))

    return asked


def shared_door(place: Place, presence: Presence, phone: PhoneDoor) -> SharedDoor | None:
    """The door of the place; None where it has none."""
    if place.door is None:
        return None

    def ahead() -> int:
        return phone.live_calls - presence.least_busy() if phone.takes_calls else MANY

    return SharedDoor(place.door, place.door.getsockname()[:2], ahead)
