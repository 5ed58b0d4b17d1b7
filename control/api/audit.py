"""The audit log: who changed what."""

from datetime import datetime
from typing import Annotated, Final
from uuid import UUID

from litestar import Controller, get
from litestar.params import QueryParameter
from msgspec import Meta, Struct

from base.ids import TenantId
from control.api.access import may_change, platform_may_change, scope
from control.api.given import Asker, DomainUuid, Running
from control.api.pages import Below, CursorText, Limit, Page, below, read, written
from control.api.problems import Refusal, answers
from tenants.audit import Action, Actor, AuditBrokenError, AuditEntry, Link, Outcome, State
from tenants.audit_checks import fault_of
from tenants.audit_store import Chain

VERIFIED_AT_ONCE: Final = 5000
"""Entries, read by the thousand: the loop that carries calls is held for some milliseconds at a time."""
MAX_NUMBER: Final = 2**63 - 1


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


class VerdictView(Struct, frozen=True, kw_only=True):
    """What became of verifying a chain, or the next part of it."""

    tenant_id: TenantId | None
    """null: the platform's."""
    held_to: int
    """It holds to this number; 0: it has no entries."""
    digest: str
    """Of that entry, in hex. Keep both in another place, for `kept`."""
    fault: str | None
    """What is wrong with it; null: nothing, so far as was looked."""
    next: str | None
    """There may be more of it: the `cursor` with which to go on."""


class _Reached(Struct, frozen=True):
    """A cursor as it came back: somebody may have written it himself, and is told what follows from that."""

    number: Annotated[int, Meta(ge=1, le=MAX_NUMBER)]
    digest: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]


class ChainView(Struct, frozen=True, kw_only=True):
    """Who has a chain."""

    tenant_id: TenantId | None
    """null: the platform."""


class _BehindChain(Struct, frozen=True):
    tenant_id: UUID | None


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
        before: Annotated[
            int | None, QueryParameter(ge=1, le=MAX_NUMBER, description="Only those before the entry of this number.")
        ] = None,
    ) -> Page[AuditView]:
        """Of the tenant; of the platform when a key of the platform names none."""
        before = below(cursor) or before
        try:
            entries = await running.audit.list(scope(asker, domain_uuid), limit, before)
        except AuditBrokenError as error:
            raise Refusal("conflict", f"{error}; see `atende audit verify`") from error
        more = len(entries) == limit and entries[-1].number > 1
        return Page(items=[_view(one) for one in entries], next=written(Below(entries[-1].number)) if more else None)

    @get(
        "/verification",
        summary="Whether a chain of entries holds",
        responses=answers("forbidden", "not-found", "conflict"),
    )
    async def verify(
        self,
        asker: Asker,
        running: Running,
        domain_uuid: DomainUuid = None,
        kept: Annotated[
            str | None,
            QueryParameter(
                pattern=r"^[1-9][0-9]{0,17}:[0-9a-f]{64}$",
                description="`held_to:digest` as it was told earlier: nothing up to there was cut off or written anew.",
            ),
        ] = None,
        cursor: CursorText = None,
    ) -> VerdictView:
        """Of the tenant; of the platform when a key of the platform names none. 5,000 entries, then `next` goes on."""
        reached: _Reached | None = read(cursor, _Reached)
        behind = None if reached is None else Link(reached.number, reached.digest)
        verdict = await running.audit.verify(scope(asker, domain_uuid), behind, VERIFIED_AT_ONCE)
        number, _, digest = (kept or "").strip().partition(":")
        known = Link(int(number), digest) if number else None
        try:
            fault = await fault_of(running.audit, verdict, 0 if behind is None else behind.number, known)
        except AuditBrokenError as error:
            raise Refusal("conflict", str(error)) from error
        return VerdictView(
            tenant_id=verdict.tenant_id,
            held_to=verdict.held_to,
            digest=verdict.digest,
            fault=fault or None,
            next=None if fault or verdict.whole else written(_Reached(verdict.held_to, verdict.digest)),
        )

    @get("/chains", guards=[platform_may_change], summary="Whose chains there are", responses=answers("forbidden"))
    async def chains(self, running: Running, limit: Limit = 50, cursor: CursorText = None) -> Page[ChainView]:
        """The platform's, then tenants', also of those that are gone."""
        place: _BehindChain | None = read(cursor, _BehindChain)
        behind = None if place is None else Chain(None if place.tenant_id is None else TenantId(str(place.tenant_id)))
        found = await running.audit.chains(limit + 1, behind)
        page = found[:limit]
        following = written(Chain(page[-1])) if len(found) > limit else None
        return Page(items=[ChainView(tenant_id=one) for one in page], next=following)


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
