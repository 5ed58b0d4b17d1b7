"""From a document to a tenant that answers: load, store, activate, in this order.

Loading comes before storing, so that the database never names as current what could not be loaded; a bad
document marks its own tenant as failed, and all others answer.
"""

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

from msgspec import structs

from base.ids import TenantId
from pipelines.outcomes import CanaryPolicy
from pipelines.revision import PipelineRevision
from pipelines.supervisor import Swap
from tenants.directory import Directory, TenantEntry, numbers_of
from tenants.document import TenantDocument, to_revision
from tenants.revisions import RaceLostError, RevisionStore, TenantRow

L = TypeVar("L")
Confirm = Callable[[], Awaitable[None]]
"""Asked when everything is ready and nothing is stored; what it raises is raised, and what was loaded is let go."""


class Supervisor(Protocol[L]):
    """What publishing asks of the pipelines."""

    async def load(self, revision: PipelineRevision) -> L:
        """Raises SpecError or PrepareError."""
        ...

    def answers(self, tenant_id: TenantId) -> bool:
        """Whether some revision of the tenant does."""
        ...

    def activate(self, loaded: L, *, swap: Swap = "drain") -> None: ...

    def try_out(self, loaded: L, policy: CanaryPolicy) -> None:
        """Beside what answers."""
        ...

    def failed_on_trial(self, tenant_id: TenantId, number: int, digest: str) -> bool:
        """Whether that revision was on trial and has been rolled back."""
        ...

    async def discard(self, loaded: L) -> None: ...

    def remove(self, tenant_id: TenantId) -> None: ...


class Keeper(Supervisor[L], Protocol[L]):
    """What a folder asks of the pipelines."""

    async def unload(self, tenant_id: TenantId) -> None:
        """Remove, and return when what only this tenant used is closed."""
        ...

    def forget_failure(self, tenant_id: TenantId) -> None:
        """What could not be loaded is not wanted any more. Idempotent."""
        ...

    def idle(self) -> list[TenantId]:
        """Tenants that are loaded and in no call, who was rung longest ago first."""
        ...

    @property
    def weight_mb(self) -> float:
        """What the prepared models take, by their stages' own declaration."""
        ...


async def publish(
    document: TenantDocument,
    revisions: RevisionStore,
    supervisor: Supervisor[L],
    directory: Directory,
    *,
    swap: Swap = "drain",
    confirm: Confirm | None = None,
) -> int:
    """The number under which the document answers from now on; that of the newest when it is the same.

    What answered before goes on answering when anything fails. `swap` says what becomes of its live calls. A disabled
    tenant is stored, not loaded, and takes no further call. A document with a `canary` is tried beside what answers, if
    anything does: then numbers, domain and switch stay what they are until it is promoted. One whose trial has ended by
    itself is not tried again.
    Raises SpecError, PrepareError, SlugTakenError, NumberConflictError, RaceLostError.
    """
    spec = document.spec
    newest = await revisions.current(spec.tenant_id)
    number = 1 if newest is None else newest.number + (newest.digest != document.digest)
    entry = entry_of(document, number)
    directory.admit(entry)
    if not spec.enabled:
        await _store(document, number, revisions, swap, confirm, on_trial=False)
        directory.replace(entry)
        supervisor.remove(spec.tenant_id)
        return number
    on_trial = spec.canary is not None and supervisor.answers(spec.tenant_id)
    if on_trial and supervisor.failed_on_trial(spec.tenant_id, number, document.digest):
        return number
    loaded = await supervisor.load(to_revision(spec, number, document.digest))
    try:
        await _store(document, number, revisions, swap, confirm, on_trial=on_trial)
    except BaseException:
        await supervisor.discard(loaded)
        raise
    if spec.canary is not None and supervisor.answers(spec.tenant_id):
        supervisor.try_out(loaded, CanaryPolicy(**structs.asdict(spec.canary)))
        return number
    supervisor.activate(loaded, swap=swap)
    directory.replace(entry)
    return number


async def _store(
    document: TenantDocument,
    number: int,
    revisions: RevisionStore,
    swap: Swap,
    confirm: Confirm | None,
    *,
    on_trial: bool,
) -> None:
    if confirm is not None:
        await confirm()
    spec = document.spec
    row = TenantRow(slug=spec.slug, domain=spec.domain, name=spec.name)
    stored = await revisions.put(
        spec.tenant_id, row, document.digest, document.raw, number, on_trial=on_trial, swap=swap
    )
    if stored.number != number:
        raise RaceLostError(number)


def entry_of(document: TenantDocument, number: int) -> TenantEntry:
    """The tenant as the door sees it."""
    spec = document.spec
    return TenantEntry(
        tenant_id=spec.tenant_id,
        slug=spec.slug,
        domain=spec.domain,
        revision=number,
        enabled=spec.enabled,
        numbers=numbers_of(spec.assistants),
        switch=spec.switch,
        secretaries={assistant.id: assistant.key for assistant in spec.assistants if assistant.id is not None},
        time_zone=spec.time_zone,
        daily_minutes={
            assistant.key: assistant.limits.daily_minutes
            for assistant in spec.assistants
            if assistant.limits.daily_minutes is not None
        },
        daily_cost={
            assistant.key: assistant.limits.daily_cost
            for assistant in spec.assistants
            if assistant.limits.daily_cost is not None
        },
    )
