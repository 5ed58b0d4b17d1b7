"""A folder of documents, and pipelines that note what they are asked."""

import asyncio
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from base.clock import SystemClock
from base.ids import TenantId
from pipelines.outcomes import CanaryPolicy
from pipelines.revision import PipelineRevision
from processors.catalog import AnyFactory
from processors.factory import PrepareError
from tenants.directory import Directory
from tenants.folder import TenantFolder
from tenants.known_files import KnownFiles
from tenants.revisions import MemoryRevisions, RevisionStore
from tenants.statuses import TenantStatus

ACME, BETA = TenantId("11111111-1111-4111-8111-111111111111"), TenantId("22222222-2222-4222-8222-222222222222")
Stages = Mapping[str, AnyFactory]


class Pipelines:
    """A supervisor that loads all but the slugs of `broken` and `hanging`, and notes what it was asked."""

    def __init__(self, *broken: str) -> None:
        self.broken = set(broken)
        self.hanging: set[str] = set()
        self.unready: set[int] = set()
        """Revisions that cannot be loaded."""
        self.loaded: dict[TenantId, str] = {}
        """In the order in which they were rung last."""
        self.slow = asyncio.Event()
        self.slow.set()
        self.asked: list[str] = []

    async def load(self, revision: PipelineRevision) -> PipelineRevision:
        self.asked.append(f"load {revision.slug} {revision.number}")
        await self.slow.wait()
        if revision.slug in self.hanging:
            await asyncio.Event().wait()
        if revision.slug in self.broken or revision.number in self.unready:
            raise PrepareError("voice x is not installed; run: atende models pull")
        return revision

    def activate(self, loaded: PipelineRevision, *, swap: str = "drain") -> None:
        assert loaded.tenant_id not in self.loaded or swap == "turn"
        self.asked.append(f"activate {loaded.slug} {loaded.number}")
        self.loaded[loaded.tenant_id] = loaded.slug

    def answers(self, tenant_id: TenantId) -> bool:
        return tenant_id in self.loaded

    def try_out(self, loaded: PipelineRevision, policy: CanaryPolicy) -> None:
        assert loaded.tenant_id in self.loaded
        self.asked.append(f"try {loaded.slug} {loaded.number} on {policy.share:.0f}")

    def failed_on_trial(self, tenant_id: TenantId, number: int, digest: str) -> bool:
        return False

    async def discard(self, loaded: PipelineRevision) -> None:
        self.asked.append(f"discard {loaded.slug} {loaded.number}")

    def forget_failure(self, tenant_id: TenantId) -> None:
        self.asked.append("forget the failure")

    def remove(self, tenant_id: TenantId) -> None:
        if tenant_id in self.loaded:
            self.asked.append(f"remove {self.loaded.pop(tenant_id)}")

    async def unload(self, tenant_id: TenantId) -> None:
        self.remove(tenant_id)

    def idle(self) -> list[TenantId]:
        return list(self.loaded)

    @property
    def weight_mb(self) -> float:
        return 100.0 * len(self.loaded)


class House:
    """Everything that publishing works on."""

    def __init__(self, folder: Path, stages: Stages, revisions: RevisionStore | None = None) -> None:
        self.folder = folder
        self.stages = stages
        self.revisions: RevisionStore = revisions or MemoryRevisions(SystemClock())
        self.pipelines = Pipelines()
        self.directory = Directory()
        self.known = KnownFiles()

    def write(self, slug: str, tenant_id: TenantId, number: str = "1000", more: str = "") -> None:
        (self.folder / f"{slug}.yaml").write_text(
            f"slug: {slug}\nid: {tenant_id}\ndomain: {slug}.example.net\nname: X\n{more}"
            f"assistants:\n  - name: ana\n    numbers: [{number}]\n"
        )

    def tenants(self, switches: Collection[str] | None = None, **options: Any) -> TenantFolder[PipelineRevision]:
        return TenantFolder(
            self.folder,
            self.revisions,
            self.pipelines,
            self.directory,
            self.stages,
            switches,
            known=self.known,
            **options,
        )

    async def publish(self, switches: Collection[str] | None = None) -> tuple[TenantStatus, ...]:
        tenants = self.tenants(switches)
        await tenants.open()
        await tenants.close()
        return tenants.statuses

    def start_anew(self) -> None:
        """Another process, with the same files and revisions."""
        self.pipelines, self.directory = Pipelines(*self.pipelines.broken), Directory()

    async def restarted(self) -> tuple[TenantStatus, ...]:
        self.start_anew()
        return await self.publish()
