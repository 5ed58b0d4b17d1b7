"""Nothing is changed that is not in the audit log."""

import asyncio
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

import pytest
import structlog
from structlog.testing import capture_logs

from base.ids import TenantId
from tenants.audit import NOTHING, Actor, AuditEntry, Change, ChangeInvalidError, State
from tenants.audit_store import AuditUnavailableError, MemoryAuditLog
from tenants.auditing import audited
from tests.tenants.changes import NOON, OURS, SOMEONE

FORMER, LATTER = State(revision=3, digest="a" * 64), State(revision=4, digest="b" * 64)


class Ticking:
    """A minute goes by with each look."""

    def __init__(self) -> None:
        self.at = NOON

    def monotonic(self) -> float:
        raise AssertionError("an entry has the time of the wall clock")

    def now(self) -> datetime:
        self.at += timedelta(minutes=1)
        return self.at


class Failing(MemoryAuditLog):
    """The database goes when so many entries have been written."""

    def __init__(self, after: int) -> None:
        super().__init__()
        self._left = after

    async def append(self, tenant_id: TenantId | None, change: Change) -> AuditEntry:
        if self._left == 0:
            raise AuditUnavailableError("gone")
        self._left -= 1
        return await super().append(tenant_id, change)


@pytest.fixture(autouse=True)
def logs() -> Iterator[list[structlog.typing.EventDict]]:
    structlog.reset_defaults()
    with capture_logs() as told:
        yield told


async def entries(audit: MemoryAuditLog, tenant_id: TenantId | None = OURS) -> Sequence[AuditEntry]:
    return await audit.page(tenant_id, 0, 10)


@pytest.mark.parametrize("tenant_id", [OURS, None], ids=["tenant", "platform"])
async def test_a_change_is_written_down_before_it_is_made_and_when_it_was(tenant_id: TenantId | None) -> None:
    audit = MemoryAuditLog()
    await audit.append(tenant_id, Change(at=NOON, actor=SOMEONE, action="canary.abort", outcome="done"))
    async with audited(audit, Ticking(), tenant_id, SOMEONE, "document.rollback", "3", before=FORMER) as result:
        [_, begun] = await entries(audit, tenant_id)
        result.after = LATTER
    minutes = [NOON + timedelta(minutes=minute) for minute in (1, 2)]
    assert begun.change == Change(
        at=minutes[0], actor=SOMEONE, action="document.rollback", outcome="begun", object="3", before=FORMER
    )
    assert (await entries(audit, tenant_id))[2].change == Change(
        at=minutes[1],
        actor=SOMEONE,
        action="document.rollback",
        outcome="done",
        object="3",
        begun_as=2,
        before=FORMER,
        after=LATTER,
    )


async def test_what_cannot_be_written_down_is_not_begun() -> None:
    made = False
    with pytest.raises(AuditUnavailableError):
        async with audited(Failing(0), Ticking(), OURS, SOMEONE, "document.put"):
            made = True
    with pytest.raises(ChangeInvalidError):
        async with audited(MemoryAuditLog(), Ticking(), OURS, SOMEONE, "key.create", "a name"):
            made = True
    assert not made


async def test_what_fails_is_told_as_failed_and_goes_on_failing() -> None:
    audit = MemoryAuditLog()
    stale = ValueError("stale")

    async def put() -> None:
        async with audited(audit, Ticking(), OURS, SOMEONE, "document.put", before=FORMER) as result:
            result.after = LATTER
            raise stale

    with pytest.raises(ValueError) as caught:
        await put()
    assert caught.value is stale
    [_, failed] = await entries(audit)
    assert (failed.change.outcome, failed.change.begun_as, failed.change.after) == ("failed", 1, NOTHING)
    assert failed.change.before == FORMER


async def test_what_is_cancelled_has_no_end() -> None:
    audit = MemoryAuditLog()
    making = asyncio.Event()

    async def change() -> None:
        async with audited(audit, Ticking(), OURS, SOMEONE, "document.put"):
            making.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(change())
    await making.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [entry.change.outcome for entry in await entries(audit)] == ["begun"]


async def test_what_was_made_stays_made_when_its_end_cannot_be_written_down(
    logs: list[structlog.typing.EventDict],
) -> None:
    audit = Failing(1)
    async with audited(audit, Ticking(), OURS, SOMEONE, "document.put") as result:
        result.after = LATTER
    [begun] = await entries(audit)
    assert begun.change.outcome == "begun"
    error = logs[-1]
    assert (error["log_level"], error["tenant"], error["begun_as"]) == ("error", OURS, 1)
    with pytest.raises(ZeroDivisionError):
        async with audited(Failing(1), Ticking(), OURS, SOMEONE, "document.put"):
            1 / 0  # noqa: B018 (fails by itself)


async def test_each_entrys_digest_is_in_the_services_log_and_nobody_is(
    logs: list[structlog.typing.EventDict],
) -> None:
    audit = MemoryAuditLog()
    async with audited(audit, Ticking(), OURS, Actor(kind="command line", id="ana"), "secret.put", "openai_key"):
        pass
    told = [(line["event"], line["tenant"], line["number"], line["digest"]) for line in logs]
    assert told == [("change audited", OURS, entry.number, entry.digest) for entry in await entries(audit)]
    assert len(told) == 2
    assert "ana" not in str(logs)
    assert "openai_key" not in str(logs)
