"""What operators do with the documents of tenants: put, remove, list, compare, take back, and end a trial."""

import asyncio
from typing import Generic, TypeVar

from base.clock import Clock, SystemClock
from base.ids import TenantId
from pipelines.events import EventData, EventKind, Tell, event, told_to_nobody
from pipelines.supervisor import NoCanaryError, Swap
from tenants.canary_text import without_canary
from tenants.diffs import unified
from tenants.directory import Directory, TenantUnknownError
from tenants.folder import TenantFolder
from tenants.publishing import Keeper
from tenants.put import DocumentPuts
from tenants.put_checks import expect
from tenants.put_errors import Current, Expected, Published, RevisionUnknownError
from tenants.revisions import RevisionInfo, RevisionRow, RevisionStore
from tenants.stored_puts import StoredPuts

L = TypeVar("L")


class Publishing(Generic[L]):
    """`current`, `parsed`, `put` and `remove` are those of `DocumentPuts`; whatever else changes a text puts one."""

    def __init__(
        self,
        tenants: TenantFolder[L],
        revisions: RevisionStore,
        supervisor: Keeper[L],
        directory: Directory,
        clock: Clock | None = None,
        tell: Tell = told_to_nobody,
        puts: StoredPuts[L] | None = None,
    ) -> None:
        """The folder, which is open, and what it was given. `tell` hears what a put that changed something came of.
        `puts`: where texts are kept in the database alone.
        """
        self._clock = clock or SystemClock()
        self._tell = tell
        self.puts: DocumentPuts[L] | StoredPuts[L] = puts or DocumentPuts(tenants, revisions, supervisor, directory)
        self._revisions = revisions
        self._supervisor = supervisor
        self._directory = directory
        self.current = self.puts.current
        self.put = self.puts.put
        self.remove = self.puts.remove
        self.parsed = self.puts.parsed

    async def revisions(
        self, tenant_id: TenantId, *, limit: int = 50, before: int | None = None
    ) -> tuple[RevisionInfo, ...]:
        """The newest first, of those with a number less than `before`; also of a tenant that was removed."""
        return await self._revisions.list(tenant_id, limit, before)

    async def revision(self, tenant_id: TenantId, number: int) -> RevisionRow:
        """Raises RevisionUnknownError."""
        if (row := await self._revisions.get(tenant_id, number)) is None:
            raise RevisionUnknownError(number)
        return row

    async def diff(self, tenant_id: TenantId, before: int, after: int) -> str:
        """What two revisions differ in, as `diff -u` has it. Raises RevisionUnknownError, TooLongError."""
        former, latter = await self.revision(tenant_id, before), await self.revision(tenant_id, after)
        names = f"revision {before}", f"revision {after}"
        async with self.puts.turn:
            return await asyncio.to_thread(unified, former.document, latter.document, *names)

    async def roll_back_to(
        self,
        tenant_id: TenantId,
        number: int,
        *,
        expected: Expected | None,
        dry_run: bool = False,
        swap: Swap | None = None,
    ) -> Published:
        """Put a former text once more, as a revision with a new number. Raises as `put`, and RevisionUnknownError."""
        former = await self.revision(tenant_id, number)
        published = await self.puts.put(tenant_id, former.document, expected=expected, dry_run=dry_run, swap=swap)
        if not dry_run:
            self._told(tenant_id, published, "document.rolled_back", former=number)
        return published

    async def promote(
        self, tenant_id: TenantId, *, expected: Expected | None = None, swap: Swap | None = None
    ) -> Published:
        """Put the text on trial without its `canary`: it answers everybody. `expected` None: whatever is on trial.

        Raises as `put`, and NoCanaryError, also when the trial has ended by itself, and CanaryTextError.
        """
        current = await self._on_trial(tenant_id, expected)
        if self._supervisor.failed_on_trial(tenant_id, current.number or 0, current.digest):
            raise NoCanaryError("the trial has ended by itself: put another text, or this one without its `canary`")
        rest = await asyncio.to_thread(without_canary, current.document)
        published = await self.puts.put(tenant_id, rest, expected=current.digest, swap=swap)
        self._told(tenant_id, published, "canary.promoted", former=current.number)
        return published

    async def abort(
        self, tenant_id: TenantId, *, expected: Expected | None = None, swap: Swap | None = None
    ) -> Published:
        """Put the text that stands beside the one on trial, or stood when the trial ended by itself: it answers all.

        `expected` None: whatever is on trial. Raises as `put`, and NoCanaryError.
        """
        current = await self._on_trial(tenant_id, expected)
        stands = await self._revisions.get(tenant_id, self._directory.tenant(tenant_id).revision)
        if stands is None or stands.digest == current.digest:
            raise NoCanaryError("nothing stands beside the document: it answers alone")
        published = await self.puts.put(tenant_id, stands.document, expected=current.digest, swap=swap)
        self._told(tenant_id, published, "canary.aborted", former=current.number)
        return published

    def _told(self, tenant_id: TenantId, published: Published, kind: EventKind, former: int | None) -> None:
        if published.changed:
            data = EventData(revision=published.number, digest=published.digest, former=former)
            self._tell(event(tenant_id, self._clock.now(), kind, str(published.number), data))

    async def _on_trial(self, tenant_id: TenantId, expected: Expected | None) -> Current:
        await self.puts.look(tenant_id)
        if (current := await self.puts.current(tenant_id)) is None:
            raise TenantUnknownError("no such tenant")
        if (await self.puts.parsed(tenant_id, current.document)).spec.canary is None:
            raise NoCanaryError("the tenant's document has no `canary`")
        if expected is not None:
            expect(current, expected, create=False)
        return current
