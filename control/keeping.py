"""How a process has its tenants: it publishes the files of a folder, or takes up what is stored in the database.

With a folder the one process of a node, or the one that has the REST API, publishes the files and says which tenants
are gone, for those that take calls beside it and for whoever takes up later what is stored. With the database alone all
of them take up what is stored, and whoever is asked to put something stores it.
"""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from typing import Any, Final

from base.clock import Clock
from base.ids import TenantId
from control.documents import WithDocuments
from control.server_facts import server_facts
from control.settings import Settings
from control.watch import watched
from control.workers.seat import Seat
from pipelines.events import Tell
from pipelines.loaded import LoadedRevision
from processors.catalog import AnyFactory
from tenants.directory import Directory
from tenants.folder import TenantFolder
from tenants.following import Follower, told_once
from tenants.known_files import KnownFiles
from tenants.operating import Publishing
from tenants.removals import Removals
from tenants.revisions import PostgresRevisions
from tenants.stored_puts import StoredPuts
from tenants.taken_up import TakenUp
from tenants.texts import STORED, StoredTexts

KNOWN_FILES: Final = "tenant-files.json"


class Keeping:
    """Of one process. `open`, then `keep` when calls are taken."""

    def __init__(
        self,
        found: Settings,
        seat: Seat,
        *,
        revisions: PostgresRevisions,
        shelved: WithDocuments,
        directory: Directory,
        alone: Callable[[], Awaitable[bool]],
        has_secret: Callable[[TenantId, str], bool],
        clock: Clock,
        tell: Tell,
    ) -> None:
        """`alone` says whether no other node uses the database. `tell` hears what becomes of documents here; what was
        stored or removed is told with it, by who did that.
        """
        self._has_secret, self._clock, self._tell = has_secret, clock, tell
        self._found = found
        self._seat = seat
        self._revisions = revisions
        self._shelved = shelved
        self._directory = directory
        self._texts = StoredTexts()
        self._follower: Follower | None = None
        self._removals = Removals(revisions, alone)
        if found.tenants == "database" or not seat.has_api:
            self._follower = Follower(revisions, revisions, self._texts)

    async def open(self, stack: AsyncExitStack, stages: Mapping[str, AnyFactory]) -> TenantFolder[LoadedRevision]:
        """The tenants, of whom the first are loaded. Raises what the database raises."""
        found = self._found
        common: dict[str, Any] = {
            "eager": found.eager_tenants,
            "budget_mb": found.models_budget_mb or None,
            "server": server_facts(found, self._has_secret),
            "clock": self._clock,
        }
        rest = self._shelved, self._directory, stages, found.switch_names
        tenants: TenantFolder[LoadedRevision]
        if self._follower is not None:
            await self._follower.begin()
            texts = self._texts
            common |= {"swap": texts.swap, "texts": texts, "known": texts.known}
            if found.tenants == "database":  # else whoever publishes the files tells, and beside it nobody does
                common |= {"tell": told_once(texts, self._tell), "gone": lambda _: None}  # the store tells who is gone
            tenants = TenantFolder(STORED, TakenUp(self._revisions), *rest, **common)
        else:
            known = await stack.enter_async_context(KnownFiles(found.data_dir / KNOWN_FILES))
            common |= {"swap": found.swap, "known": known, "gone": self._removals.gone, "tell": self._tell}
            tenants = TenantFolder(found.tenants_dir, self._revisions, *rest, **common)
        stack.push_async_callback(tenants.close)
        await tenants.open()
        return tenants

    def publishing(self, tenants: TenantFolder[LoadedRevision]) -> Publishing[LoadedRevision]:
        """What operators do with documents here."""
        puts = None
        if self._found.tenants == "database":
            puts = StoredPuts(
                tenants, self._revisions, self._revisions, self._shelved, self._directory, self._texts,
                swap=self._found.swap,
            )  # fmt: skip
        clock, tell = self._clock, self._tell
        return Publishing(tenants, self._revisions, self._shelved, self._directory, clock, tell, puts)

    async def keep(self, stack: AsyncExitStack, tenants: TenantFolder[LoadedRevision]) -> None:
        """From now on they are what their files, or the database, say."""
        if self._follower is not None:
            await stack.enter_async_context(self._follower.following(tenants))
            return
        await stack.enter_async_context(self._removals.told(tenants))
        if self._found.watch:
            await stack.enter_async_context(watched(self._found.tenants_dir, tenants))
