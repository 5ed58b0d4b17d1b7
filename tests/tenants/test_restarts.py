"""A file that cannot be used when a process starts: what is stored of its tenant answers, and the mistake is told."""

from pathlib import Path

import pytest

from base.ids import TenantId
from tenants import retries
from tenants.directory import NumberUnknownError
from tenants.known_files import KnownFiles
from tests.pipelines.virtual import eventually
from tests.tenants.folders import ACME, BETA, House, Stages

OTHER = TenantId("33333333-3333-4333-8333-333333333333")
TRIAL = "canary: {share: 20}\n"


@pytest.fixture
def house(tmp_path: Path, stages: Stages) -> House:
    return House(tmp_path, stages)


def file_of(house: House, slug: str = "acme") -> Path:
    return house.folder / f"{slug}.yaml"


BROKEN = {
    "an unknown field": lambda text: text + "langage: pt\n",
    "broken YAML": lambda text: text + "a: {b: [\n",
    "an id that is none": lambda text: text.replace(f"id: {ACME}", "id: 11"),
    "no id": lambda text: text.replace(f"id: {ACME}\n", ""),
    "no slug": lambda text: text.replace("slug: acme\n", ""),
    "nothing": lambda text: "",
    "no text": lambda text: "\udcff".encode("utf-8", "surrogateescape").decode("latin-1"),
    "a quoted id": lambda text: text.replace(f"id: {ACME}", f"'id' : \"{ACME.upper()}\" ").replace("acme", "x") + "?:",
}


@pytest.mark.parametrize("eager", [100, 0])
@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
async def test_the_stored_revision_answers_and_the_mistake_is_told(house: House, broken: object, eager: int) -> None:
    assert callable(broken)
    house.write("acme", ACME)
    await house.publish()
    house.write("acme", ACME, "1001")
    await house.restarted()
    good = file_of(house).read_text()
    file_of(house).write_text(broken(good), encoding="latin-1")
    house.start_anew()
    tenants = house.tenants(eager=eager)
    await tenants.open()
    await tenants.warm(ACME)
    (status,) = tenants.statuses
    assert house.pipelines.asked == ["load acme 2", "activate acme 2"]
    assert house.directory.find(ACME, "1001").tenant.revision == 2
    assert (status.slug, status.tenant_id, status.revision) == ("acme", ACME, 2)
    assert status.problem != ""
    file_of(house).write_text(good.replace("1001", "1002"))
    await tenants.refresh([file_of(house)])
    assert [(status.revision, status.problem) for status in tenants.statuses] == [(3, "")]
    assert house.directory.find(ACME, "1002").tenant.revision == 3
    await tenants.close()


async def test_the_id_of_nobody_in_a_file_that_was_a_tenants_is_a_mistake_like_others(house: House) -> None:
    house.write("acme", ACME)
    await house.publish()
    good = file_of(house).read_text()
    file_of(house).write_text(good.replace(ACME, OTHER))
    (status,) = await house.restarted()
    assert "another tenant has the slug 'acme'" in status.problem
    assert (status.tenant_id, status.revision, house.directory.find(ACME, "1000").tenant.revision) == (ACME, 1, 1)
    house.write("gamma", OTHER)
    file_of(house).write_text(good)
    assert [(status.slug, status.problem) for status in await house.restarted()] == [("acme", ""), ("gamma", "")]


async def test_whose_a_file_was_is_kept_and_forgotten_with_it(tmp_path: Path) -> None:
    kept = tmp_path / "away" / "tenant-files.json"
    async with KnownFiles(kept) as known:
        known.note(Path("acme.yaml"), ACME)  # which cannot be written, and costs nothing
    kept.parent.mkdir()
    async with KnownFiles(kept) as known:
        assert known.tenant_of(Path("acme.yaml")) is None
        for name, tenant_id in (("acme.yaml", ACME), ("beta.yaml", BETA), ("c.yaml", OTHER)):
            known.note(Path(name), tenant_id)
        known.forget(Path("acme.yaml"), BETA)
        known.forget(Path("c.yaml"), OTHER)
    async with KnownFiles(kept) as known:
        assert known.tenant_of(Path("other/acme.yaml")) == ACME
        assert known.tenant_of(Path("c.yaml")) is None
        known.only([Path("beta.yaml")])
    async with KnownFiles(kept) as known:
        assert (known.tenant_of(Path("acme.yaml")), known.tenant_of(Path("beta.yaml"))) == (None, BETA)
    kept.write_text('["nonsense"]')
    async with KnownFiles(kept) as known:
        assert known.tenant_of(Path("beta.yaml")) is None


async def test_no_trial_stands_in(house: House) -> None:
    house.write("acme", ACME)
    await house.publish()
    house.write("acme", ACME, "1001", TRIAL)
    assert [status.revision for status in await house.restarted()] == [2]
    house.write("acme", ACME, "1002", TRIAL + "langage: pt\n")
    (status,) = await house.restarted()
    assert "$.langage" in status.problem
    assert (status.revision, house.directory.find(ACME, "1000").tenant.revision) == (1, 1)
    stored = await house.revisions.current(ACME)
    assert stored is not None
    assert stored.number == 2, "nothing is stored by it"


async def test_one_that_was_disabled_stays_off_the_air(house: House) -> None:
    house.write("acme", ACME)
    await house.publish()
    house.write("acme", ACME, more="enabled: false\n")
    await house.restarted()
    house.write("acme", ACME, more="langage: pt\n")
    (status,) = await house.restarted()
    assert (status.revision, house.pipelines.asked, house.directory.tenants()) == (None, [], [])


async def test_a_file_speaks_for_no_tenant_that_has_another_one(house: House) -> None:
    house.write("acme", ACME)
    house.write("beta", BETA, "2000")
    await house.publish()
    file_of(house, "copy").write_text(file_of(house).read_text() + "langage: pt\n")
    file_of(house, "beta").write_text(file_of(house).read_text() + "langage: pt\n")
    statuses = await house.restarted()
    assert [(status.slug, status.revision) for status in statuses] == [("acme", 1), ("beta", None), ("copy", None)]
    assert house.pipelines.asked == ["load acme 1", "activate acme 1"]


async def test_the_mistake_stays_told_while_it_waits_and_is_unloaded(house: House) -> None:
    for slug, tenant_id in (("acme", ACME), ("beta", BETA)):
        house.write(slug, tenant_id)
    await house.publish()
    house.write("acme", ACME, more="langage: pt\n")
    house.start_anew()
    tenants = house.tenants(eager=0, budget_mb=-1.0)
    await tenants.open()
    acme, _ = tenants.statuses
    assert acme.waiting
    assert "$.langage" in acme.problem
    house.write("acme", ACME, more="lingua: pt\n")
    await tenants.refresh([file_of(house)])
    for _ in range(2):
        await tenants.warm(ACME)
        assert "$.lingua" in tenants.statuses[0].problem
        await tenants.warm(BETA)
        assert tenants.statuses[0].waiting
    await tenants.close()


async def test_one_that_is_not_ready_is_tried_again(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, "FIRST_S", 0.02)
    house.write("acme", ACME)
    await house.publish()
    house.write("acme", ACME, more="langage: pt\n")
    house.pipelines.broken = {"acme"}
    house.start_anew()
    tenants = house.tenants()
    await tenants.open()
    assert "$.langage" in tenants.statuses[0].problem
    assert "voice x" in tenants.statuses[0].problem
    house.write("acme", ACME, more="lingua: pt\n")
    await tenants.refresh([file_of(house)])
    house.pipelines.broken.clear()
    await eventually(lambda: tenants.statuses[0].revision == 1)
    assert "$.lingua" in tenants.statuses[0].problem
    assert "voice x" not in tenants.statuses[0].problem
    assert "$.langage" not in tenants.statuses[0].problem
    await tenants.close()


async def test_what_cannot_be_made_ready_leaves_the_stored_one_answering(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retries, "FIRST_S", 0.02)
    house.write("acme", ACME)
    await house.publish()
    house.write("acme", ACME, "1001")
    house.start_anew()
    house.pipelines.unready = {2}
    tenants = house.tenants()
    await tenants.open()
    (status,) = tenants.statuses
    assert ("voice x" in status.problem, status.revision) == (True, 1)
    assert house.directory.find(ACME, "1000").tenant.revision == 1
    with pytest.raises(NumberUnknownError):
        house.directory.find(ACME, "1001")
    house.pipelines.unready.clear()
    await eventually(lambda: tenants.statuses[0].problem == "")
    assert house.directory.find(ACME, "1001").tenant.revision == 2
    await tenants.close()


async def test_what_is_stored_already_and_not_ready_has_nothing_to_stand_in_for_it(house: House) -> None:
    house.write("acme", ACME)
    await house.publish()
    house.write("acme", ACME, "1001")
    await house.restarted()
    house.pipelines.broken = {"acme"}
    (status,) = await house.restarted()
    assert house.pipelines.asked == ["load acme 2"], "nothing is tried twice, and nothing older answers in its place"
    assert (status.revision, status.problem.count("voice x")) == (None, 1)


async def test_a_file_that_becomes_another_tenants_is_that_tenants_after_a_restart(house: House) -> None:
    house.write("acme", ACME)
    tenants = house.tenants()
    await tenants.open()
    file = file_of(house)
    file.write_text(file.read_text().replace(ACME, BETA).replace("acme", "beta"))
    await tenants.refresh([file])
    await tenants.close()
    file.write_text("")
    (status,) = await house.restarted()
    assert (status.tenant_id, status.revision) == (BETA, 1)


async def test_a_rival_at_the_start_is_answered_by_what_it_said_before(house: House) -> None:
    house.write("acme", ACME)
    house.write("beta", BETA)
    await house.publish()
    file = file_of(house, "beta")
    file.write_text(file.read_text().replace("beta.example.net", "acme.example.net"))
    acme, beta = await house.restarted()
    assert (acme.problem, acme.revision, beta.revision) == ("", 1, 1)
    assert "the domain acme.example.net belongs to tenant" in beta.problem
    assert house.directory.tenant(BETA).domain == "beta.example.net"


async def test_a_file_that_is_gone_takes_along_what_stood_in(house: House) -> None:
    house.write("acme", ACME)
    await house.publish()
    house.write("acme", ACME, more="langage: pt\n")
    house.start_anew()
    tenants = house.tenants()
    await tenants.open()
    file_of(house).unlink()
    await tenants.refresh([file_of(house)])
    assert house.pipelines.asked[-1] == "remove acme"
    assert house.directory.tenants() == []
    assert tenants.statuses == ()
    await tenants.close()
