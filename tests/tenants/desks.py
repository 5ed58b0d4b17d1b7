"""An operator's desk over a real folder, with a tenant of its own in whatever store of revisions."""

import uuid
from pathlib import Path
from typing import Any

from base.ids import TenantId
from pipelines.revision import PipelineRevision
from tenants.folder import TenantFolder
from tenants.operating import Publishing
from tenants.put_errors import Current, Published
from tenants.revisions import RevisionStore
from tests.tenants.folders import House, Stages


class Desk:
    """`file` is the tenant's; nothing is in it before `begin`."""

    def __init__(self, folder: Path, stages: Stages, revisions: RevisionStore, **options: Any) -> None:
        self.tenant_id = TenantId(str(uuid.uuid4()))
        self.slug = f"t-{self.tenant_id[:13]}"
        self.file = folder / f"{self.slug}.yaml"
        self.options = options
        self.house = House(folder, stages, revisions)
        self.start()

    def start(self) -> None:
        """Another process begins, with the same files and revisions."""
        self.house.start_anew()
        self.tenants: TenantFolder[PipelineRevision] = self.house.tenants(**self.options)
        self.publishing = Publishing(self.tenants, self.house.revisions, self.house.pipelines, self.house.directory)

    async def restarted(self) -> None:
        await self.tenants.close()
        self.start()
        await self.tenants.open()

    async def begin(self, text: bytes | None = None) -> str:
        """The folder is open, with the tenant's first text in its file; its digest."""
        self.file.write_bytes(text or self.text())
        await self.tenants.open()
        return (await self.now()).digest

    def text(self, number: str = "1000", more: str = "") -> bytes:
        return (
            f"slug: {self.slug}\nid: {self.tenant_id}\ndomain: {self.slug}.example.net\nname: X\n{more}"
            f"assistants:\n  - name: ana\n    numbers: ['{number}']\n"
        ).encode()

    async def put(self, raw: bytes, expected: str | None, **options: Any) -> Published:
        return await self.publishing.put(self.tenant_id, raw, expected=expected, **options)

    async def now(self) -> Current:
        current = await self.publishing.current(self.tenant_id)
        assert current is not None
        return current

    async def watched(self) -> None:
        """What the watch over the folder does after a while."""
        await self.tenants.look_again()

    async def numbers(self) -> list[int]:
        return [one.number for one in await self.house.revisions.list(self.tenant_id, 100)]

    def rings(self, number: str) -> int:
        """The revision that answers it."""
        return self.house.directory.find(self.tenant_id, number).tenant.revision

    @property
    def asked(self) -> list[str]:
        return [one.replace(f" {self.slug}", "") for one in self.house.pipelines.asked]

    @property
    def problem(self) -> str:
        (status,) = (one for one in self.tenants.statuses if one.file == str(self.file))
        return status.problem
