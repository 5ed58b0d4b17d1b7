"""Which requests that act were sent before, and what they were answered with: over all processes and nodes.

A request is claimed before it acts. Who holds the claim answers it or releases it; a claim that is neither, since its
process died, is over after `working_s`. As draft-ietf-httpapi-idempotency-key-header-07 has it.
"""

import uuid
from datetime import timedelta
from typing import Final, Protocol

from msgspec import Struct

from base.clock import Clock
from base.ids import ApiKeyId, TenantId
from tenants.database import Database, answering
from tenants.sql import queries

MAX_OF_ONE: Final = 500
"""Answers of one tenant, or of the platform: none has another's forgotten."""
FORGET_EVERY: Final = 100
"""With so many claims what is over is taken away, whosever it is."""


class Claim(Struct, frozen=True, kw_only=True):
    """A request, as it is known again. Digests are of 32 bytes."""

    key_id: ApiKeyId
    name: bytes
    """Of where it goes and its idempotency key."""
    request: bytes
    """Of what it asks."""


class Begun(Struct, frozen=True):
    """It is the first: it acts, and `attempt` is what it is answered or released by."""

    attempt: str


class Working(Struct, frozen=True):
    """The first one is being worked on."""


class Reused(Struct, frozen=True):
    """The first one asked for something else."""


class Answered(Struct, frozen=True):
    """The first one was answered with this."""

    answer: bytes


Found = Begun | Working | Reused | Answered


class Lifetimes(Struct, frozen=True, kw_only=True):
    """How long what is kept counts."""

    working_s: float = 120.0
    """A request that is being worked on: after that it acts again."""
    kept_s: float = 600.0
    """An answer."""


class IdempotencyUnavailableError(Exception):
    """What is kept cannot be asked now: another time it may."""


class IdempotencyStore(Protocol):
    """The contract of both stores. All raise IdempotencyUnavailableError."""

    async def claim(self, tenant_id: TenantId | None, claim: Claim) -> Found:
        """Of those who claim the same at the same time one has Begun."""
        ...

    async def answered(self, tenant_id: TenantId | None, claim: Claim, attempt: str, answer: bytes) -> None:
        """What was begun is answered. Nothing where the claim was over, and somebody else has it."""
        ...

    async def released(self, tenant_id: TenantId | None, claim: Claim, attempt: str) -> None:
        """What was begun has changed nothing: it may be sent again. Nothing where somebody else has the claim."""
        ...


class _Row(Struct):
    request: bytes
    attempt: str
    expires_at: float
    answer: bytes | None = None


class MemoryIdempotency:
    """Requests for as long as the process lives."""

    def __init__(self, clock: Clock, lifetimes: Lifetimes | None = None) -> None:
        self._clock = clock
        self._lifetimes = lifetimes or Lifetimes()
        self._rows: dict[tuple[TenantId | None, ApiKeyId, bytes], _Row] = {}

    async def claim(self, tenant_id: TenantId | None, claim: Claim) -> Found:
        now = self._clock.monotonic()
        self._rows = {place: row for place, row in self._rows.items() if row.expires_at > now}
        place = (tenant_id, claim.key_id, claim.name)
        if (known := self._rows.get(place)) is not None:
            return _found(claim, known.request, known.answer)
        answered = [at for at, row in self._rows.items() if at[0] == tenant_id and row.answer is not None]
        for oldest in answered[: max(0, len(answered) - MAX_OF_ONE)]:
            del self._rows[oldest]
        begun = Begun(str(uuid.uuid4()))
        self._rows[place] = _Row(claim.request, begun.attempt, now + self._lifetimes.working_s)
        return begun

    async def answered(self, tenant_id: TenantId | None, claim: Claim, attempt: str, answer: bytes) -> None:
        if (row := self._held(tenant_id, claim, attempt)) is not None:
            row.answer, row.expires_at = answer, self._clock.monotonic() + self._lifetimes.kept_s

    async def released(self, tenant_id: TenantId | None, claim: Claim, attempt: str) -> None:
        if self._held(tenant_id, claim, attempt) is not None:
            del self._rows[tenant_id, claim.key_id, claim.name]

    def _held(self, tenant_id: TenantId | None, claim: Claim, attempt: str) -> _Row | None:
        row = self._rows.get((tenant_id, claim.key_id, claim.name))
        return row if row is not None and row.attempt == attempt else None


_SQL: Final = queries("idempotency")
_WHAT: Final = "tell what was sent before"


class PostgresIdempotency:
    """Requests in PostgreSQL, by its clock, which is that of all nodes."""

    def __init__(self, database: Database, lifetimes: Lifetimes | None = None) -> None:
        self._database = database
        self._lifetimes = lifetimes or Lifetimes()
        self._claims = 0

    async def claim(self, tenant_id: TenantId | None, claim: Claim) -> Found:
        begun = Begun(str(uuid.uuid4()))
        facts = (claim.request, begun.attempt, timedelta(seconds=self._lifetimes.working_s))
        with answering(IdempotencyUnavailableError, _WHAT):
            await self._forget()
            async with self._database.of(tenant_id) as connection:
                if await connection.fetchval(_SQL["claim"], tenant_id, claim.key_id, claim.name, *facts):
                    await connection.execute(_SQL["make_room"], tenant_id, MAX_OF_ONE)
                    return begun
                row = await connection.fetchrow(_SQL["known"], tenant_id, claim.key_id, claim.name)
        # None: released just now. Whoever has been refused so comes again.
        return Working() if row is None else _found(claim, row["request"], row["answer"])

    async def answered(self, tenant_id: TenantId | None, claim: Claim, attempt: str, answer: bytes) -> None:
        kept = (answer, timedelta(seconds=self._lifetimes.kept_s))
        with answering(IdempotencyUnavailableError, _WHAT):
            async with self._database.of(tenant_id) as connection:
                await connection.execute(_SQL["answered"], tenant_id, claim.key_id, claim.name, attempt, *kept)

    async def released(self, tenant_id: TenantId | None, claim: Claim, attempt: str) -> None:
        with answering(IdempotencyUnavailableError, _WHAT):
            async with self._database.of(tenant_id) as connection:
                await connection.execute(_SQL["released"], tenant_id, claim.key_id, claim.name, attempt)

    async def _forget(self) -> None:
        self._claims += 1
        if self._claims % FORGET_EVERY == 1:
            async with self._database.platform() as connection:
                await connection.execute(_SQL["forget"])


def _found(claim: Claim, request: bytes, answer: bytes | None) -> Found:
    if request != claim.request:
        return Reused()
    return Working() if answer is None else Answered(answer)
