"""What answers beside a document on trial where nothing is loaded yet, or not any more."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from base.clock import SystemClock
from base.ids import TenantId
from pipelines.ended_trials import EndedTrials
from pipelines.loaded import LoadedRevision
from pipelines.outcomes import OutcomeCounts
from pipelines.revision import PipelineRevision
from pipelines.status import RolledBack
from pipelines.supervisor import PipelineSupervisor
from processors.factory import PrepareError
from tenants import retries
from tenants.document import TenantDocument, parse_document
from tenants.reading import DocumentReader
from tenants.revisions import MemoryRevisions, TenantRow
from tenants.trials import MAX_LOADED
from tests.pipelines.harness import workshop
from tests.pipelines.virtual import eventually
from tests.tenants.folders import ACME, BETA
from tests.tenants.test_trials import ANA, BADLY, TRIAL, Service, service, text

NO_ROOM: dict[str, Any] = {"eager": 0, "budget_mb": -1.0}
"""Nobody is loaded before a call asks for it."""


@pytest.fixture
def revisions() -> MemoryRevisions:
    return MemoryRevisions(SystemClock())


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, "FIRST_S", 0.02)
    monkeypatch.setattr(retries, "MOST_S", 0.05)


async def stored(revisions: MemoryRevisions, *texts: str) -> None:
    for one in texts:
        # What could be read when it was stored, and cannot be now, has a digest, too.
        raw = one.encode()
        digest = "d" * 64 if "gone" in one else parse_document(raw, "x").digest
        await revisions.put(ACME, TenantRow(slug="acme", domain="acme.example.net", name="Acme"), digest, raw)


def written(folder: Path, one: str) -> None:
    (folder / "acme.yaml").write_text(one)


@dataclass
class Away:
    """What texts with these greetings need."""

    greetings: set[str]
    missed: int = 0


def unready(home: Service, monkeypatch: pytest.MonkeyPatch, *greetings: str) -> Away:
    """They cannot be made ready until it is back."""
    away = Away(set(greetings))
    load = home.supervisor.load

    async def tried(revision: PipelineRevision) -> LoadedRevision:
        if str(revision.assistants[0].texts.greeting) in away.greetings:
            away.missed += 1
            raise PrepareError("the provider is away")
        return await load(revision)

    monkeypatch.setattr(home.supervisor, "load", tried)
    return away


@pytest.mark.parametrize("before", ["One", ""])
async def test_a_tenant_that_waits_to_be_loaded_is_what_a_trial_is_beside(
    tmp_path: Path, revisions: MemoryRevisions, before: str
) -> None:
    """Its text was saved while the process was away, so that nobody has stored it yet."""
    if before:
        await stored(revisions, text(before))
    written(tmp_path, text("Two"))
    async with service(tmp_path, revisions, **NO_ROOM) as home:
        await home.save(text("Three", TRIAL, number="2000"))
        assert set(await home.greetings()) == {"Two", "Three"}
        assert [state for state, _ in home.states()] == ["active", "on trial"]
        assert home.directory.find(ACME, "1000").assistant == ANA
        assert not home.tenants.statuses[0].waiting


async def test_one_that_waits_and_cannot_be_loaded_is_told_and_tried_again(
    tmp_path: Path, revisions: MemoryRevisions, soon: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(tmp_path, text("Two"))
    async with service(tmp_path, revisions, **NO_ROOM) as home:
        away = unready(home, monkeypatch, "Two")
        written(tmp_path, text("Three", TRIAL))
        await home.tenants.refresh([tmp_path / "acme.yaml"])
        assert (
            "what it is tried beside is not loaded yet, and cannot be: the provider is away"
            in home.tenants.statuses[0].problem
        )
        assert not home.supervisor.answers(ACME), "nobody is tried upon by way of accident"
        away.greetings.clear()
        await eventually(lambda: home.tenants.statuses[0].problem == "")
        assert set(await home.greetings()) == {"Two", "Three"}


async def test_one_on_trial_beyond_the_first_is_loaded_with_its_first_call(
    tmp_path: Path, revisions: MemoryRevisions
) -> None:
    await stored(revisions, text("Old"))
    written(tmp_path, text("New", TRIAL, number="2000"))
    async with service(tmp_path, revisions, **NO_ROOM) as home:
        assert home.states() == []
        assert home.directory.find(ACME, "1000").tenant.revision == 1, "numbers are those of what stood before"
        assert home.tenants.statuses[0].waiting
        await home.tenants.warm(ACME)
        assert home.states() == [("active", 1), ("on trial", 2)]
        assert set(await home.greetings()) == {"Old", "New"}
        assert home.directory.find(ACME, "1000").tenant.revision == 1


GONE = text("Old").replace("tts.mock", "tts.gone")


async def test_what_cannot_be_read_any_more_is_passed_over(tmp_path: Path, revisions: MemoryRevisions) -> None:
    await stored(revisions, text("Older"), GONE)
    written(tmp_path, text("New", TRIAL))
    async with service(tmp_path, revisions) as home:
        (status,) = home.tenants.statuses
        assert "revision 2, which was before it, cannot be read any more" in status.problem
        assert "tts.gone" in status.problem
        assert set(await home.greetings()) == {"Older", "New"}
        assert status.retry is None


@pytest.mark.parametrize("options", [{}, NO_ROOM])
async def test_a_stage_that_breaks_while_a_stored_text_is_read_keeps_no_process_from_starting(
    tmp_path: Path, revisions: MemoryRevisions, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any]
) -> None:
    await stored(revisions, text("Older"), text("Old"))
    written(tmp_path, text("New", TRIAL))

    async def broken(self: DocumentReader, raw: bytes) -> TenantDocument:
        if b"greeting: Old}" in raw:
            raise RuntimeError("a mistake of a stage's")
        return await parse(self, raw)

    parse = DocumentReader.parse
    monkeypatch.setattr(DocumentReader, "parse", broken)
    async with service(tmp_path, revisions, **options) as home:
        await home.tenants.warm(ACME)
        assert set(await home.greetings()) == {"Older", "New"}
        assert "a mistake of a stage's" in home.tenants.statuses[0].problem


async def test_where_nothing_else_can_be_read_the_new_text_answers_alone(
    tmp_path: Path, revisions: MemoryRevisions
) -> None:
    await stored(revisions, GONE)
    written(tmp_path, text("New", TRIAL))
    async with service(tmp_path, revisions) as home:
        for _ in range(2):
            (status,) = home.tenants.statuses
            assert "tts.gone" in status.problem
            assert status.problem.endswith("so what is on trial answers alone")
            assert list(await home.greetings()) == ["New"]
            assert status.retry is None, "no time mends it"
            await home.tenants.look_again()
        await home.save(text("Newer", TRIAL))
        assert set(await home.greetings()) == {"New", "Newer"}
        await home.save(text("Newer"))
        assert list(await home.greetings()) == ["Newer"]


async def started(home: Service, monkeypatch: pytest.MonkeyPatch, *greetings: str) -> Away:
    """The folder was empty when it was opened: as if the process began now."""
    away = unready(home, monkeypatch, *greetings)
    written(home.folder, text("New", TRIAL))
    await home.tenants.look_again()
    return away


@pytest.mark.parametrize("older", [(), ("Older",)])
async def test_what_cannot_be_made_ready_for_the_moment_stands_once_it_can(
    tmp_path: Path, revisions: MemoryRevisions, soon: None, monkeypatch: pytest.MonkeyPatch, older: tuple[str, ...]
) -> None:
    await stored(revisions, *map(text, older), text("Old"))
    async with service(tmp_path, revisions) as home:
        away = await started(home, monkeypatch, "Old")
        assert "cannot answer: the provider is away" in home.tenants.statuses[0].problem
        assert home.tenants.statuses[0].revision == len(older) + 2
        assert set(await home.greetings()) == {"New", *older}, "its callers are answered meanwhile"
        await eventually(lambda: away.missed >= 3)
        assert "cannot answer: the provider is away" in home.tenants.statuses[0].problem
        assert set(await home.greetings()) == {"New", *older}
        away.greetings.clear()
        await eventually(lambda: home.tenants.statuses[0].problem == "")
        assert set(await home.greetings()) == {"Old", "New"}
        assert home.directory.find(ACME, "1000").tenant.revision == len(older) + 1
        assert home.states() == [("active", len(older) + 1), ("on trial", len(older) + 2)]
        await eventually(lambda: home.tenants.statuses[0].retry is None)


async def test_another_text_is_not_kept_waiting_by_what_is_not_ready(
    tmp_path: Path, revisions: MemoryRevisions, monkeypatch: pytest.MonkeyPatch
) -> None:
    await stored(revisions, text("Old"))
    async with service(tmp_path, revisions) as home:
        await started(home, monkeypatch, "Old")
        written(tmp_path, text("Newer", TRIAL))
        await home.tenants.look_again()
        assert set(await home.greetings()) == {"New", "Newer"}
        assert "revision 1, beside which it is to be tried, cannot answer" in home.tenants.statuses[0].problem
        await eventually(lambda: home.tenants.statuses[0].retry == "later")
        await home.save(text("Newer"))
        assert (list(await home.greetings()), home.tenants.statuses[0].retry) == (["Newer"], None)


async def test_only_so_many_are_tried_to_be_made_ready(
    tmp_path: Path, revisions: MemoryRevisions, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = [f"Old {n}" for n in range(6)]
    await stored(revisions, *map(text, away))
    async with service(tmp_path, revisions) as home:
        await started(home, monkeypatch, *away)
        assert home.tenants.statuses[0].problem.count("the provider is away") == MAX_LOADED
        assert list(await home.greetings()) == ["New"]


async def failed_on_trial(home: Service) -> None:
    await home.save(text("Old"))
    await home.save(text("New", "canary: {share: 100, min_calls: 1}\n"))
    async with home.supervisor.lease(ACME, ANA) as lease:
        home.supervisor.count(lease, BADLY)
    assert list(await home.greetings()) == ["Old"]


async def test_what_failed_on_trial_is_not_tried_again_when_its_tenant_is_loaded_again(
    tmp_path: Path, revisions: MemoryRevisions
) -> None:
    async with service(tmp_path, revisions, budget_mb=-1.0) as home:
        await failed_on_trial(home)
        other = tmp_path / "beta.yaml"
        other.write_text(text("Hello").replace("acme", "beta").replace(ACME, BETA))
        await home.tenants.refresh([other])
        assert not home.supervisor.answers(ACME), "it made room"
        await home.tenants.warm(ACME)
        assert list(await home.greetings()) == ["Old"]
        assert home.supervisor.rolled_back[ACME].revision == 2
        written(tmp_path, text("Old"))
        await home.tenants.look_again()
        written(tmp_path, text("New", TRIAL))
        await home.tenants.look_again()
        assert set(await home.greetings()) == {"Old", "New"}, "an operator wants it once more"


def with_kept(kept: EndedTrials) -> PipelineSupervisor:
    return PipelineSupervisor(workshop(SystemClock()), ended_trials=kept)


async def test_nor_is_it_by_the_next_process(tmp_path: Path, revisions: MemoryRevisions) -> None:
    file, folder = tmp_path / "ended-trials.json", tmp_path / "tenants"
    folder.mkdir()
    async with EndedTrials(file) as kept, service(folder, revisions, supervisor=with_kept(kept)) as home:
        await failed_on_trial(home)
    async with EndedTrials(file) as kept, service(folder, revisions, supervisor=with_kept(kept)) as home:
        assert list(await home.greetings()) == ["Old"]
        assert home.states() == [("active", 1)]
        assert "1 of 1 calls failed" in home.supervisor.rolled_back[ACME].reason
        await home.save(text("Newer", TRIAL))
        assert set(await home.greetings()) == {"Old", "Newer"}
        (folder / "acme.yaml").unlink()
        await home.tenants.look_again()
    async with EndedTrials(file) as kept:
        assert kept.found == {}


def ended(revision: int) -> RolledBack:
    return RolledBack(revision=revision, digest="a" * 64, reason="1 of 1 calls failed", outcomes=OutcomeCounts())


async def test_processes_beside_each_other_keep_theirs_together(tmp_path: Path) -> None:
    """A process that is relieved has its successor beside it, in another slot."""
    file, other = tmp_path / "ended-trials.json", TenantId("other")
    async with EndedTrials(file) as first:
        first.keep({ACME: ended(2)})
    async with EndedTrials(file) as former, EndedTrials(file) as fresh:
        assert fresh.found == {ACME: ended(2)}
        former.keep({ACME: ended(2), other: ended(5)})
        fresh.keep({ACME: ended(3)})
    async with EndedTrials(file) as next_one:
        assert next_one.found == {ACME: ended(3), other: ended(5)}
        next_one.keep({other: ended(5)})
    async with EndedTrials(file) as last:
        assert last.found == {other: ended(5)}, "its tenant was removed, which no file of another brings back"


async def test_another_text_with_the_same_number_has_not_failed(tmp_path: Path, revisions: MemoryRevisions) -> None:
    """The database is another one."""
    file, folder = tmp_path / "ended-trials.json", tmp_path / "tenants"
    folder.mkdir()
    async with EndedTrials(file) as kept, service(folder, revisions, supervisor=with_kept(kept)) as home:
        await failed_on_trial(home)
    empty = MemoryRevisions(SystemClock())
    await stored(empty, text("Old"))
    written(folder, text("Newer", TRIAL))
    async with EndedTrials(file) as kept, service(folder, empty, supervisor=with_kept(kept)) as home:
        assert set(await home.greetings()) == {"Old", "Newer"}


@pytest.mark.parametrize("content", ["", "nonsense", '{"x": 5}'])
async def test_what_cannot_be_read_or_kept_costs_no_call(
    tmp_path: Path, revisions: MemoryRevisions, content: str
) -> None:
    file, folder = tmp_path / "away" / "ended-trials.json", tmp_path / "tenants"
    folder.mkdir()
    file.parent.mkdir()
    file.write_text(content)
    with capture_logs() as lines:
        async with EndedTrials(file) as kept, service(folder, revisions, supervisor=with_kept(kept)) as home:
            shutil.rmtree(file.parent)
            await failed_on_trial(home)
    told = [line["event"] for line in lines if line.get("what") == "which trials have ended"]
    assert told == ["what was kept cannot be read", "what is to be kept is not written"]


async def test_a_tenant_that_is_removed_takes_along_what_failed(tmp_path: Path, revisions: MemoryRevisions) -> None:
    async with service(tmp_path, revisions) as home:
        await failed_on_trial(home)
        (tmp_path / "acme.yaml").unlink()
        await home.tenants.look_again()
        assert home.supervisor.rolled_back == {}
