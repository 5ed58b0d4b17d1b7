"""Verbs on live calls: for the tenant whose call it is, and for nobody else."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from base.ids import CallId, TenantId
from control.live_sessions import MAX_SAID_CHARS, LiveSessions, TooMuchToSayError
from pipelines.calls import Opened
from pipelines.conduct import MAX_WAITING
from tests.pipelines.harness import TENANT, Ringing, assistant, ringing
from tests.pipelines.virtual import virtual

OTHER = TenantId("0f0f0f0f-0000-4000-8000-000000000002")
CALL = CallId("c1")
VERBS: dict[str, Callable[[LiveSessions, TenantId, CallId], bool]] = {
    "say": lambda sessions, tenant_id, call_id: sessions.say(tenant_id, call_id, "Hold on"),
    "hang up": lambda sessions, tenant_id, call_id: sessions.hang_up(tenant_id, call_id),
    "transfer": lambda sessions, tenant_id, call_id: sessions.transfer(tenant_id, call_id, "600"),
}
verbs = pytest.mark.parametrize("verb", VERBS.values(), ids=VERBS)


@asynccontextmanager
async def live() -> AsyncIterator[tuple[Ringing, LiveSessions]]:
    """A call that has been greeted."""
    sessions = LiveSessions()
    async with ringing(assistant()) as call:
        await call.until(2.0)
        opened = call.events[0]
        assert isinstance(opened, Opened)
        with sessions.live(opened.call, call.session):
            yield call, sessions


@verbs
@virtual
async def test_a_verb_does_something_to_a_call_of_the_tenants_own(
    verb: Callable[[LiveSessions, TenantId, CallId], bool],
) -> None:
    async with live() as (call, sessions):
        assert verb(sessions, TENANT, CALL)
        await call.until(5.0)
        assert call.line.asked or "Hold on" in call.said()


@pytest.mark.parametrize(("tenant_id", "call_id"), [(OTHER, CALL), (TENANT, CallId("c2")), (TenantId(""), CALL)])
@verbs
@virtual
async def test_a_foreign_call_is_like_none_and_nothing_happens(
    verb: Callable[[LiveSessions, TenantId, CallId], bool], tenant_id: TenantId, call_id: CallId
) -> None:
    async with live() as (call, sessions):
        assert not verb(sessions, tenant_id, call_id)
        await call.until(5.0)
        assert not call.session.decided
        assert (call.line.asked, call.said()) == ([], ["Welcome to us"])


@verbs
@virtual
async def test_a_call_of_which_the_end_is_decided_is_none(
    verb: Callable[[LiveSessions, TenantId, CallId], bool],
) -> None:
    async with live() as (call, sessions):
        call.session.end("caller_hangup")
        assert not verb(sessions, TENANT, CALL)
        record = await call.record()
        assert not verb(sessions, TENANT, CALL)
    assert not verb(sessions, TENANT, CALL)
    assert (record.end_reason, call.line.asked) == ("caller_hangup", [])


@pytest.mark.parametrize("text", ["", " \n", "…!?", "a" * (MAX_SAID_CHARS + 1), "hi\x00", "hi\x1b[2J"])
@virtual
async def test_what_cannot_be_said_is_refused(text: str) -> None:
    async with live() as (call, sessions):
        with pytest.raises(ValueError, match="expected words to say, 500 characters at most"):
            sessions.say(TENANT, CALL, text)
        await call.until(4.0)
        assert call.said() == ["Welcome to us"]


@virtual
async def test_more_than_anybody_would_hear_is_refused() -> None:
    async with live() as (call, sessions):
        await call.caller.starts()
        for _ in range(MAX_WAITING):
            sessions.say(TENANT, CALL, "Hold on")
        with pytest.raises(TooMuchToSayError):
            sessions.say(TENANT, CALL, "Hold on")
        await call.caller.stops()


@virtual
async def test_a_service_that_closes_ends_all_of_them() -> None:
    async with live() as (call, sessions):
        sessions.end("shutdown")
        assert (await call.record()).end_reason == "shutdown"
