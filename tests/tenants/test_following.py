"""Processes that share a database: what one has stored the others take up; nobody's file says otherwise."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import structlog
from msgspec.structs import replace

from base.clock import SystemClock
from base.ids import TenantId
from pipelines.events import Tell, told_to_nobody
from pipelines.revision import PipelineRevision
from tenants import following, retries
from tenants.directory import Directory, NumberUnknownError, TenantUnknownError
from tenants.event_store import MemoryEvents
from tenants.folder import TenantFolder
from tenants.following import Follower, told_once
from tenants.operating import Publishing
from tenants.put_errors import NotReadyError, StaleError
from tenants.revisions import MemoryRevisions, TenantChange, TenantRow
from tenants.statuses import TenantStatus
from tenants.stored_puts import StoredPuts
from tenants.taken_up import TakenUp
from tenants.texts import STORED, StoredTexts
from tests.pipelines.virtual import eventually
from tests.tenants.folders import ACME, BETA, Pipelines, Stages


class Process:
    """One process on the shared revisions, and an operator at it."""

    def __init__(
        self, revisions: MemoryRevisions, stages: Stages, told_by: Tell = told_to_nobody, **options: Any
    ) -> None:
        self.revisions = revisions
        self.pipelines = Pipelines()
        self.directory = Directory()
        self.texts = StoredTexts()
        self.tenants: TenantFolder[PipelineRevision] = TenantFolder(
            STORED, TakenUp(revisions), self.pipelines, self.directory, stages,
            texts=self.texts, swap=self.texts.swap, known=self.texts.known, clock=SystemClock(),
            tell=told_once(self.texts, told_by), gone=lambda _: None, **options,
        )  # fmt: skip
        self.follower = Follower(revisions, revisions, self.texts, period_s=0.01)
        puts = StoredPuts(self.tenants, revisions, revisions, self.pipelines, self.directory, self.texts)
        self.publishing = Publishing(self.tenants, revisions, self.pipelines, self.directory, puts=puts)

    async def put(self, raw: bytes, tenant_id: TenantId = ACME, **options: Any) -> int:
        current = await self.publishing.current(tenant_id)
        expected = None if current is None else current.digest
        options = {"expected": expected, "create": current is None} | options
        return (await self.publishing.put(tenant_id, raw, **options)).number

    def rings(self, number: str = "1000", tenant_id: TenantId = ACME) -> int:
        """The revision that answers; 0: none does."""
        try:
            return self.directory.find(tenant_id, number).tenant.revision
        except (NumberUnknownError, TenantUnknownError):
            return 0

    @property
    def status(self) -> TenantStatus:
        (status,) = self.tenants.statuses
        return status


@asynccontextmanager
async def process(revisions: MemoryRevisions, stages: Stages, **options: Any) -> AsyncIterator[Process]:
    one = Process(revisions, stages, **options)
    await one.follower.begin()
    await one.tenants.open()
    async with one.follower.following(one.tenants):
        yield one
    await one.tenants.close()


def text(number: str = "1000", more: str = "", *, tenant_id: TenantId = ACME, slug: str = "acme") -> bytes:
    return (
        f"slug: {slug}\nid: {tenant_id}\ndomain: {slug}.example.net\nname: X\n{more}"
        f"assistants:\n  - name: ana\n    numbers: ['{number}']\n"
    ).encode()


@asynccontextmanager
async def two(stages: Stages) -> AsyncIterator[tuple[Process, Process]]:
    revisions = MemoryRevisions(SystemClock())
    async with AsyncExitStack() as stack:
        one = await stack.enter_async_context(process(revisions, stages))
        yield one, await stack.enter_async_context(process(revisions, stages))


async def test_what_one_puts_answers_everywhere_and_is_loaded_once_in_each(stages: Stages) -> None:
    async with two(stages) as (one, other):
        assert await one.put(text()) == 1
        assert other.rings() == 0
        await same(other)
        assert other.rings() == 1
        assert await other.put(text("1001")) == 2, "and the other way"
        await same(one)
        assert (one.rings("1001"), one.rings("1000")) == (2, 0)
        assert [p.pipelines.asked[-1] for p in (one, other)] == ["activate acme 2"] * 2
        assert one.pipelines.asked == other.pipelines.asked, "nothing is loaded twice"


async def test_what_is_loaded_for_the_first_time_is_known_meanwhile_and_forgotten_when_that_is_given_up(
    stages: Stages,
) -> None:
    async with two(stages) as (one, other):
        other.pipelines.slow.clear()
        await one.put(text())
        await eventually(lambda: [status.loading for status in other.tenants.statuses] == [True])
        status = other.status
        assert (status.slug, status.tenant_id, status.unanswered, status.revision) == ("acme", ACME, "loading", None)
        assert list(other.tenants.unsettled()) == [status]
        await one.put(text(tenant_id=BETA, slug="beta", number="2000"), BETA)
        await eventually(lambda: len(other.tenants.unsettled()) == 2)
        current = await one.publishing.current(BETA)
        assert current is not None
        await one.publishing.remove(BETA, expected=current.digest)
        await eventually(lambda: list(other.tenants.unsettled()) == [status])
        other.pipelines.slow.set()
        await same(one, other)
        assert (other.rings(), other.status.loading, list(other.tenants.unsettled())) == (1, False, [])
        other.pipelines.slow.clear()
        await one.put(text("1001"))
        await eventually(lambda: len(other.pipelines.asked) > 2)
        assert not other.status.loading, "its former revision answers"
        other.pipelines.slow.set()
        await same(one, other)


async def test_what_cannot_be_loaded_the_first_time_is_told_with_its_name(stages: Stages) -> None:
    async with two(stages) as (one, other):
        other.pipelines.broken = {"acme"}
        await one.put(text())
        await eventually(lambda: bool(other.tenants.statuses) and bool(other.status.problems))
        assert (other.status.slug, other.status.tenant_id, other.status.unanswered) == ("acme", ACME, "failed")


async def test_a_process_that_starts_answers_with_what_is_stored(stages: Stages) -> None:
    revisions = MemoryRevisions(SystemClock())
    async with process(revisions, stages) as one:
        await one.put(text())
        await one.put(text(tenant_id=BETA, slug="beta", number="2000"), BETA)
        current = await one.publishing.current(BETA)
        assert current is not None
        await one.publishing.remove(BETA, expected=current.digest)
    async with process(revisions, stages) as late:
        assert (late.rings(), late.rings("2000", BETA)) == (1, 0)
        assert [status.slug for status in late.tenants.statuses] == ["acme"]


async def test_one_that_cannot_load_it_keeps_what_answered_says_so_and_tries_again(
    stages: Stages, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retries, "FIRST_S", 0.3)
    async with two(stages) as (one, other):
        await one.put(text())
        await same(one, other)
        other.pipelines.broken = {"acme"}
        await one.put(text("1001"))
        await same(one, other)
        assert (one.rings("1001"), other.rings("1000"), other.rings("1001")) == (2, 1, 0)
        await eventually(lambda: other.status.retry == "later")
        assert other.status.revision == 1
        assert "voice x is not installed" in other.status.problem
        other.pipelines.broken = set()
        await eventually(lambda: other.rings("1001") == 2)
        assert (other.status.problem, other.status.revision) == ("", 2)


async def test_what_no_process_can_use_is_told_once(stages: Stages) -> None:
    """Also of a text that cannot be read, which does not say whose it is."""
    events = MemoryEvents()
    revisions = MemoryRevisions(SystemClock(), events.add)
    row = TenantRow(slug="acme", domain="acme.example.net", name="X")
    async with AsyncExitStack() as stack:
        both = [await stack.enter_async_context(process(revisions, stages, told_by=events.add)) for _ in range(2)]
        await both[0].put(text())
        await same(*both)
        await revisions.put(ACME, row, "e" * 64, text(more="plugin: unheard of\n"))
        await revisions.put(BETA, replace(row, slug="beta"), "f" * 64, b"slug: [")
        await eventually(lambda: all([bool(s.problem) for s in one.tenants.statuses] == [True] * 2 for one in both))
        await both[0].tenants.forget(both[0].texts.file(ACME), ACME)
    found = [one.event for one in await events.all(0, 100) if one.event.kind != "document.published"]
    assert sorted((one.tenant_id or "", one.kind, one.subject) for one in found) == [
        (ACME, "document.failed", "acme"),
        (BETA, "document.failed", BETA),
    ]


async def test_a_process_that_starts_and_cannot_use_the_newest_answers_with_what_stood_before(stages: Stages) -> None:
    """A text with a plugin that this node lacks, say."""
    revisions = MemoryRevisions(SystemClock())
    async with process(revisions, stages) as one:
        await one.put(text())
        row = TenantRow(slug="acme", domain="acme.example.net", name="X")
        await revisions.put(ACME, row, "f" * 64, text(more="plugin: unheard of\n"))
        await same(one)
        assert (one.rings(), "plugin" in one.status.problem) == (1, True), "and who runs goes on"
    async with process(revisions, stages) as late:
        assert (late.rings(), "plugin" in late.status.problem) == (1, True)
        await late.put(text("1001"))
        assert (late.rings("1001"), late.status.problem) == (3, "")


async def test_a_tenant_that_is_removed_takes_no_call_anywhere_and_may_come_back(stages: Stages) -> None:
    async with two(stages) as (one, other):
        await one.put(text())
        await same(one, other)
        current = await one.publishing.current(ACME)
        assert current is not None
        await one.publishing.remove(ACME, expected=current.digest)
        assert (one.rings(), await one.publishing.current(ACME)) == (0, None)
        await same(one, other)
        assert (other.rings(), other.tenants.statuses, other.pipelines.loaded) == (0, (), {})
        assert await other.put(text()) == 1, "its revisions stayed"
        await same(one, other)
        assert one.rings() == 1


async def test_a_domain_that_changes_hands_is_taken_up_in_whatever_order_it_is_seen(
    stages: Stages, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The domain is one tenant's; who takes it over has to wait for the other's change."""
    monkeypatch.setattr(following, "FIRST_PAUSE_S", 0.05)

    async with two(stages) as (one, other):
        await one.put(text())
        await one.put(text(tenant_id=BETA, slug="beta"), BETA)
        await same(one, other)
        moved = text().replace(b"acme.example.net", b"gone.example.net")
        other.pipelines.slow.clear()
        await one.put(moved)
        await one.put(text(tenant_id=BETA, slug="beta").replace(b"beta.example.net", b"acme.example.net"), BETA)
        await eventually(lambda: bool(other.follower._busy))
        assert other.directory.tenant(BETA).domain == "beta.example.net"
        other.pipelines.slow.set()
        await eventually(lambda: other.directory.tenant(BETA).domain == "acme.example.net")
        assert [other.directory.tenant(who).domain for who in (ACME, BETA)] == [
            "gone.example.net",
            "acme.example.net",
        ]
        assert not any(status.problems for status in other.tenants.statuses)


async def test_who_has_not_seen_the_newest_text_replaces_nothing(stages: Stages) -> None:
    async with two(stages) as (one, other):
        await one.put(text())
        await same(one, other)
        current = await other.publishing.current(ACME)
        assert current is not None
        await one.put(text("1001"))
        with pytest.raises(StaleError):
            await other.put(text("1002"), expected=current.digest)
        await same(one, other)
        other.pipelines.broken = {"acme"}
        with pytest.raises(NotReadyError):
            await other.put(text("1003"))
        rows = [row.number for row in await one.publishing.revisions(ACME)]
        assert rows == [2, 1], "what cannot be loaded by who puts it is not stored"
        other.pipelines.broken = set()
        await same(one, other)
        assert other.rings("1001") == 2
        published = await other.publishing.put(ACME, text("1001"), expected=(await digest(other)))
        assert (published.number, published.changed) == (2, False)
        tried = await other.publishing.put(ACME, text("1005"), expected=(await digest(other)), dry_run=True)
        assert (tried.number, tried.changed, other.rings("1001")) == (3, True, 2)


async def same(*processes: Process) -> None:
    """Each has taken up what is stored, or waits until it can be."""

    def so() -> bool:
        stored = {change.tenant_id: change.changed_at for change in processes[0].revisions._changes.values()}
        return all(
            one.follower._seen == stored
            and (not one.follower._busy or any(status.problems for status in one.tenants.statuses))
            for one in processes
        )

    await eventually(so)


async def digest(one: Process) -> str:
    current = await one.publishing.current(ACME)
    assert current is not None
    return current.digest


async def test_a_trial_goes_on_everywhere_and_its_end_does(stages: Stages) -> None:
    async with two(stages) as (one, other):
        await one.put(text())
        await same(one, other)
        await one.put(text(more="canary: {share: 5}\n"))
        await same(one, other)
        for each in (one, other):
            assert each.pipelines.asked[-1] == "try acme 2 on 5"
        assert (await one.publishing.promote(ACME)).number == 3
        await same(one, other)
        for each in (one, other):
            assert (each.pipelines.asked[-1], each.rings()) == ("activate acme 3", 3)


async def test_a_trial_of_a_tenant_that_waits_to_be_loaded_stands_beside_what_is_stored(stages: Stages) -> None:
    revisions = MemoryRevisions(SystemClock())
    async with process(revisions, stages) as one:
        await one.put(text())
        async with process(revisions, stages, eager=0, budget_mb=-1.0) as late:
            assert late.status.waiting
            await one.put(text(more="canary: {share: 5}\n"))
            await same(one, late)
            assert late.pipelines.asked == ["load acme 1", "activate acme 1", "load acme 2", "try acme 2 on 5"]
            assert (late.status.problem, late.rings()) == ("", 1)


async def test_what_becomes_of_live_calls_is_what_the_operator_wished(stages: Stages) -> None:
    async with two(stages) as (one, other):
        swaps: list[str] = []
        one.pipelines.activate = lambda loaded, *, swap="": None  # type: ignore[method-assign]
        other.pipelines.activate = lambda loaded, *, swap="": swaps.append(swap)  # type: ignore[method-assign]
        await one.put(text())
        await same(one, other)
        await one.put(text("1001"), swap="drain")
        await same(one, other)
        assert swaps == ["turn", "drain"]


async def test_a_database_that_is_away_changes_nothing_and_is_followed_when_it_is_back(stages: Stages) -> None:
    class Away(MemoryRevisions):
        away = False

        async def changes(self, *since: Any) -> tuple[TenantChange, ...]:
            if self.away:
                raise ConnectionResetError
            return await super().changes(*since)

    revisions = Away(SystemClock())
    async with process(revisions, stages) as one, process(revisions, stages) as other:
        await one.put(text())
        await same(one, other)
        revisions.away = True
        await one.put(text("1001"))
        await eventually(lambda: other.follower._away)
        assert other.rings() == 1
        revisions.away = False
        await same(one, other)
        assert other.rings("1001") == 2


async def test_nothing_is_written_to_any_folder(stages: Stages, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    async with process(MemoryRevisions(SystemClock()), stages) as one:
        await one.put(text())
        await eventually(lambda: one.rings() == 1)
    assert not any(tmp_path.iterdir())  # noqa: ASYNC240


async def test_that_nothing_is_stored_yet_is_no_warning(stages: Stages) -> None:
    structlog.reset_defaults()
    with structlog.testing.capture_logs() as told:
        async with process(MemoryRevisions(SystemClock()), stages):
            pass
    assert [one["event"] for one in told] == ["no company is stored so far"]
    assert not [one for one in told if one["log_level"] == "warning"]
