"""A folder of tenants: a bad one alone fails, what is saved answers, nothing is stopped to find out."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from base.ids import TenantId
from pipelines.check import check
from pipelines.loading import StageNotReadyError
from pipelines.revision import PipelineRevision
from processors.factory import PrepareError
from tenants.directory import TenantUnknownError
from tenants.folder import TenantFolder
from tests.pipelines.virtual import eventually
from tests.tenants.folders import ACME, BETA, House, Stages

GAMMA = TenantId("33333333-3333-4333-8333-333333333333")


@pytest.fixture
def house(tmp_path: Path, stages: Stages) -> House:
    return House(tmp_path, stages)


async def test_good_documents_answer(house: House) -> None:
    house.write("acme", ACME)
    house.write("beta", BETA, "2000")
    statuses = await house.publish()
    assert [(status.slug, status.revision, status.problem) for status in statuses] == [("acme", 1, ""), ("beta", 1, "")]
    assert sorted(house.pipelines.asked) == ["activate acme 1", "activate beta 1", "load acme 1", "load beta 1"]
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


async def test_what_publishing_refuses_is_told_at_its_place(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.write("acme", ACME)
    tenants = house.tenants()
    await tenants.open()
    for field, line, other in (("domain", 3, "acme.example.net"), ("slug", 1, "acme"), ("id", 2, ACME)):
        house.write("beta", BETA)
        file = house.folder / "beta.yaml"
        lines = file.read_text().splitlines(keepends=True)
        lines[line - 1] = f"{field}: {other}\n"
        file.write_text("".join(lines))
        await tenants.refresh([file])
        assert f"beta.yaml:{line}:1: $.{field}: " in tenants.statuses[1].problem
    uses = ("vad.silero", "stt.whisper", "llm.grounded", "tts.kokoro")
    stage = "    pipeline:\n" + "".join(f"      - {{id: {use[:3]}, use: {use}}}\n" for use in uses)

    async def unready(revision: PipelineRevision) -> PipelineRevision:
        assistant, *_ = check(revision.assistants, house.stages)
        raise StageNotReadyError(assistant, assistant.stages[-1], "no voice")

    monkeypatch.setattr(house.pipelines, "load", unready)
    house.write("beta", BETA)
    file.write_text(file.read_text() + stage)
    await tenants.refresh([file])
    assert "beta.yaml:12:9: $.assistants[0].pipeline[3]: " in tenants.statuses[1].problem
    assert "no voice" in tenants.statuses[1].problem
    await tenants.close()


async def test_a_disabled_tenant_is_stored_but_not_loaded(house: House) -> None:
    house.write("acme", ACME, more="enabled: false\n")
    (status,) = await house.publish()
    assert (status.revision, status.enabled, status.problem) == (1, False, "")
    assert house.pipelines.asked == []
    with pytest.raises(TenantUnknownError):
        house.directory.find(ACME, "1000")


async def test_an_unreadable_file_and_an_empty_folder_are_told(house: House) -> None:
    assert await house.publish() == ()
    (house.folder / "odd.yaml").mkdir()
    (status,) = await house.publish()
    assert (status.slug, "directory" in status.problem) == ("odd", True)


async def test_a_file_that_is_saved_answers_and_one_that_cannot_be_used_leaves_the_old_answering(house: House) -> None:
    house.write("acme", ACME)
    tenants = house.tenants()
    await tenants.open()
    house.write("acme", ACME, "1001")
    await tenants.refresh([house.folder / "acme.yaml"])
    assert house.directory.find(ACME, "1001").tenant.revision == 2
    house.write("acme", ACME, "1002", more="langage: pt\n")
    await tenants.refresh([house.folder / "acme.yaml"])
    (status,) = tenants.statuses
    assert "acme.yaml:5:1: $.langage" in status.problem
    assert (status.revision, house.directory.find(ACME, "1001").tenant.revision) == (2, 2)
    house.write("acme", ACME, "1003")
    await tenants.refresh([house.folder / "acme.yaml"])
    assert [(status.revision, status.problem) for status in tenants.statuses] == [(3, "")]
    house.pipelines.broken = {"acme"}
    house.write("acme", ACME, "1004")
    await tenants.refresh([house.folder / "acme.yaml"])
    (status,) = tenants.statuses
    assert "atende models pull" in status.problem
    assert (status.revision, house.directory.find(ACME, "1003").tenant.revision) == (3, 3)


async def test_a_file_that_is_what_it_was_is_nothing_new(house: House) -> None:
    house.write("acme", ACME)
    house.write("beta", BETA)
    tenants = house.tenants(eager=1)
    await tenants.open()
    await tenants.refresh([house.folder / "acme.yaml", house.folder / "beta.yaml"])
    await tenants.warm(BETA)
    assert house.pipelines.asked == ["load acme 1", "activate acme 1", "load beta 1", "activate beta 1"]
    await tenants.close()


async def test_a_new_file_is_a_new_tenant_and_one_that_is_gone_takes_it_along(house: House) -> None:
    house.write("acme", ACME)
    tenants = house.tenants()
    await tenants.open()
    house.write("beta", BETA)
    await tenants.refresh([house.folder / "beta.yaml"])
    assert {entry.slug for entry in house.directory.tenants()} == {"acme", "beta"}
    (house.folder / "acme.yaml").unlink()
    await tenants.refresh([house.folder / "acme.yaml"])
    assert house.pipelines.asked[-1] == "remove acme"
    assert [entry.slug for entry in house.directory.tenants()] == ["beta"]
    assert [status.slug for status in tenants.statuses] == ["beta"]
    await tenants.refresh([house.folder / "acme.yaml"])
    assert house.pipelines.asked.count("remove acme") == 1


async def test_a_file_may_be_given_another_name(house: House) -> None:
    house.write("acme", ACME)
    tenants = house.tenants()
    await tenants.open()
    (house.folder / "acme.yaml").rename(house.folder / "new-name.yaml")
    await tenants.refresh([house.folder / "acme.yaml", house.folder / "new-name.yaml"])
    assert house.directory.find(ACME, "1000").tenant.revision == 1
    assert [Path(status.file).name for status in tenants.statuses] == ["new-name.yaml"]
    assert "remove acme" not in house.pipelines.asked, "no call is cut off by it"


async def test_a_document_may_end_in_yml_and_of_two_of_one_name_the_other_one_counts(house: House) -> None:
    house.write("acme", ACME)
    both, short = house.folder / "acme.yaml", house.folder / "acme.yml"
    both.rename(short)
    tenants = house.tenants()
    await tenants.open()
    assert house.directory.find(ACME, "1000").tenant.revision == 1
    await tenants.close()
    house.write("acme", ACME, "1001")
    house.start_anew()
    tenants = house.tenants()
    await tenants.open()
    assert house.directory.find(ACME, "1001").tenant.revision == 2
    told = [(Path(status.file).name, "acme.yaml is there, too" in status.problem) for status in tenants.statuses]
    assert told == [("acme.yaml", False), ("acme.yml", True)]
    both.unlink()
    await tenants.refresh([both])
    assert [(Path(status.file).name, status.problem) for status in tenants.statuses] == [("acme.yml", "")]
    assert house.directory.find(ACME, "1000").tenant.revision == 3
    await tenants.close()


async def test_a_file_may_become_another_tenants_once_that_one_answers(house: House) -> None:
    house.write("acme", ACME)
    tenants = house.tenants()
    await tenants.open()
    file = house.folder / "acme.yaml"
    file.write_text(file.read_text().replace(ACME, BETA))
    await tenants.refresh([file])
    assert "the slug acme belongs to" in tenants.statuses[0].problem
    assert [entry.tenant_id for entry in house.directory.tenants()] == [ACME], "what answers is not stopped for it"
    file.write_text(file.read_text().replace("acme", "beta"))
    await tenants.refresh([file])
    assert [entry.tenant_id for entry in house.directory.tenants()] == [BETA]
    assert house.pipelines.asked[-1] == "remove acme"
    assert [(status.slug, status.problem) for status in tenants.statuses] == [("beta", "")]


async def test_of_many_tenants_some_are_loaded_with_their_first_call(house: House) -> None:
    house.write("acme", ACME)
    house.write("beta", BETA)
    house.write("gamma", GAMMA)
    house.pipelines.broken = {"gamma"}
    tenants = house.tenants(eager=1)
    await tenants.open()
    assert house.pipelines.asked == ["load acme 1", "activate acme 1"]
    assert house.directory.find(BETA, "1000").assistant == "ana", "its calls are let in"
    assert [status.waiting for status in tenants.statuses] == [False, True, True]
    await asyncio.gather(tenants.warm(BETA), tenants.warm(BETA), tenants.warm(ACME))
    assert house.pipelines.asked.count("load beta 1") == 1
    with pytest.raises(PrepareError, match="models pull"):
        await tenants.warm(GAMMA)
    assert [status.waiting for status in tenants.statuses] == [False, False, False]
    assert "models pull" in tenants.statuses[2].problem
    await tenants.close()


async def test_a_caller_does_not_wait_for_ever_for_a_tenant_that_is_being_loaded(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tenants.folder.WARM_TIMEOUT_S", 0.05)
    house.write("beta", BETA)
    house.pipelines.slow.clear()
    tenants = house.tenants(eager=0)
    await tenants.open()
    with pytest.raises(TimeoutError):
        await tenants.warm(BETA)
    house.pipelines.slow.set()
    await tenants.warm(BETA)
    assert house.pipelines.asked == ["load beta 1", "activate beta 1"], "what was begun was not thrown away"
    await tenants.close()


async def test_tenants_that_nobody_rings_make_room_for_those_that_are_rung(house: House) -> None:
    for slug, tenant_id in (("acme", ACME), ("beta", BETA), ("gamma", GAMMA)):
        house.write(slug, tenant_id)
    tenants = house.tenants(eager=2, budget_mb=200.0)
    await tenants.open()
    assert len(house.pipelines.loaded) == 2
    await tenants.warm(GAMMA)
    assert len(house.pipelines.loaded) == 2
    (gone,) = [status for status in tenants.statuses if status.waiting]
    assert gone.slug in {"acme", "beta"}
    assert gone.tenant_id is not None
    assert house.directory.find(gone.tenant_id, "1000").assistant == "ana", "its calls are still let in"
    await tenants.warm(gone.tenant_id)
    assert gone.slug in house.pipelines.loaded.values()
    await tenants.close()


async def while_it_is_loaded(house: House, change: Callable[[], None]) -> TenantFolder[PipelineRevision]:
    """Beta's file is changed and read again while beta is being loaded for a call; both are done."""
    house.write("beta", BETA)
    house.pipelines.slow.clear()
    tenants = house.tenants(eager=0)
    await tenants.open()
    warming = asyncio.create_task(tenants.warm(BETA))
    await eventually(lambda: "load beta 1" in house.pipelines.asked)
    change()
    reading = asyncio.create_task(tenants.refresh([house.folder / "beta.yaml"]))
    await asyncio.wait({reading}, timeout=0.05)
    house.pipelines.slow.set()
    await asyncio.gather(warming, reading)
    return tenants


async def test_a_tenant_that_is_removed_while_it_is_loaded_stays_removed(house: House) -> None:
    tenants = await while_it_is_loaded(house, (house.folder / "beta.yaml").unlink)
    assert house.directory.tenants() == []
    assert house.pipelines.loaded == {}
    await tenants.close()


async def test_a_file_that_is_saved_while_its_tenant_is_loaded_wins(house: House) -> None:
    tenants = await while_it_is_loaded(house, lambda: house.write("beta", BETA, "2002"))
    assert house.directory.find(BETA, "2002").tenant.revision == 2
    (status,) = tenants.statuses
    assert (status.revision, status.problem) == (2, "")
    await tenants.close()


async def test_a_mistake_that_is_saved_stays_told_when_the_former_text_is_loaded(house: House) -> None:
    house.write("beta", BETA)
    tenants = house.tenants(eager=0)
    house.pipelines.slow.clear()
    await tenants.open()
    house.write("beta", BETA, more="langage: pt\n")
    await tenants.refresh([house.folder / "beta.yaml"])
    house.pipelines.slow.set()
    await tenants.warm(BETA)
    (status,) = tenants.statuses
    assert (status.revision, status.waiting) == (1, False)
    assert "$.langage" in status.problem
    await tenants.close()


async def test_looking_again_finds_what_is_gone(house: House) -> None:
    house.write("acme", ACME)
    house.write("beta", BETA)
    tenants = house.tenants()
    await tenants.open()
    (house.folder / "acme.yaml").unlink()
    await tenants.look_again()
    assert [entry.slug for entry in house.directory.tenants()] == ["beta"]


async def test_files_that_are_new_are_known_until_they_are_loaded_and_nothing_of_them_stays_when_that_breaks(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenants = house.tenants()
    await tenants.open()
    house.pipelines.slow.clear()
    house.write("acme", ACME)
    house.write("beta", BETA)
    files = [house.folder / "acme.yaml", house.folder / "beta.yaml"]
    saving = asyncio.create_task(tenants.refresh(files))
    await eventually(lambda: bool(house.pipelines.asked))
    known = [(one.slug, one.tenant_id, one.unanswered) for one in tenants.statuses]
    assert known == [("acme", ACME, "loading"), ("beta", None, "loading")], "the second is not read yet"

    async def away(*_: object, **__: object) -> None:
        raise ConnectionResetError

    monkeypatch.setattr(house.revisions, "put", away)
    house.pipelines.slow.set()
    with pytest.raises(ConnectionResetError):
        await saving
    assert tenants.statuses == ()
    monkeypatch.undo()
    await tenants.refresh(files)
    assert [(one.slug, one.loading, one.problem) for one in tenants.statuses] == [
        ("acme", False, ""),
        ("beta", False, ""),
    ]
    assert not tenants.unsettled()
    await tenants.close()
