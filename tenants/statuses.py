"""How the documents of a folder fared, file by file."""

from collections.abc import Collection
from datetime import datetime
from pathlib import Path
from typing import Literal

import structlog
from msgspec import Struct, structs

from base.clock import Clock, SystemClock
from base.ids import TenantId
from pipelines.events import EventData, Tell, event, told_to_nobody

log = structlog.get_logger()


Retry = Literal["later", "queued", "now"]
"""`queued`: it is due, and waits for others that are being tried."""


class TenantStatus(Struct, frozen=True, kw_only=True):
    """How one document fared. Without problems it answers with `revision` (or is disabled).

    With problems, `revision` is the one that answers instead, from before; None when none does.
    """

    file: str
    slug: str
    """The file's name without its ending, when the document could not be read."""
    tenant_id: TenantId | None = None
    revision: int | None = None
    enabled: bool = True
    waiting: bool = False
    """It was checked, and is loaded with its first call, or when its turn comes."""
    loading: bool = False
    """It is read, or loaded, for the first time: nothing answers so far, and nothing has failed."""
    problems: tuple[str, ...] = ()
    retry: Retry | None = None
    """How it stands with trying again to make it ready; None when nothing is to be tried."""
    next_try: datetime | None = None
    """When it is tried again (UTC), while that is `later`."""

    @property
    def unanswered(self) -> Literal["loading", "waiting", "failed"]:
        """How it is, where none of its revisions is loaded."""
        return "loading" if self.loading else "waiting" if self.waiting else "failed"

    @property
    def problem(self) -> str:
        """All problems in one text; empty when there are none."""
        return "\n".join(self.problems)


class Statuses:
    """One for each file that is there. Of a document that failed `tell` hears, again when it fails otherwise."""

    def __init__(self, clock: Clock | None = None, tell: Tell = told_to_nobody) -> None:
        self._clock = clock or SystemClock()
        self._tell = tell
        self._of: dict[Path, TenantStatus] = {}
        self._unsettled: dict[Path, TenantStatus] = {}

    @property
    def files(self) -> frozenset[Path]:
        """Whose status there is."""
        return frozenset(self._of)

    def all(self) -> tuple[TenantStatus, ...]:
        """By the files' names."""
        return self.of(None)

    def of(self, tenant_ids: Collection[TenantId] | None) -> tuple[TenantStatus, ...]:
        """Those of these tenants, or all, by the files' names."""
        found = [one for one in self._of.values() if tenant_ids is None or one.tenant_id in tenant_ids]
        return tuple(sorted(found, key=lambda status: status.file))

    def unsettled(self) -> Collection[TenantStatus]:
        """Those that load, wait, or have problems, in no order; the others cost nothing."""
        return self._unsettled.values()

    def get(self, file: Path) -> TenantStatus | None:
        """A file's; None when nothing is known of it."""
        return self._of.get(file)

    def put(self, file: Path, status: TenantStatus) -> None:
        """It fared so."""
        self._of[file] = status
        if status.loading or status.waiting or status.problems:
            self._unsettled[file] = status
        else:
            self._unsettled.pop(file, None)

    def begin(self, file: Path, *, slug: str = "", tenant_id: TenantId | None = None) -> None:
        """Its first text loads now; nothing happens where more is known of it. `end` follows."""
        if (known := self._of.get(file)) is None or known.loading:
            self.put(file, TenantStatus(file=str(file), slug=slug or file.stem, tenant_id=tenant_id, loading=True))

    def end(self, file: Path) -> None:
        """It does not load any more; who has put nothing in its place knows nothing of it. Idempotent."""
        if (known := self._of.get(file)) is not None and known.loading:
            self.pop(file)

    def pop(self, file: Path) -> TenantStatus | None:
        """The file is no more."""
        self._unsettled.pop(file, None)
        return self._of.pop(file, None)

    def note(self, file: Path, **changes: object) -> None:
        """Change some of a status; nothing happens when the file is gone."""
        if file in self._of:
            self.put(file, structs.replace(self._of[file], **changes))

    def failed(
        self, file: Path, problems: tuple[str, ...], *, slug: str | None = None, tenant_id: TenantId | None = None
    ) -> None:
        """What the file said before goes on answering, if it said anything."""
        former = self._of.get(file)
        if former is None or former.loading:
            former = TenantStatus(file=str(file), slug=slug or file.stem, tenant_id=tenant_id)
        self.put(file, structs.replace(former, problems=problems))
        answers = former.revision if former.tenant_id is not None else None
        if problems != former.problems:
            data = EventData(revision=answers, problems=len(problems))
            self._tell(event(former.tenant_id, self._clock.now(), "document.failed", former.slug, data))
        log.error("tenant not published", file=str(file), tenant=former.tenant_id, answers=answers, problems=problems)

    def speaks_for(self, file: Path, tenant_id: TenantId) -> bool:
        """Whether what the file says, or said, is this tenant's."""
        return file in self._of and self._of[file].tenant_id == tenant_id
