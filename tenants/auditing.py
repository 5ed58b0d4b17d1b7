"""When the audit log is written: before a change, which else is not made, and again when it has ended.

One entry could not do. Written before, it claims what may fail; written behind, a change is made and then cannot be
written down; and one transaction for both there is not, since most changes are not rows (a document that is loaded, a
call that ends). Two entries never leave a change out: what is begun and has no end may have been made (the process
died, or the database went), and says whom to ask.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
from msgspec import Struct

from base.clock import Clock
from base.ids import TenantId
from tenants.audit import NOTHING, Action, Actor, AuditEntry, Change, Outcome, State
from tenants.audit_store import AuditLog, AuditUnavailableError

log = structlog.get_logger()


class Result(Struct):
    """What a change came to, told by who makes it."""

    after: State = NOTHING


@asynccontextmanager
async def audited(
    audit: AuditLog,
    clock: Clock,
    tenant_id: TenantId | None,
    actor: Actor,
    action: Action,
    object: str = "",  # noqa: A002 (as in Change)
    *,
    before: State = NOTHING,
) -> AsyncIterator[Result]:
    """The change is made in the block, which is entered when its beginning is written down.

    An exception ends it as `failed`; a cancellation leaves it without an end. That an end cannot be written down undoes
    nothing, and goes to the service's log. Raises AuditUnavailableError or ChangeInvalidError before anything is done.
    """
    change = Change(at=clock.now(), actor=actor, action=action, outcome="begun", object=object, before=before)
    begun = _told(await audit.append(tenant_id, change))
    result = Result()

    async def end(outcome: Outcome, after: State) -> None:
        ended = Change(
            at=clock.now(),
            actor=actor,
            action=action,
            outcome=outcome,
            object=object,
            begun_as=begun.number,
            before=before,
            after=after,
        )
        try:
            _told(await audit.append(tenant_id, ended))
        except AuditUnavailableError:
            log.exception("the end of a change is not in the audit log", tenant=tenant_id, begun_as=begun.number)

    try:
        yield result
    except Exception:
        await end("failed", NOTHING)
        raise
    await end("done", result.after)


def _told(entry: AuditEntry) -> AuditEntry:
    """Its digest is in another place too: what is removed from the end of the chain is missed there."""
    log.info("change audited", tenant=entry.tenant_id, number=entry.number, digest=entry.digest)
    return entry
