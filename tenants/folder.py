"""The tenants of a folder of documents, kept in step with its files.

A file that is saved is checked, loaded, stored and answers from then on; one that cannot be used is told, and what
answered before goes on answering. A file that is gone takes its tenant with it: no new calls, live ones end.

Of many tenants the first `eager` are loaded at the start; the others are known and take calls, and are loaded one after
the other behind it, those that are rung first. Under a memory budget, tenants that nobody has rung for longest are
unloaded again; their next call loads them anew. What could not be made ready when its file was read is tried again.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from pathlib import Path
from typing import Final, Generic, TypeVar

import structlog

from base.clock import Clock, SystemClock
from base.ids import TenantId
from pipelines.events import Tell, event, told_to_nobody
from pipelines.problems import SpecError
from pipelines.supervisor import Swap
from processors.catalog import AnyFactory
from processors.factory import PrepareError
from tenants.cold import ColdTenants
from tenants.directory import Directory, NumberConflictError
from tenants.document import TenantDocument
from tenants.known_files import KnownFiles
from tenants.named import ServerFacts
from tenants.owners import Owners
from tenants.publishing import Confirm, Keeper, entry_of, publish
from tenants.reading import DocumentReader
from tenants.retries import Retries
from tenants.revisions import RaceLostError, RevisionStore, SlugTakenError
from tenants.standing_in import StandIns
from tenants.statuses import Statuses, TenantStatus
from tenants.texts import STORED, FolderTexts, Texts
from tenants.trials import Beside, Formers

L = TypeVar("L")

AT_ONCE: Final = 8
"""Documents that are parsed and loaded at the same time."""
WARM_TIMEOUT_S: Final = 4.0
"""A caller hears ringing so long while the tenant is being loaded; then the dialplan goes on."""

log = structlog.get_logger()


class TenantFolder(Generic[L]):
    """One folder's tenants. `open` before anything else; `close` ends the loading behind it.

    What is public and says nothing of calls or files that were saved is for `tenants/put.py`.
    """

    def __init__(
        self,
        folder: Path,
        revisions: RevisionStore,
        supervisor: Keeper[L],
        directory: Directory,
        stages: Mapping[str, AnyFactory] | None = None,
        switches: Collection[str] | None = None,
        *,
        swap: Swap | Callable[[TenantId], Swap] = "turn",
        eager: int = 100,
        budget_mb: float | None = None,
        server: ServerFacts | None = None,
        known: KnownFiles | None = None,
        clock: Clock | None = None,
        tell: Tell = told_to_nobody,
        texts: Texts | None = None,
        gone: Callable[[TenantId], None] | None = None,
    ) -> None:
        """A document that names another switch than these is refused; None: it may name any. `server` is what else of
        the server it may name.

        `swap` is for the live calls of a tenant whose file is saved. `budget_mb` is of `Keeper.weight_mb`; None: no
        limit. `known` tells whose a file was that cannot be used now. `tell` hears of tenants that fail and that go.
        `texts` are those of the folder when None; `gone` is told whose file is no more, and keeps the event, too.
        """
        self.folder = folder
        self._texts = texts or FolderTexts(folder)
        self._stores = texts is None
        self._tell_gone = gone
        self._revisions = revisions
        self._supervisor = supervisor
        self._directory = directory
        self._swap = swap
        self._eager = eager
        self._budget_mb = budget_mb
        self._documents: dict[TenantId, TenantDocument] = {}
        self._cold = ColdTenants(self._load, self._within_budget)
        self._busy = asyncio.Lock()
        self.locks: defaultdict[TenantId, asyncio.Lock] = defaultdict(asyncio.Lock)
        """Each is held while one document of the tenant is published."""
        self.room = asyncio.Semaphore(AT_ONCE)
        self._clock = clock or SystemClock()
        self._tell = tell
        self._statuses = Statuses(self._clock, tell)
        self.reader = DocumentReader(self._statuses, self.room, stages, switches, server, self._texts)
        self._retries = Retries(self._tried_again, self._statuses, self._clock)
        self._formers = Formers(revisions, supervisor, directory, self.reader.parse)
        self._known = known or KnownFiles()
        self.owners = Owners(self._statuses, self._known, self._texts)
        self._stand_ins = StandIns(revisions, self._formers, self._statuses, self._known)

    @property
    def statuses(self) -> tuple[TenantStatus, ...]:
        """One for each file, by name."""
        return self._statuses.all()

    def statuses_of(self, tenant_ids: Collection[TenantId]) -> tuple[TenantStatus, ...]:
        """Those of these tenants, by name."""
        return self._statuses.of(tenant_ids)

    def unsettled(self) -> Collection[TenantStatus]:
        """Those of `statuses` that load, wait, or have problems, in no order."""
        return self._statuses.unsettled()

    async def open(self) -> None:
        """Publish every file. Raises what the database raises: without it nothing is published."""
        files = await asyncio.to_thread(self._texts.files)
        if not files:
            if self.folder == STORED:
                log.info("no company is stored so far")
            else:
                log.warning("no tenant documents", folder=str(self.folder))
        async with self._busy:
            self._known.only(files)
            documents = await asyncio.gather(*(self.reader.read(file) for file in files))
            claimed = self.reader.without_rivals(
                [document for document in documents if document is not None and self.owners.claim(document)]
            )
            await self._begin(claimed, self._eager)
            good = {document.file for document in claimed}
            refused = [pair for pair in zip(files, documents, strict=True) if str(pair[0]) not in good]
            stand_ins = [await self._stand_in(*pair) for pair in refused]
            await self._begin([one for one in stand_ins if one is not None], max(0, self._eager - len(claimed)))
        self._cold.load_behind()

    async def _begin(self, documents: list[TenantDocument], eager: int) -> None:
        await asyncio.gather(*(self._answers_now(document) for document in documents[:eager]))
        for document in documents[eager:]:
            await self._is_known(document)

    async def close(self) -> None:
        """Load nothing more. Idempotent."""
        await self._cold.close()
        await self._retries.close()

    async def refresh(self, files: Iterable[Path]) -> None:
        """These files were saved, made or removed. One after the other; what cannot be used is told by its status."""
        async with self._busy:
            files = {related for file in files for related in self._texts.related(file)}
            there = await asyncio.to_thread(lambda: {file for file in files if self._texts.is_there(file)})
            try:
                for file in there:
                    self._statuses.begin(file)
                for file in sorted(there):
                    await self._saved(file)
            finally:
                for file in there:
                    self._statuses.end(file)
                for file in sorted({*files} - there):
                    await self._retries.drop(file)
                    await self._removed(file)

    async def take_up(self, file: Path) -> bool:
        """As `refresh` of one file, beside others; whether it says nothing that does not answer, or is tried again."""
        if not self._texts.is_there(file):
            await self._retries.drop(file)
            await self._removed(file)
            return True
        await self._saved(file)
        status = self._statuses.get(file)
        return status is None or not status.problems or self._retries.waits(file)

    async def _saved(self, file: Path) -> None:
        document = await self.reader.read(file)
        if document is None or not self._answers(document):
            await self._retries.drop(file)
            if document is not None and self.owners.claim(document):
                await self._answers_now(document)
            elif (stand_in := await self._stand_in(file, document)) is not None:
                await self._answers_now(stand_in)

    async def look_again(self) -> None:
        """At every file that is there, and at those that were."""
        files = await asyncio.to_thread(self._texts.files)
        await self.refresh({*files, *self._statuses.files})

    def _answers(self, document: TenantDocument) -> bool:
        """Whether this very document answers already, or waits to be loaded."""
        status, known = self._statuses.get(Path(document.file)), self.known(document.tenant_id)
        same = known is not None and (known.file, known.digest) == (document.file, document.digest)
        return same and status is not None and not status.problems

    def known(self, tenant_id: TenantId) -> TenantDocument | None:
        """What answers, is tried, or waits to be loaded; of a disabled tenant what says so."""
        return self._cold.get(tenant_id) or self._documents.get(tenant_id)

    def waiting(self, tenant_id: TenantId) -> TenantDocument | None:
        """What is to be loaded with the tenant's first call."""
        return self._cold.get(tenant_id)

    def swap(self, tenant_id: TenantId) -> Swap:
        """What becomes of the tenant's live calls where nobody says."""
        return self._swap(tenant_id) if callable(self._swap) else self._swap

    async def put(
        self,
        document: TenantDocument,
        swap: Swap | None,
        confirm: Confirm | None = None,
        *,
        revisions: RevisionStore | None = None,
    ) -> tuple[int, Beside]:
        """Publish it as that of its file, which is to say so next. For who holds the tenant's lock; see `publish`.

        `revisions`: where it is stored; None: where they all are.
        """
        async with self.room:
            number, beside = await self._publish(document, swap, confirm, revisions)
        self._cold.take(document.tenant_id)
        self.owners.set(document.tenant_id, Path(document.file))
        self._good(document, number, beside)
        return number, beside

    async def settle(self, document: TenantDocument, beside: Beside) -> None:
        """Its file says so now: nothing of what it said before is tried any more."""
        file = Path(document.file)
        await self._retries.drop(file)
        if beside.again and not self._retries.waits(file):
            self._retries.begin(document)
        await self._make_room(document.tenant_id)

    async def forget(self, file: Path, tenant_id: TenantId) -> None:
        """The tenant is gone with its file. For who holds the tenant's lock."""
        self._statuses.pop(file)
        self._gone(file, tenant_id)
        await self._retries.drop(file)

    async def warm(self, tenant_id: TenantId) -> None:
        """Return when the tenant is loaded, or is none of those that wait for it.

        Raises PrepareError when it cannot be loaded, TimeoutError when that takes longer than a caller waits.
        """
        await self._cold.loaded(tenant_id, WARM_TIMEOUT_S)

    async def _load(self, document: TenantDocument) -> None:
        """Raises PrepareError."""
        file, tenant_id = Path(document.file), document.tenant_id
        async with self.locks[tenant_id]:
            if self._cold.get(tenant_id) is not document:
                return  # removed, or published anew meanwhile
            try:
                async with self.room:
                    number, beside = await self._publish(document)
            except Exception as error:
                # It stays cold: the next call tries again.
                self._statuses.note(file, problems=await self._stand_ins.told(document, error), waiting=False)
                raise PrepareError(str(error)) from error
            self._warm_now(document, number, beside)
            if beside.again and not self._retries.waits(file):
                self._retries.begin(document)
        await self._make_room(tenant_id)

    def _warm_now(self, document: TenantDocument, number: int, beside: Beside) -> None:
        file = Path(document.file)
        self._cold.take(document.tenant_id)
        # What is wrong with a newer text of the file stays told.
        status = self._statuses.get(file)
        newer = status.problems if status is not None and status.waiting else self._stand_ins.mistakes(document)
        self._statuses.note(file, revision=number, waiting=False, problems=newer + beside.problems(file))

    def _within_budget(self) -> bool:
        return self._budget_mb is None or self._supervisor.weight_mb <= self._budget_mb

    async def _make_room(self, but: TenantId) -> None:
        """Unload who was rung longest ago, one after the other, until the models fit."""
        for tenant_id in self._supervisor.idle():
            if self._within_budget():
                return
            file = self.owners.get(tenant_id)
            if tenant_id == but or file is None or (document := self._documents.get(tenant_id)) is None:
                continue
            self._cold.put(document)
            self._statuses.note(file, waiting=True)
            await self._supervisor.unload(tenant_id)
            log.info("tenant unloaded to make room", tenant=tenant_id)

    async def _answers_now(self, document: TenantDocument) -> None:
        """It answers, or its status tells why not, and when that is tried again; what is stored answers meanwhile."""
        file = Path(document.file)
        again = None if await self._published(document) else document
        if (stand_in := await self._stand_in(file, document)) is not None and not await self._published(stand_in):
            again = again or stand_in
        if again is not None:
            await self._retries.drop(file)  # of what was loaded meanwhile
            self._retries.begin(again)

    async def _stand_in(self, file: Path, document: TenantDocument | None) -> TenantDocument | None:
        """What is stored of the tenant of a file that cannot be used, where nothing answers for it."""

        def wanted(tenant_id: TenantId) -> bool:
            known = tenant_id in self._documents or tenant_id in self._cold or self._supervisor.answers(tenant_id)
            return not known and self.owners.get(tenant_id) in {None, file}

        if document is not None and self._documents.get(document.tenant_id) is document:
            return None
        if (stand_in := await self._stand_ins.find(file, document, wanted)) is not None:
            if document is not None and document.tenant_id != stand_in.tenant_id:
                self.owners.pop(document.tenant_id)
            self.owners.set(stand_in.tenant_id, file)
        return stand_in

    async def _tried_again(self, document: TenantDocument) -> bool:
        # In the room that retries have of their own: who hangs there keeps nobody waiting here.
        return not self.owners.claim(document) or await self._published(document, nullcontext())

    async def _published(self, document: TenantDocument, room: AbstractAsyncContextManager[None] | None = None) -> bool:
        """False: something that it needs is not there, and may be there another time."""
        file, spec = Path(document.file), document.spec
        self._statuses.begin(file, slug=spec.slug, tenant_id=spec.tenant_id)
        try:
            async with self.locks[spec.tenant_id], room or self.room:
                if await self.owners.overtaken(document):
                    return True
                number, beside = await self._publish(document)
                self._cold.take(spec.tenant_id)
        except (SpecError, PrepareError, SlugTakenError, NumberConflictError, RaceLostError) as error:
            told = await self._stand_ins.told(document, error)
            self._statuses.failed(file, told, slug=spec.slug, tenant_id=spec.tenant_id)
            if not self._statuses.speaks_for(file, spec.tenant_id):
                self.owners.pop(spec.tenant_id)
            return not isinstance(error, PrepareError)
        except BaseException:
            self._statuses.end(file)  # the database is away, say, or it is given up
            raise
        former = self._statuses.get(file)
        if former is not None and former.tenant_id not in {None, spec.tenant_id}:
            await self._removed(file)  # the file is another tenant's now
        self._good(document, number, beside)
        await self._make_room(spec.tenant_id)
        return not beside.again

    def _good(self, document: TenantDocument, number: int | None, beside: Beside, *, waiting: bool = False) -> None:
        file, spec = Path(document.file), document.spec
        status = TenantStatus(
            file=str(file),
            slug=spec.slug,
            tenant_id=spec.tenant_id,
            revision=number,
            enabled=spec.enabled,
            waiting=waiting,
            problems=self._stand_ins.mistakes(document) + beside.problems(file),
        )
        self._statuses.put(file, status)

    async def _publish(
        self,
        document: TenantDocument,
        swap: Swap | None = None,
        confirm: Confirm | None = None,
        revisions: RevisionStore | None = None,
    ) -> tuple[int, Beside]:
        cold = self._cold.get(document.tenant_id)
        if document.spec.canary is not None and cold is not None and cold.digest != document.digest and self._stores:
            # It takes the calls already: it is what the document is to be tried beside. (What is taken up from a store
            # stands there already, and is found below.)
            try:
                self._warm_now(cold, *await self._publish(cold))
            except PrepareError as error:
                raise PrepareError(f"what it is tried beside is not loaded yet, and cannot be: {error}") from error
        if (former := self._stand_ins.get(document)) is not None:
            await self._formers.answer(former)
            self._documents[document.tenant_id] = document
            return former.number, Beside()
        beside = await self._formers.stand(document)
        swap = swap or self.swap(document.tenant_id)
        store = revisions or self._revisions
        number = await publish(document, store, self._supervisor, self._directory, swap=swap, confirm=confirm)
        self._stand_ins.forget(document.tenant_id)
        self._documents[document.tenant_id] = document
        self._known.note(Path(document.file), document.tenant_id)
        return number, beside

    async def _is_known(self, document: TenantDocument) -> None:
        """It takes calls, and is loaded by its first."""
        file, spec = Path(document.file), document.spec
        try:
            former = self._stand_ins.get(document)
            entry = await self._formers.entry(document) if former is None else entry_of(document, former.number)
            self._directory.replace(entry)
        except NumberConflictError as error:
            told = await self._stand_ins.told(document, error)
            self._statuses.failed(file, told, slug=spec.slug, tenant_id=spec.tenant_id)
            return
        self._good(document, None, Beside(), waiting=spec.enabled)
        if spec.enabled:
            self._cold.put(document)

    async def _removed(self, file: Path) -> None:
        status = self._statuses.pop(file)
        tenant_id = status.tenant_id if status is not None else None
        if tenant_id is None or self.owners.get(tenant_id) != file:
            return
        self._cold.take(tenant_id)  # who loads it now finds that it is not wanted, or has it taken away below
        async with self.locks[tenant_id]:
            if not self._statuses.speaks_for(file, tenant_id):  # or it was put there anew meanwhile
                self._gone(file, tenant_id)

    def _gone(self, file: Path, tenant_id: TenantId) -> None:
        self.owners.pop(tenant_id)
        self._cold.take(tenant_id)
        self._documents.pop(tenant_id, None)
        self._directory.remove(tenant_id)
        self._supervisor.remove(tenant_id)
        self._formers.forget(tenant_id)
        self._stand_ins.forget(tenant_id)
        self._known.forget(file, tenant_id)
        log.warning("tenant removed with its file", file=str(file), tenant=tenant_id)
        if self._tell_gone is not None:
            self._tell_gone(tenant_id)
        else:
            self._tell(event(tenant_id, self._clock.now(), "tenant.removed", file.stem))
