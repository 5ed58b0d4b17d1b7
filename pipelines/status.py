"""What there is to be told of revisions, assistants and stages. Values only."""

from typing import Literal

from msgspec import Struct

from base.ids import AssistantName, TenantId
from pipelines.loaded import LoadedPipeline, LoadedRevision, LoadedStage
from pipelines.outcomes import CanarySpec, OutcomeCounts


class StageStatus(Struct, frozen=True, kw_only=True):
    """One stage of an assistant."""

    id: str
    use: str
    shared_by: int
    """Stages, of any assistant and tenant, that use the same prepared thing."""
    errors: int = 0
    """Told in calls since the revision was loaded."""
    last_error: str = ""


class AssistantStatus(Struct, frozen=True, kw_only=True):
    """One assistant of a revision."""

    name: AssistantName
    id: str | None
    numbers: tuple[str, ...]
    stages: tuple[StageStatus, ...]
    share: float | None = None
    """Of its callers, in per cent, while its revision is on trial."""
    outcomes: OutcomeCounts = OutcomeCounts()


class PipelineStatus(Struct, frozen=True, kw_only=True):
    """One tenant's revision. `failed` is one that could not be loaded; an older one may still answer."""

    tenant_id: TenantId
    slug: str
    revision: int
    digest: str
    state: Literal["active", "on trial", "retiring", "failed"]
    share: float | None = None
    """Of the callers, in per cent, while it is on trial; an assistant may have its own."""
    live_calls: int = 0
    rehearsed: int = 0
    to_rehearse: int = 0
    rehearsal_over: bool = False
    """Whether everything that may be said word for word is rendered, or has failed to be."""
    outcomes: OutcomeCounts = OutcomeCounts()
    assistants: tuple[AssistantStatus, ...] = ()
    error: str = ""


class RolledBack(Struct, frozen=True, kw_only=True):
    """A trial that was ended."""

    revision: int
    digest: str
    reason: str
    outcomes: OutcomeCounts


def status_of(
    loaded: LoadedRevision, state: Literal["active", "on trial", "retiring"], policy: CanarySpec | None = None
) -> PipelineStatus:
    """What a loaded revision is like now; `policy` is that of its trial."""
    return PipelineStatus(
        tenant_id=loaded.revision.tenant_id,
        slug=loaded.revision.slug,
        revision=loaded.revision.number,
        digest=loaded.revision.digest,
        state=state,
        share=None if policy is None else policy.share,
        live_calls=loaded.leases,
        rehearsed=loaded.rehearsal.done,
        to_rehearse=loaded.rehearsal.total,
        rehearsal_over=loaded.rehearsal.over,
        outcomes=loaded.outcomes.counts(),
        assistants=tuple(_assistant(loaded, pipeline, policy) for pipeline in loaded.pipelines.values()),
        error=loaded.rehearsal.error,
    )


def _assistant(loaded: LoadedRevision, pipeline: LoadedPipeline, policy: CanarySpec | None) -> AssistantStatus:
    spec = pipeline.assistant
    return AssistantStatus(
        name=spec.key,
        id=spec.id,
        numbers=spec.numbers,
        stages=tuple(_stage(stage) for stage in pipeline.stages),
        share=None if policy is None else policy.share_of(spec.key),
        outcomes=loaded.outcomes_of[spec.key].counts(),
    )


def _stage(stage: LoadedStage) -> StageStatus:
    return StageStatus(
        id=stage.checked.id,
        use=stage.checked.factory.use,
        shared_by=stage.held.users,
        errors=stage.health.errors,
        last_error=stage.health.last_error,
    )
