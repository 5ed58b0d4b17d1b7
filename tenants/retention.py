"""How long a tenant keeps what was said, by its newest document, and the taking away of what is older.

Days are days in UTC. What was said on a day is kept for so many whole days after it: with 30, what was said on the
1st is gone on the 1st of the next month that has 31 days before it, at the first look after midnight. With 0 nothing is
stored to begin with (`pipelines.revision.Keeps`), and what is there from former documents goes at once.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from msgspec import Struct

from base.ids import TenantId
from tenants.convert import convert
from tenants.database import Database
from tenants.nodes import Mapping, YamlError
from tenants.report import Report
from tenants.revisions import PostgresRevisions, TenantChange
from tenants.spec import RetentionSpec
from tenants.sql import queries
from tenants.yaml_nodes import compose

MAX_KNOWN: Final = 20_000
"""Tenants whose retention is remembered beside the digest of the document that it is from."""


class RetentionUnknownError(Exception):
    """What a stored document says of it cannot be read: nothing is taken away by a guess."""


def cutoff(now: datetime, days: int) -> datetime:
    """What was before this is older than so many days. `now` is in UTC."""
    if days == 0:
        return now
    return now.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=days)


def retention_of(raw: bytes) -> RetentionSpec:
    """What a document says. Raises RetentionUnknownError."""
    report = Report("stored")
    try:
        root = compose(raw)
    except YamlError as error:
        raise RetentionUnknownError("the newest document is no YAML") from error
    if not isinstance(root, Mapping):
        raise RetentionUnknownError("the newest document is no mapping")
    if (written := root.items.get("retention")) is None:
        return RetentionSpec()
    if (found := convert(written[1], RetentionSpec, report)) is None:
        raise RetentionUnknownError("`retention` of the newest document cannot be read")
    return found


class Oldest(Struct, frozen=True):
    """When a tenant's oldest calls were opened that still have words, and that name a recording; None: none has."""

    words: datetime | None
    recording: datetime | None


def is_due(oldest: Oldest, keeps: RetentionSpec, now: datetime) -> bool:
    """Whether something is older than the tenant lets it be kept."""
    words, recording = cutoff(now, keeps.transcripts_days), cutoff(now, keeps.recordings_days)
    return (oldest.words is not None and oldest.words < words) or (
        oldest.recording is not None and oldest.recording < recording
    )


class Retentions:
    """What every tenant's newest document says."""

    def __init__(self, revisions: PostgresRevisions) -> None:
        self._revisions = revisions
        self._known: OrderedDict[TenantId, tuple[str, RetentionSpec]] = OrderedDict()
        self._as_of: dict[TenantId, datetime] = {}

    async def as_of(self, change: TenantChange) -> RetentionSpec | None:
        """As `of`, without a look into the database while the tenant has not changed since."""
        known = self._known.get(change.tenant_id)
        if known is not None and self._as_of.get(change.tenant_id) == change.changed_at:
            return known[1]
        if (found := await self._read(change.tenant_id)) is not None:
            self._as_of[change.tenant_id] = change.changed_at
        return found

    async def of(self, tenant_id: TenantId) -> RetentionSpec | None:
        """None: no document of this tenant is stored. Raises RetentionUnknownError, and what the database raises."""
        newest = await self._revisions.list(tenant_id, 1)
        known = self._known.get(tenant_id)
        if newest and known is not None and known[0] == newest[0].digest:
            return known[1]
        return await self._read(tenant_id)

    async def _read(self, tenant_id: TenantId) -> RetentionSpec | None:
        if (row := await self._revisions.current(tenant_id)) is None:
            return None
        found = await asyncio.to_thread(retention_of, row.document)
        self._known[tenant_id] = row.digest, found
        if len(self._known) > MAX_KNOWN:
            self._as_of.pop(self._known.popitem(last=False)[0], None)
        return found


_SQL: Final = queries("retention")


class Erasing:
    """Takes away what is older, in batches. Each is a transaction: whoever dies in it has done nothing."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def oldest(self, tenants: Sequence[TenantId]) -> dict[TenantId, Oldest]:
        """Of each that has any. Every statement sees one tenant alone."""
        async with self._database.platform() as connection:
            rows = await connection.fetch(_SQL["oldest"], tenants)
        return {TenantId(str(row["tenant_id"])): Oldest(row["words"], row["recording"]) for row in rows}

    async def words(self, tenant_id: TenantId, before: datetime, now: datetime, limit: int) -> int:
        """Of calls that were opened before; of how many, `limit` at the most. Which turns there were, when, and how
        quick, stays.
        """
        async with self._database.tenant(tenant_id) as connection:
            await connection.execute(_SQL["erasing"])
            due = [row["call_id"] for row in await connection.fetch(_SQL["due"], tenant_id, before, limit)]
            if due:
                await connection.execute(_SQL["erase_words"], tenant_id, due)
                await connection.execute(_SQL["erased"], tenant_id, due, now)
        return len(due)

    async def recordings(self, tenant_id: TenantId, before: datetime, limit: int) -> int:
        """Records of calls that were opened before name no recording any more; of how many, `limit` at the most."""
        async with self._database.tenant(tenant_id) as connection:
            await connection.execute(_SQL["erasing"])
            done = await connection.execute(_SQL["forget_recordings"], tenant_id, before, limit)
        return int(done.rpartition(" ")[2])
