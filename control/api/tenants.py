"""Tenants, their assistants and numbers, and how their pipelines fare."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from litestar import Controller, get
from msgspec import Struct

from base.ids import TenantId
from control.api.access import may_read, own, scope
from control.api.given import Asker, DomainUuid, Running, TenantPath
from control.api.pages import CursorText, Limit, Page, read, written
from control.api.problems import answers, not_found
from control.health import TenantHealth
from control.service import Service
from pipelines.status import PipelineStatus
from tenants.directory import TenantEntry


class AssistantView(Struct, frozen=True, kw_only=True):
    """An assistant that answers."""

    name: str
    secretary_uuid: str | None
    """Its UUID, where the document gives it one."""
    numbers: tuple[str, ...]


class TenantView(Struct, frozen=True, kw_only=True):
    """One tenant."""

    tenant_id: TenantId
    """Its `domain_uuid`."""
    slug: str
    domain: str | None
    """null: no text of it could be used yet."""
    enabled: bool
    switch: str | None
    """The PBX from which its calls come; null: any."""
    state: str
    """`ready`, `preparing`, `waiting` (loaded with its first call), `failed` or `disabled`."""
    revision: int | None
    """Which answers."""
    on_trial: int | None = None
    """The revision that some callers try."""
    live_calls: int = 0
    problem: str | None = None
    """What is wrong with its newest text, or with loading it."""
    assistants: tuple[AssistantView, ...] = ()


class _After(Struct, frozen=True):
    slug: str


class _Behind(Struct, frozen=True):
    slug: str
    revision: int
    state: str


class TenantsController(Controller):
    """`/tenants`: which companies are answered here."""

    path = "/tenants"
    tags = ("Tenants",)
    guards = (may_read,)

    @get("/", summary="Tenants, by slug", responses=answers("not-found"))
    async def list_tenants(
        self,
        asker: Asker,
        running: Running,
        domain_uuid: DomainUuid = None,
        limit: Limit = 50,
        cursor: CursorText = None,
    ) -> Page[TenantView]:
        """Those that the key may see."""
        after: _After | None = read(cursor, _After)
        asked = scope(asker, domain_uuid)
        behind = [
            (slug, tenant_id)
            for slug, tenant_id in (slugs(running) if asked is None else slugs_of(running, asked))
            if after is None or slug > after.slug
        ]
        page = behind[:limit]
        more = len(behind) > limit
        return Page(
            items=views(running, [tenant_id for _, tenant_id in page]),
            next=written(_After(page[-1][0])) if more else None,
        )

    @get("/{tenant_id:uuid}", summary="One tenant", responses=answers("not-found"))
    async def one_tenant(
        self,
        tenant_id: TenantPath,
        asker: Asker,
        running: Running,
    ) -> TenantView:
        """Its assistants, numbers and state."""
        asked = own(asker, tenant_id)
        if not slugs_of(running, asked):
            raise not_found()
        return views(running, [asked])[0]


class PipelinesController(Controller):
    """`/pipelines`: what is loaded, stage by stage."""

    path = "/pipelines"
    tags = ("Tenants",)
    guards = (may_read,)

    @get("/", summary="Loaded revisions and their stages", responses=answers("not-found"))
    async def pipelines(
        self,
        asker: Asker,
        running: Running,
        domain_uuid: DomainUuid = None,
        limit: Limit = 50,
        cursor: CursorText = None,
    ) -> Page[PipelineStatus]:
        """By slug: what answers, what is on trial, what goes, and what could not be loaded."""
        after: _Behind | None = read(cursor, _Behind)
        asked = scope(asker, domain_uuid)
        place = None if after is None else (after.slug, after.revision, after.state)
        items, following = running.supervisor.listing.page(place, limit, None if asked is None else [asked])
        return Page(items=items, next=None if following is None else written(_Behind(*following)))


def slugs(service: Service) -> list[tuple[str, TenantId]]:
    """Of all tenants, in their order. A view is made of those that are asked for: there may be ten thousand."""
    found = [(entry.slug, entry.tenant_id) for entry in service.directory.tenants()]
    others: dict[TenantId, str] = {}
    known = service.directory.get
    for status in service.folder.unsettled():
        if status.tenant_id is not None and known(status.tenant_id) is None:
            others.setdefault(status.tenant_id, status.slug)
    for tenant_id in service.supervisor.listing.tenants():
        if tenant_id not in others and known(tenant_id) is None:
            others[tenant_id] = service.supervisor.status([tenant_id])[0].slug
    more = [(slug, tenant_id) for tenant_id, slug in others.items()]
    return sorted(found + more) if more else found


def slugs_of(service: Service, tenant_id: TenantId) -> list[tuple[str, TenantId]]:
    """As `slugs` has them, of one; none: nobody knows it."""
    if (entry := service.directory.get(tenant_id)) is not None:
        return [(entry.slug, tenant_id)]
    return [(row.slug, tenant_id) for row in service.health([tenant_id])[:1]]


def views(service: Service, tenant_ids: Sequence[TenantId]) -> list[TenantView]:
    """Of these, in their order."""
    rows: defaultdict[TenantId, list[TenantHealth]] = defaultdict(list)
    for row in service.health(frozenset(tenant_ids)):  # each of ten thousand is looked for among them
        if row.tenant_id is not None:
            rows[row.tenant_id].append(row)
    presence = None if service.neighbours is None else service.neighbours.presence
    others = {} if presence is None else {one: presence.elsewhere(one) for one in tenant_ids}
    return [_view(one, service.directory.get(one), rows[one], others.get(one, 0)) for one in tenant_ids]


def _view(
    tenant_id: TenantId,
    entry: TenantEntry | None,
    rows: list[TenantHealth],
    elsewhere: int,
) -> TenantView:
    trial = next((row for row in rows if row.state == "on trial"), None)
    row = next((row for row in rows if row.state != "on trial"), None)
    disabled = entry is not None and not entry.enabled
    return TenantView(
        tenant_id=tenant_id,
        slug=entry.slug if entry is not None else rows[0].slug,
        domain=None if entry is None else entry.domain,
        enabled=not disabled,
        switch=None if entry is None else entry.switch,
        state="disabled" if disabled else "waiting" if row is None else row.state,
        revision=entry.revision if entry is not None else None,
        on_trial=None if trial is None else trial.revision,
        live_calls=sum(row.live_calls for row in rows) + elsewhere,
        problem=None if row is None else row.problem,
        assistants=() if entry is None else tuple(_assistants(entry)),
    )


def _assistants(entry: TenantEntry) -> Iterable[AssistantView]:
    ids = {name: uuid for uuid, name in entry.secretaries.items()}
    for name in sorted(set(entry.numbers.values())):
        numbers = tuple(sorted(number for number, answers in entry.numbers.items() if answers == name))
        yield AssistantView(name=name, secretary_uuid=ids.get(name), numbers=numbers)
