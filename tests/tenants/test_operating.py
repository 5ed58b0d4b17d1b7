"""What operators do with revisions and trials: whatever changes a text is a PUT, and the file says so."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from base.clock import SystemClock
from pipelines.loaded import LoadedRevision
from pipelines.supervisor import NoCanaryError
from tenants.canary_text import CanaryTextError
from tenants.directory import NumberUnknownError, TenantUnknownError
from tenants.operating import Publishing
from tenants.put_errors import NotReadyError, RevisionUnknownError, StaleError
from tenants.revisions import MemoryRevisions
from tests.pipelines.virtual import eventually
from tests.tenants.desks import Desk
from tests.tenants.folders import ACME, Stages
from tests.tenants.test_trials import ANA, BADLY, Service, service, text

TRIAL = "# On some first.\ncanary:\n  share: 40\n  min_calls: 2\n# Who answers.\n"
ENDED = TRIAL.replace("canary:\n  share: 40\n  min_calls: 2\n", "")


class Home:
    """A process with real pipelines, and an operator."""

    def __init__(self, home: Service) -> None:
        self.home = home
        self.file = home.folder / "acme.yaml"
        self.publishing: Publishing[LoadedRevision] = Publishing(
            home.tenants, home.revisions, home.supervisor, home.directory
        )

    async def put(self, written: str) -> int:
        current = await self.publishing.current(ACME)
        expected = None if current is None else current.digest
        published = await self.publishing.put(ACME, written.encode(), expected=expected, create=expected is None)
        return published.number

    async def consistent(self, written: str, number: int) -> None:
        """Folder, file, directory, revisions and pipelines say one thing, now and in the next look of the watch."""
        for _ in range(2):
            newest = await self.home.revisions.current(ACME)
            assert newest is not None
            assert (newest.number, newest.document, self.file.read_bytes()) == (number, *[written.encode()] * 2)
            assert self.home.states() == [("active", number)]
            assert self.home.directory.tenant(ACME).revision == number
            (status,) = self.home.tenants.statuses
            assert (status.revision, status.problem) == (number, "")
            await self.home.tenants.look_again()


@asynccontextmanager
async def home(folder: Path, revisions: MemoryRevisions, **options: Any) -> AsyncIterator[Home]:
    async with service(folder, revisions, **options) as running:
        yield Home(running)


@pytest.fixture
def revisions() -> MemoryRevisions:
    return MemoryRevisions(SystemClock())


async def test_what_is_on_trial_is_promoted_with_its_comments(tmp_path: Path, revisions: MemoryRevisions) -> None:
    async with home(tmp_path, revisions) as at:
        await at.put(text("Old"))
        assert await at.put(text("New", TRIAL, number="2000")) == 2
        assert at.home.states() == [("active", 1), ("on trial", 2)]
        with pytest.raises(NumberUnknownError):
            at.home.directory.find(ACME, "2000")
        with pytest.raises(StaleError):
            await at.publishing.promote(ACME, expected="0" * 64)
        published = await at.publishing.promote(ACME)
        assert (published.number, published.changed) == (3, True)
        await at.consistent(text("New", ENDED, number="2000"), 3)
        assert list(await at.home.greetings()) == ["New"]
        assert at.home.directory.find(ACME, "2000").assistant == ANA
    async with home(tmp_path, revisions) as at:
        await at.consistent(text("New", ENDED, number="2000"), 3)


async def test_a_trial_is_aborted_and_its_live_calls_go_back(tmp_path: Path, revisions: MemoryRevisions) -> None:
    async with home(tmp_path, revisions) as at:
        await at.put(text("Old"))
        await at.put(text("First try", TRIAL))
        await at.put(text("New", "canary: {share: 100}\n", number="2000"))
        async with at.home.supervisor.lease(ACME, ANA) as live:
            assert live.pipeline.persona.texts["greeting"] == "New"
            assert (await at.publishing.abort(ACME)).number == 4
            offered = live.take()
            assert offered is not None
            assert offered.persona.texts["greeting"] == "Old"
        await eventually(lambda: at.home.states() == [("active", 4)])
        await at.consistent(text("Old"), 4)
        assert list(await at.home.greetings()) == ["Old"]


async def test_a_trial_is_aborted_by_a_process_that_started_in_the_middle_of_it(
    tmp_path: Path, revisions: MemoryRevisions
) -> None:
    async with home(tmp_path, revisions) as at:
        await at.put(text("Old"))
        await at.put(text("New", TRIAL))
    async with home(tmp_path, revisions, eager=0, budget_mb=-1.0) as at:
        assert at.home.states() == []
        await at.publishing.abort(ACME)
        await at.consistent(text("Old"), 3)


async def test_a_trial_that_ended_by_itself_is_not_promoted_and_may_be_aborted(
    tmp_path: Path, revisions: MemoryRevisions
) -> None:
    async with home(tmp_path, revisions) as at:
        await at.put(text("Old"))
        await at.put(text("New", "canary: {share: 100, min_calls: 2}\n"))
        for _ in range(2):
            async with at.home.supervisor.lease(ACME, ANA) as lease:
                at.home.supervisor.count(lease, BADLY)
        with pytest.raises(NoCanaryError, match="ended by itself"):
            await at.publishing.promote(ACME)
        await at.publishing.abort(ACME)
        await at.consistent(text("Old"), 3)


async def test_where_nothing_is_on_trial_nothing_ends(tmp_path: Path, revisions: MemoryRevisions) -> None:
    async with home(tmp_path, revisions) as at:
        for end in (at.publishing.promote, at.publishing.abort):
            with pytest.raises(TenantUnknownError):
                await end(ACME)
        await at.put(text("Old"))
        for end in (at.publishing.promote, at.publishing.abort):
            with pytest.raises(NoCanaryError):
                await end(ACME)
        await at.put(text("Old", "enabled: false\n"))
        await at.put(text("New", TRIAL))
        with pytest.raises(NoCanaryError, match="answers alone"):
            await at.publishing.abort(ACME)
        assert at.home.states() == [("active", 3)]
        assert (await at.publishing.promote(ACME)).number == 4
        await at.consistent(text("New", ENDED), 4)


async def test_a_canary_in_a_line_with_other_things_is_left_to_its_author(
    tmp_path: Path, revisions: MemoryRevisions
) -> None:
    async with home(tmp_path, revisions) as at:
        await at.put(text("Old"))
        inline = text("New").replace("name: Acme\nlanguage: en\n", "name: Acme\nlanguage: en\ncanary: {share: 5\n}\n")
        await at.put(inline)
        assert (await at.publishing.promote(ACME)).number == 3
        lines = [line for line in text("Newer").splitlines() if not line.startswith(" ")][:-1]
        flow = "{" + ", ".join(lines) + ", canary: {share: 5}, assistants: [{name: ana, numbers: ['1000'],"
        flow += " pipeline: [" + ", ".join(f"{{id: {kind}, use: {kind}.mock}}" for kind in ("vad", "stt", "llm", "tts"))
        await at.put(flow + "]}]}\n")
        with pytest.raises(CanaryTextError, match="lines of its own"):
            await at.publishing.promote(ACME)
        assert [state for state, _ in at.home.states()] == ["active", "on trial"]


@pytest.fixture
async def desk(tmp_path: Path, stages: Stages, revisions: MemoryRevisions) -> AsyncIterator[Desk]:
    made = Desk(tmp_path, stages, revisions)
    yield made
    await made.tenants.close()


async def test_a_former_text_is_put_as_a_new_revision_and_passes_the_same_checks(desk: Desk) -> None:
    digest = await desk.begin()
    for number in ("1001", "1002"):
        digest = (await desk.put(desk.text(number), digest)).digest
    with pytest.raises(RevisionUnknownError) as unknown:
        await desk.publishing.roll_back_to(desk.tenant_id, 4, expected=digest)
    assert unknown.value.number == 4
    with pytest.raises(StaleError):
        await desk.publishing.roll_back_to(desk.tenant_id, 1, expected=None)
    desk.house.pipelines.broken = {desk.slug}
    with pytest.raises(NotReadyError):
        await desk.publishing.roll_back_to(desk.tenant_id, 1, expected=digest)
    desk.house.pipelines.broken = set()
    assert (await desk.publishing.roll_back_to(desk.tenant_id, 1, expected=digest, dry_run=True)).number == 4
    assert desk.rings("1002") == 3
    published = await desk.publishing.roll_back_to(desk.tenant_id, 1, expected=digest)
    assert (published.number, desk.rings("1000"), desk.file.read_bytes()) == (4, 4, desk.text())
    same = await desk.publishing.roll_back_to(desk.tenant_id, 4, expected=published.digest)
    assert (same.number, same.changed) == (4, False)
    assert await desk.numbers() == [4, 3, 2, 1]


async def test_revisions_are_listed_shown_and_compared(desk: Desk) -> None:
    digest = await desk.begin()
    for number in ("1001", "1002"):
        digest = (await desk.put(desk.text(number), digest)).digest
    told = await desk.publishing.revisions(desk.tenant_id, limit=2)
    assert [(one.number, one.size_bytes) for one in told] == [(3, len(desk.text())), (2, len(desk.text()))]
    assert [one.number for one in await desk.publishing.revisions(desk.tenant_id, before=2)] == [1]
    assert (await desk.publishing.revision(desk.tenant_id, 2)).document == desk.text("1001")
    told_diff = await desk.publishing.diff(desk.tenant_id, 1, 3)
    assert told_diff.startswith("--- revision 1\n+++ revision 3\n")
    assert "-    numbers: ['1000']\n+    numbers: ['1002']\n" in told_diff
    with pytest.raises(RevisionUnknownError):
        await desk.publishing.diff(desk.tenant_id, 1, 9)
    with pytest.raises(RevisionUnknownError):
        await desk.publishing.revision(ACME, 1)


async def test_live_calls_of_a_put_do_as_it_says_or_else_as_the_folder(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    swaps: list[str] = []
    activate = desk.house.pipelines.activate

    def noted(loaded: Any, *, swap: str = "drain") -> None:
        swaps.append(swap)
        activate(loaded, swap="turn")

    monkeypatch.setattr(desk.house.pipelines, "activate", noted)
    digest = await desk.begin()
    digest = (await desk.put(desk.text("1001"), digest, swap="drain")).digest
    await desk.put(desk.text("1002"), digest)
    assert swaps == ["turn", "drain", "turn"]
