"""How each tenant fares, as `/health/ready` and the REST API tell it. Pure."""

from collections.abc import Iterable, Mapping, Sequence

from base.ids import TenantId
from control.health import TenantHealth
from pipelines.status import PipelineStatus, RolledBack
from tenants.statuses import TenantStatus


def rows_of(
    loaded: Iterable[PipelineStatus],
    published: Sequence[TenantStatus],
    *,
    ended: Mapping[TenantId, RolledBack],
    lacks: Iterable[tuple[TenantId, str]],
) -> tuple[TenantHealth, ...]:
    """By slug and revision, one for each tenant and one more for what is on trial.

    `loaded` is what the supervisor has, or could not load, `published` how the documents fared; `ended` are trials that
    ended by themselves, `lacks` what else is wrong with a tenant that answers.
    """
    statuses = [status for status in loaded if status.state != "retiring"]
    answering = {status.tenant_id for status in statuses if status.state == "active"}
    problems = {status.tenant_id: status.error for status in statuses if status.state == "failed"}
    problems |= _rolled_back(statuses, ended)
    tries = {status.tenant_id: status for status in published if status.tenant_id and status.problems}
    problems |= {tenant_id: status.problem for tenant_id, status in tries.items()}
    for tenant_id, lack in lacks:
        problems[tenant_id] = "\n".join(filter(None, (problems.get(tenant_id), lack)))
    rows = [
        _health(status, problems.get(status.tenant_id), tries.get(status.tenant_id))
        for status in statuses
        if status.state != "failed" or status.tenant_id not in answering
    ]
    told = {status.tenant_id for status in statuses}
    for status in published:
        if status.tenant_id is None or status.tenant_id not in told:
            rows += [_waiting(status)] if status.waiting else [_unpublished(status)] if status.problems else []
    return tuple(sorted(rows, key=lambda health: (health.slug, health.revision or 0)))


def _rolled_back(statuses: Sequence[PipelineStatus], ended: Mapping[TenantId, RolledBack]) -> dict[TenantId, str]:
    """Of tenants whose newest document failed on trial, why it does not answer."""
    return {
        status.tenant_id: f"revision {trial.revision} was rolled back: {trial.reason}"
        for status in statuses
        if (trial := ended.get(status.tenant_id)) is not None
        and status.state == "active"
        and trial.revision > status.revision
    }


def _unpublished(status: TenantStatus) -> TenantHealth:
    return TenantHealth(
        slug=status.slug,
        tenant_id=status.tenant_id,
        state="failed",
        revision=None,
        live_calls=0,
        problem=status.problem,
        retry=status.retry,
        next_try=status.next_try,
    )


def _waiting(status: TenantStatus) -> TenantHealth:
    return TenantHealth(
        slug=status.slug,
        tenant_id=status.tenant_id,
        state="waiting",
        revision=status.revision,
        live_calls=0,
        problem=status.problem or None,
    )


def _health(status: PipelineStatus, problem: str | None, tries: TenantStatus | None) -> TenantHealth:
    failed = status.state == "failed"
    tries = None if status.state == "on trial" else tries
    state = str(status.state)
    if status.state == "active":
        state = "ready" if status.rehearsal_over else "preparing"
    return TenantHealth(
        slug=status.slug,
        tenant_id=status.tenant_id,
        state=state,
        revision=None if failed else status.revision,
        live_calls=status.live_calls,
        problem=status.error or (problem if status.state == "active" else None) or None,
        retry=tries.retry if tries is not None else None,
        next_try=tries.next_try if tries is not None else None,
    )
