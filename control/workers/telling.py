"""What a process tells of itself, and how what the others told is shown."""

from collections.abc import Collection, Iterable
from typing import Final
from urllib.parse import urlsplit

from msgspec import structs

from base.ids import TenantId
from control.health import ProcessHealth, ScrapeTarget, TenantHealth
from control.workers.presence import FailedRevision, Presence, told_of
from tenants.leases import ProcessRow

TWIN: Final = (
    "another node has this one's name: give each its own ATENDE_NODE (the log, and a key of the platform, say which)"
)
MAX_TOLD: Final = 20
MAX_PROBLEM_CHARS: Final = 300


def failures(tenants: Iterable[TenantHealth]) -> tuple[FailedRevision, ...]:
    """What is wrong, as many and as much of it as a lease may hold."""
    failed = [
        FailedRevision(
            slug=one.slug, tenant_id=one.tenant_id, revision=one.revision, problem=one.problem[:MAX_PROBLEM_CHARS]
        )
        for one in tenants
        if one.problem
    ]
    return tuple(failed[:MAX_TOLD])


def twin_of(presence: Presence, seen: Collection[TenantId] | None) -> tuple[str, ...]:
    """That another node has this one's name; which it is, to who may know of machines (None)."""
    if presence.taken is None:
        return ()
    return (str(presence.taken) if seen is None else TWIN,)


def health_of(row: ProcessRow, seen: Collection[TenantId] | None = ()) -> ProcessHealth:
    """As `/health/ready` has it for who may know of the tenants that are `seen`; None: of all, and of the machines."""
    told = told_of(row)
    found = ProcessHealth(
        role=row.role,
        state=row.state,
        live_calls=told.live_calls,
        max_calls=told.max_calls,
        renewed_at=row.renewed_at,
        failing=told.failing,
        failed=tuple(one for one in told.failed if seen is None or one.tenant_id in seen),
    )
    if seen is not None:
        return found
    return structs.replace(
        found, node=row.node, slot=row.slot, pid=row.pid, version=row.version, problem=told.problem or None
    )


def targets_of(processes: Iterable[ProcessRow]) -> list[ScrapeTarget]:
    """As Prometheus takes them."""
    return [
        ScrapeTarget(
            targets=(urlsplit(one.url).netloc,),
            labels={"atende_node": one.node, "atende_role": one.role, "atende_slot": str(one.slot)},
        )
        for one in processes
        if one.url
    ]
