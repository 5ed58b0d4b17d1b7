"""How a process comes to be one of several: it is told of, and waits at the door that they share."""

import asyncio
import os
import time
import uuid
from collections.abc import Awaitable, Callable
from contextlib import suppress
from importlib.metadata import version
from typing import Final

import msgspec
import structlog

from base.clock import Clock
from control.phone import PhoneDoor
from control.settings import Settings
from control.workers.presence import READ_S, Presence, Told, is_alone
from control.workers.seat import Place, machine_of, node_of
from tenants.database import Database
from tenants.following import OUTAGES
from tenants.leases import LeaseStore, NodeTakenError, PostgresLeases, ProcessRow
from tenants.lost import LostProcesses
from transports.freeswitch.esl_server import SharedDoor

log = structlog.get_logger()

MANY: Final = 1_000_000
"""Calls that a process which is full counts as having: it is the last to take one, and refuses it."""


async def joined(found: Settings, database: Database, place: Place, clock: Clock) -> Presence | None:
    """The process among the others; None where it is alone. Raises NodeTakenError."""
    if not found.shared:
        return None
    now, seat = clock.now(), place.seat
    machine = await asyncio.to_thread(machine_of, found)
    me = ProcessRow(
        id=str(uuid.uuid4()),
        node=await asyncio.to_thread(node_of, found),
        role=seat.role,
        slot=seat.slot,
        pid=os.getpid(),
        url=place.url,
        version=version("atende"),
        state="starting",
        told=msgspec.json.encode(Told(machine=machine)).decode(),
        started_at=now,
        renewed_at=now,
    )
    leases = PostgresLeases(database)
    with suppress(*OUTAGES):  # then it is seen when it registers
        await no_twin(leases, me)
    return Presence(leases, me, processes=max(1, found.workers))


async def no_twin(store: LeaseStore, me: ProcessRow, now: Callable[[], float] = time.monotonic) -> None:
    """Return when no other node has the name of this one. Raises NodeTakenError as soon as one is seen to live.

    One that does not renew is lost after a while, and its calls with it. Raises what the database raises.
    """
    judge, seen = LostProcesses(), dict[str, ProcessRow]()
    while twins := [one for one in await store.processes() if one.is_twin(me)]:
        for one in twins:
            if seen.setdefault(one.id, one).renewed_at != one.renewed_at:
                raise NodeTakenError(one)
        for one in judge.answered(now(), twins):
            if (calls := await store.lose(one.id, one.renewed_at)) is not None:
                log.error("a process is lost", process=one.id, node=one.node, role=one.role, slot=one.slot, calls=calls)
        await asyncio.sleep(READ_S)


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
