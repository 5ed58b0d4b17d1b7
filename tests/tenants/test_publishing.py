"""Publishing: in order; what is overtaken is let go."""

from pathlib import Path

import pytest

from base.clock import SystemClock
from base.ids import TenantId
from pipelines.supervisor import Swap
from tenants.document import parse_document
from tenants.publishing import publish
from tenants.revisions import MemoryRevisions, RaceLostError, RevisionRow, TenantRow
from tests.tenants.folders import ACME, House, Stages


class Overtaken(MemoryRevisions):
    """Between the load and the store another process publishes something else."""

    async def put(
        self,
        tenant_id: TenantId,
        tenant: TenantRow,
        digest: str,
        document: bytes,
        number: int | None = None,
        *,
        on_trial: bool = False,
        swap: Swap = "turn",
    ) -> RevisionRow:
        await super().put(tenant_id, tenant, "f" * 64, b"theirs")
        return await super().put(tenant_id, tenant, digest, document, number, on_trial=on_trial, swap=swap)


async def test_a_lost_race_discards_what_was_loaded(tmp_path: Path, stages: Stages) -> None:
    house = House(tmp_path, stages, Overtaken(SystemClock()))
    house.write("acme", ACME)
    document = parse_document((tmp_path / "acme.yaml").read_bytes(), "acme.yaml", stages)
    with pytest.raises(RaceLostError):
        await publish(document, house.revisions, house.pipelines, house.directory)
    assert house.pipelines.asked == ["load acme 1", "discard acme 1"]
    assert house.directory.tenants() == []
    newest = await house.revisions.current(ACME)
    assert newest is not None
    assert (newest.number, newest.document) == (1, b"theirs"), "what lost is not stored"
