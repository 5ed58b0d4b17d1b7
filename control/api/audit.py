"""The audit log: who changed what."""

from datetime import datetime

from litestar import Controller, get
from msgspec import Struct

from base.ids import TenantId
from control.api.access import may_change, scope
from control.api.given import Asker, DomainUuid, Running
from control.api.pages import Below, CursorText, Limit, Page, below, written
from control.api.problems import Refusal, answers
from tenants.audit import Action, Actor, AuditBrokenError, AuditEntry, Outcome, State


class AuditView(Struct, frozen=True, kw_only=True):
    """One entry. A change has two: one when it begins, and one when it has ended."""

    tenant_id: TenantId | None
    """null: the platform."""
    number: int
    at: datetime
    actor: Actor
    action: Action
    object: str
    outcome: Outcome
    begun_as: int
    """The entry that tells of its beginning; 0: it is that."""
    before: State
    after: State
    digest: str
    """Of this entry and of all before it, in hex."""


class AuditController(Controller):
    """`/audit`: for administrators; a tenant's sees its own tenant's."""

    path = "/audit"
    tags = ("Audit",)
    guards = (may_change,)

    @get("/", summary="Changes, the newest first", responses=answers("forbidden", "not-found", "conflict"))
    async def list_changes(
        self,
        asker: Asker,
        running: Running,
        domain_uuid: DomainUuid = None,
        limit: Limit = 50,
        cursor: CursorText = None,
    ) -> Page[AuditView]:
        """Of the tenant; of the platform when a key of the platform names none."""
        before = below(cursor)
        try:
            entries = await running.audit.list(scope(asker, domain_uuid), limit, before)
        except AuditBrokenError as error:
            raise Refusal("conflict", f"{error}; see `atende audit verify`") from error
        more = len(entries) == limit and entries[-1].number > 1
        return Page(items=[_view(one) for one in entries], next=written(Below(entries[-1].number)) if more else None)


def _view(entry: AuditEntry) -> AuditView:
    change = entry.change
    return AuditView(
        tenant_id=entry.tenant_id,
        number=entry.number,
        at=change.at,
        actor=change.actor,
        action=change.action,
        object=change.object,
        outcome=change.outcome,
        begun_as=change.begun_as,
        before=change.before,
        after=change.after,
        digest=entry.digest,
    )
