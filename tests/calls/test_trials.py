"""What a call says of a revision on trial, and which callers are tried upon."""

from collections.abc import Sequence
from typing import Any

import pytest
from msgspec import structs

from control.phone import PhoneDoor
from pipelines.outcomes import OutcomeCounts
from tests.calls.callers import SPEECH, asks, document
from tests.calls.house import House, house
from transports.freeswitch.errors import MediaUnavailableError, PhoneTimeoutError


@pytest.mark.parametrize("error", [MediaUnavailableError("nothing came"), PhoneTimeoutError("answer")])
async def test_a_call_that_the_telephone_could_not_bring_says_nothing_of_a_revision(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    async def without_audio(*_: object) -> None:
        raise error

    monkeypatch.setattr(PhoneDoor, "_talk", without_audio)
    async with house(document()) as home:
        call = await home.call(asks(SPEECH))
        [revision] = home.supervisor.status()
    assert call.record.end_reason == "failure"
    assert revision.outcomes == OutcomeCounts()


async def asked_for(home: House, monkeypatch: pytest.MonkeyPatch, numbers: Sequence[str]) -> list[str]:
    """By what callers with these numbers were told apart when they were given a revision."""
    callers: list[str] = []
    lease = home.supervisor.lease

    def noted(*key: Any, caller: str) -> Any:
        callers.append(caller)
        return lease(*key, caller=caller)

    monkeypatch.setattr(home.supervisor, "lease", noted)
    for number in numbers:
        await home.call(asks(), structs.replace(home.dialed(), caller_number=number))
    return callers


async def test_callers_who_withhold_their_number_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    async with house(document()) as home:
        known, again, first, second = await asked_for(home, monkeypatch, ["1001", "1001", "anonymous", "anonymous"])
    assert known == again == "1001"
    assert len({known, first, second}) == 3
