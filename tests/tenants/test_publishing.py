"""Publishing: in order, one bad tenant alone fails, nothing that answers is stopped to find out."""

from collections.abc import Collection, Mapping
from pathlib import Path

import pytest

from base.clock import SystemClock
from base.ids import TenantId
from pipelines.revision import PipelineRevision
from processors.catalog import AnyFactory
from processors.factory import PrepareError
from tenants.directory import Directory, TenantUnknownError
from tenants.document import parse_document
from tenants.publishing import RaceLostError, TenantStatus, publish, publish_folder
from tenants.revisions import MemoryRevisions, RevisionRow, TenantRow

ACME, BETA = TenantId("11111111-1111-4111-8111-111111111111"), TenantId("22222222-2222-4222-8222-222222222222")
Stages = Mapping[str, AnyFactory]


class Pipelines:
    """A supervisor that loads all but the slugs of `broken`, and notes what it was asked."""

    def __init__(self, *broken: str) -> None:
        self.broken = set(broken)
        self.asked: list[str] = []

    async def load(self, revision: PipelineRevision) -> PipelineRevision:
        self.asked.append(f"load {revision.slug} {revision.number}")
        if revision.slug in self.broken:
            raise PrepareError("voice x is not installed; run: atende models pull")
        return revision

    def activate(self, loaded: PipelineRevision) -> None:
        self.asked.append(f"activate {loaded.slug} {loaded.number}")

    async def discard(self, loaded: PipelineRevision) -> None:
        self.asked.append(f"discard {loaded.slug} {loaded.number}")


class House:
    """Everything that publishing works on."""

    def __init__(self, folder: Path, stages: Stages, revisions: MemoryRevisions | None = None) -> None:
        self.folder = folder
        self.stages = stages
        self.revisions = revisions or MemoryRevisions(SystemClock())
        self.pipelines = Pipelines()
        self.directory = Directory()

    def write(self, slug: str, tenant_id: TenantId, number: str = "1000", more: str = "") -> None:
        (self.folder / f"{slug}.yaml").write_text(
            f"slug: {slug}\nid: {tenant_id}\ndomain: {slug}.example.net\nname: X\n{more}"
            f"assistants:\n  - name: ana\n    numbers: [{number}]\n"
        )

    async def publish(self, switches: Collection[str] | None = None) -> list[TenantStatus]:
        return await publish_folder(self.folder, self.revisions, self.pipelines, self.directory, self.stages, switches)

    async def restarted(self) -> list[TenantStatus]:
        self.pipelines, self.directory = Pipelines(*self.pipelines.broken), Directory()
        return await self.publish()


@pytest.fixture
def house(tmp_path: Path, stages: Stages) -> House:
    return House(tmp_path, stages)


async def test_good_documents_answer(house: House) -> None:
    house.write("acme", ACME)
    house.write("beta", BETA, "2000")
    statuses = await house.publish()
    assert [(status.slug, status.revision, status.problem) for status in statuses] == [("acme", 1, ""), ("beta", 1, "")]
    assert house.pipelines.asked == ["load acme 1", "activate acme 1", "load beta 1", "activate beta 1"]
    assert house.directory.find(ACME, "1000").assistant == "ana"
    stored = await house.revisions.current(ACME)
    assert stored is not None
    assert b"slug: acme" in stored.document


async def test_the_same_document_keeps_its_number_and_a_changed_one_gets_the_next(house: House) -> None:
    house.write("acme", ACME)
    await house.publish()
    assert [status.revision for status in await house.restarted()] == [1]
    house.write("acme", ACME, "1001")
    assert [status.revision for status in await house.restarted()] == [2]
    assert house.directory.find(ACME, "1001").tenant.revision == 2


async def test_a_bad_tenant_fails_alone_and_leaves_no_revision(house: House) -> None:
    house.write("acme", ACME, more="langage: pt\n")
    house.write("beta", BETA)
    house.write("gamma", TenantId("33333333-3333-4333-8333-333333333333"))
    house.pipelines.broken = {"gamma"}
    acme, beta, gamma = await house.publish()
    assert "acme.yaml:5:1: $.langage" in acme.problem
    assert acme.tenant_id is None
    assert beta.problem == ""
    assert "atende models pull" in gamma.problem
    assert gamma.revision is None
    assert await house.revisions.current(TenantId("33333333-3333-4333-8333-333333333333")) is None
    assert [entry.slug for entry in house.directory.tenants()] == ["beta"]


async def test_a_tenant_of_a_switch_that_is_not_there_fails_alone(house: House) -> None:
    house.write("acme", ACME, more="switch: matriz\n")
    house.write("beta", BETA, more="switch: filial\n")
    acme, beta = await house.publish(("filial", "default"))
    assert "acme.yaml:5:1: $.switch: the server's settings have no switch 'matriz'" in acme.problem
    assert (beta.problem, house.directory.tenant(BETA).switch) == ("", "filial")
    assert [entry.slug for entry in house.directory.tenants()] == ["beta"]


async def test_two_files_cannot_be_one_tenant_nor_share_a_slug(house: House) -> None:
    house.write("acme", ACME)
    house.write("copy", ACME)
    house.write("beta", BETA, more="")
    (house.folder / "beta.yaml").write_text(
        (house.folder / "beta.yaml").read_text().replace("slug: beta", "slug: acme")
    )
    first, beta, copy = await house.publish()
    assert first.problem == ""
    assert "another file has the tenant id" in copy.problem
    assert "slug acme belongs to" in beta.problem
    assert house.pipelines.asked == ["load acme 1", "activate acme 1"]


async def test_a_disabled_tenant_is_stored_but_not_loaded(house: House) -> None:
    house.write("acme", ACME, more="enabled: false\n")
    (status,) = await house.publish()
    assert (status.revision, status.enabled, status.problem) == (1, False, "")
    assert house.pipelines.asked == []
    with pytest.raises(TenantUnknownError):
        house.directory.find(ACME, "1000")


async def test_an_unreadable_file_and_an_empty_folder_are_told(house: House) -> None:
    assert await house.publish() == []
    (house.folder / "odd.yaml").mkdir()
    (status,) = await house.publish()
    assert (status.slug, "directory" in status.problem) == ("odd", True)


class Overtaken(MemoryRevisions):
    """Between the load and the store another process publishes something else."""

    async def put(self, tenant_id: TenantId, tenant: TenantRow, digest: str, document: bytes) -> RevisionRow:
        await super().put(tenant_id, tenant, "f" * 64, b"theirs")
        return await super().put(tenant_id, tenant, digest, document)


async def test_a_lost_race_discards_what_was_loaded(tmp_path: Path, stages: Stages) -> None:
    house = House(tmp_path, stages, Overtaken(SystemClock()))
    house.write("acme", ACME)
    document = parse_document((tmp_path / "acme.yaml").read_bytes(), "acme.yaml", stages)
    with pytest.raises(RaceLostError):
        await publish(document, house.revisions, house.pipelines, house.directory)
    assert house.pipelines.asked == ["load acme 1", "discard acme 1"]
    assert house.directory.tenants() == []
