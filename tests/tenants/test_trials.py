"""A document is tried on some callers by what its file says, and promoted or rolled back by saving it again."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from base.clock import SystemClock
from base.ids import AssistantName
from pipelines.loaded import LoadedRevision
from pipelines.outcomes import Outcome
from pipelines.supervisor import PipelineSupervisor
from tenants.directory import Directory, NumberUnknownError
from tenants.document import parse_document
from tenants.errors import DocumentError
from tenants.folder import TenantFolder
from tenants.revisions import MemoryRevisions
from tests.pipelines.harness import workshop
from tests.tenants.folders import ACME

ANA = AssistantName("ana")
PIPELINE = ", ".join(f"{{id: {kind}, use: {kind}.mock}}" for kind in ("vad", "stt", "llm", "tts"))
BADLY = Outcome(failed=True, early_hangup=False, turns=1, fallback_turns=1, latencies_ms=())
TRIAL = "canary: {share: 40, min_calls: 2}\n"


def text(greeting: str, more: str = "", number: str = "1000") -> str:
    return (
        f"slug: acme\nid: {ACME}\ndomain: acme.example.net\nname: Acme\nlanguage: en\n{more}"
        f"assistants:\n  - name: ana\n    numbers: [{number}]\n    texts: {{greeting: {greeting}}}\n"
        f"    pipeline: [{PIPELINE}]\n"
    )


@dataclass
class Service:
    """A process that keeps the tenants of a folder."""

    folder: Path
    revisions: MemoryRevisions
    supervisor: PipelineSupervisor = field(default_factory=lambda: PipelineSupervisor(workshop(SystemClock())))
    directory: Directory = field(default_factory=Directory)
    eager: int = 100
    budget_mb: float | None = None
    tenants: TenantFolder[LoadedRevision] = field(init=False)

    def __post_init__(self) -> None:
        self.tenants = TenantFolder(
            self.folder,
            self.revisions,
            self.supervisor,
            self.directory,
            eager=self.eager,
            budget_mb=self.budget_mb,
        )

    async def save(self, written: str) -> None:
        (self.folder / "acme.yaml").write_text(written)
        await self.tenants.refresh([self.folder / "acme.yaml"])
        assert [status.problem for status in self.tenants.statuses] == [""]

    async def greetings(self, callers: int = 400) -> dict[str, set[int]]:
        """Which callers are greeted how."""
        greeted: dict[str, set[int]] = {}
        for caller in range(callers):
            async with self.supervisor.lease(ACME, ANA, caller=f"+5511{caller:09}") as lease:
                greeted.setdefault(lease.pipeline.persona.texts["greeting"], set()).add(caller)
        return greeted

    def states(self) -> list[tuple[str, int]]:
        return [(one.state, one.revision) for one in self.supervisor.status() if one.state != "retiring"]


@asynccontextmanager
async def service(folder: Path, revisions: MemoryRevisions, **options: Any) -> AsyncIterator[Service]:
    home = Service(folder, revisions, **options)
    await home.tenants.open()
    try:
        yield home
    finally:
        await home.tenants.close()
        await home.supervisor.close()


@pytest.fixture
def revisions() -> MemoryRevisions:
    return MemoryRevisions(SystemClock())


async def test_with_a_canary_some_callers_get_it_and_without_all_do(tmp_path: Path, revisions: MemoryRevisions) -> None:
    async with service(tmp_path, revisions) as home:
        await home.save(text("Old"))
        await home.save(text("New", TRIAL, number="2000"))
        first = await home.greetings()
        assert 120 < len(first["New"]) < 200
        assert home.states() == [("active", 1), ("on trial", 2)]
        assert home.directory.find(ACME, "1000").tenant.revision == 1
        with pytest.raises(NumberUnknownError):
            home.directory.find(ACME, "2000")
        await home.save(text("New", "canary: {share: 70}\n", number="2000"))
        more = await home.greetings()
        assert first["New"] < more["New"], "a larger share takes nobody back"
        await home.save(text("New", number="2000"))
        assert list(await home.greetings()) == ["New"]
        assert home.states() == [("active", 4)]
        assert home.directory.find(ACME, "2000").tenant.revision == 4


async def test_the_former_text_put_back_ends_it_and_a_live_call_goes_back(
    tmp_path: Path, revisions: MemoryRevisions
) -> None:
    async with service(tmp_path, revisions) as home:
        await home.save(text("Old"))
        await home.save(text("New", "canary: {share: 100}\n"))
        async with home.supervisor.lease(ACME, ANA) as live:
            await home.save(text("Old"))
            offered = live.take()
            assert offered is not None
            assert offered.persona.texts["greeting"] == "Old"
        assert list(await home.greetings()) == ["Old"]
        assert home.states() == [("active", 3)]


async def test_a_trial_that_fails_ends_by_itself_and_the_file_is_not_tried_again(
    tmp_path: Path, revisions: MemoryRevisions
) -> None:
    async with service(tmp_path, revisions) as home:
        await home.save(text("Old"))
        await home.save(text("New", "canary: {share: 100, min_calls: 2}\n"))
        for _ in range(2):
            async with home.supervisor.lease(ACME, ANA) as lease:
                home.supervisor.count(lease, BADLY)
        assert "2 of 2 calls failed" in home.supervisor.rolled_back[ACME].reason
        await home.tenants.look_again()
        assert list(await home.greetings()) == ["Old"]
        await home.save(text("Newer", TRIAL))
        assert {"Old", "Newer"} == set(await home.greetings())


async def test_a_process_that_starts_in_the_middle_of_it_has_both(tmp_path: Path, revisions: MemoryRevisions) -> None:
    async with service(tmp_path, revisions) as home:
        await home.save(text("Old"))
        await home.save(text("First try", TRIAL))
        await home.save(text("New", TRIAL, number="2000"))
    async with service(tmp_path, revisions) as home:
        answered = {greeting: len(callers) for greeting, callers in (await home.greetings()).items()}
        assert answered == {"Old": 400 - answered["New"], "New": answered["New"]}
        assert 120 < answered["New"] < 200
        assert home.states() == [("active", 1), ("on trial", 3)]
        assert home.directory.find(ACME, "1000").tenant.revision == 1
        assert [status.problem for status in home.tenants.statuses] == [""]


@pytest.mark.parametrize("before", ["nothing", "disabled"])
async def test_where_nothing_stood_before_it_answers_alone(
    tmp_path: Path, revisions: MemoryRevisions, before: str
) -> None:
    async with service(tmp_path, revisions) as home:
        if before == "disabled":
            await home.save(text("Old"))
            await home.save(text("Old", "enabled: false\n"))
        await home.save(text("New", TRIAL))
        assert list(await home.greetings()) == ["New"]
        assert [state for state, _ in home.states()] == ["active"]


def problems(more: str, **options: Any) -> list[str]:
    try:
        parse_document(text("Hello", more).encode(), "acme.yaml", **options)
    except DocumentError as error:
        return [f"{problem.path}: {problem.message} {problem.hint}" for problem in error.problems]
    return []


def test_a_share_is_of_an_assistant_that_there_is() -> None:
    assert problems("canary: {shares: {ana: 0}}\n") == []
    assert problems("canary:\n") == []
    (unknown,) = problems("canary: {shares: {anna: 5}}\n")
    assert unknown == "$.canary.shares.anna: there is no assistant 'anna' did you mean 'ana'?"
    (none,) = problems("canary: {share: 0}\n")
    assert none.startswith("$.canary.share: expected a number from 0.01 to 100")
    (by_itself,) = problems("canary: {promote_after_calls: 5}\n")
    assert by_itself.startswith("$.canary.promote_after_calls: there is no such field")
