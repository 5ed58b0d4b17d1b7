"""Tenants whose files are gone: processes that have no files learn it."""

from pathlib import Path

from base.clock import SystemClock
from pipelines.events import Event
from tenants.removals import Removals
from tenants.revisions import MemoryRevisions
from tests.pipelines.virtual import eventually
from tests.tenants.folders import ACME, BETA, House, Stages


async def alone() -> bool:
    return True


async def test_those_that_go_and_those_that_went_while_nobody_looked(tmp_path: Path, stages: Stages) -> None:
    events: list[Event] = []
    revisions = MemoryRevisions(SystemClock(), events.append)
    house = House(tmp_path, stages, revisions)
    house.write("acme", ACME)
    house.write("beta", BETA, number="2000")
    await house.publish()
    (tmp_path / "acme.yaml").unlink()
    house.start_anew()
    removals = Removals(revisions, alone)
    tenants = house.tenants(gone=removals.gone, tell=events.append)
    await tenants.open()

    def gone() -> set[object]:
        return {change.tenant_id for change in revisions._changes.values() if change.removed}

    async with removals.told(tenants):
        await eventually(lambda: gone() == {ACME})
        (tmp_path / "beta.yaml").unlink()
        await tenants.look_again()
        await eventually(lambda: gone() == {ACME, BETA})
        house.write("acme", ACME)
        await tenants.look_again()
        await eventually(lambda: gone() == {BETA})
    await tenants.close()
    told = [(one.tenant_id, one.subject) for one in events if one.kind == "tenant.removed"]
    assert told == [(ACME, "acme"), (BETA, "beta")], "each once, by the file or by the store"


async def test_where_nobody_else_learns_it_it_is_told_all_the_same(tmp_path: Path, stages: Stages) -> None:
    events: list[Event] = []
    house = House(tmp_path, stages)
    house.write("acme", ACME)
    tenants = house.tenants(tell=events.append)
    await tenants.open()
    (tmp_path / "acme.yaml").unlink()
    await tenants.look_again()
    await tenants.close()
    assert [(one.tenant_id, one.kind, one.subject) for one in events] == [(ACME, "tenant.removed", "acme")]


async def test_tenants_of_other_nodes_have_no_file_here_and_are_not_gone(tmp_path: Path, stages: Stages) -> None:
    revisions = MemoryRevisions(SystemClock())
    house = House(tmp_path, stages, revisions)
    house.write("acme", ACME)
    await house.publish()
    (tmp_path / "acme.yaml").unlink()
    house.write("beta", BETA, number="2000")
    house.start_anew()
    asked: list[str] = []

    async def not_alone() -> bool:
        asked.append("alone?")
        return False

    removals = Removals(revisions, not_alone)
    tenants = house.tenants(gone=removals.gone)
    await tenants.open()
    async with removals.told(tenants):
        await eventually(lambda: bool(asked))
        (tmp_path / "beta.yaml").unlink()
        await tenants.look_again()
        await eventually(lambda: revisions._changes[BETA].removed)
    assert not revisions._changes[ACME].removed
    await tenants.close()
