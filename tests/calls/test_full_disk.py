"""A disk that is full costs the recording, never the call; the row says so."""

import errno

import pytest

from control.phone import PhoneDoor
from pipelines import recording
from tests.calls.callers import SPEECH, asks, document
from tests.calls.house import house


async def test_a_recording_that_breaks_off_is_told_and_the_call_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(recording, "_append", full)
    async with house(document(llm={"answers": ["At nine"]}), record=True) as home:
        call = await home.call(asks(SPEECH))
        [revision] = home.supervisor.status()

    assert (revision.outcomes.calls, revision.outcomes.failed) == (1, 0), "the disk's fault is no revision's"
    assert call.record.turns[-1].text == "At nine"
    assert (call.record.end_reason, call.record.recording is not None) == ("caller_hangup", True)
    [error] = call.record.errors
    assert error.startswith("the recording is not whole")
    assert "No space left" in error


async def test_a_caller_is_given_back_before_anything_is_written_down(monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: object) -> None:
        raise RuntimeError("a mistake of ours")

    monkeypatch.setattr(PhoneDoor, "_talk", broken)
    async with house(document()) as home:
        call = await home.call(asks(SPEECH))

    assert (call.result.door, call.result.answered) == ("failed", False)
    assert (call.record.end_reason, call.record.errors) == ("failure", ("RuntimeError('a mistake of ours')",))
