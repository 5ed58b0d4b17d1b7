"""The database that searches are measured in: what is asked for is there, and as uneven as it is said to be."""

from collections import Counter

import pytest

from benchmarks.parts.finding import Asker
from benchmarks.parts.many_calls import CALL_COLUMNS, LARGEST, MESSAGE_COLUMNS, RARE, many_calls

MANY = many_calls(tenants=50, calls=40_000)


@pytest.fixture(scope="module")
def calls() -> list[dict[str, str]]:
    rows = (line.removesuffix("\n").split("\t") for line in MANY.calls())
    return [dict(zip(CALL_COLUMNS, row, strict=True)) for row in rows]


def test_a_tenth_of_the_calls_is_one_tenants_and_the_others_have_ever_fewer() -> None:
    owned, ours = Counter(MANY.owners), MANY.of(LARGEST)
    assert 3800 < owned[LARGEST] == len(ours) < 4200
    assert sum(owned[place] for place in range(1, 10)) > 1.5 * sum(owned[place] for place in range(41, 50))
    assert [MANY.opened_at(place) for place in ours] == sorted(map(MANY.opened_at, ours))


def test_messages_belong_to_calls_and_hold_the_rare_word(calls: list[dict[str, str]]) -> None:
    messages = [line.removesuffix("\n").split("\t") for line in MANY.messages()]
    assert {len(row) for row in messages} == {len(MESSAGE_COLUMNS)}
    assert {(row[0], row[1]) for row in messages} == {(call["tenant_id"], call["call_id"]) for call in calls}
    assert len({call["call_id"] for call in calls}) == 40_000
    assert sum(RARE in row[4] for row in messages) == len(messages) // 10_000 > 20


@pytest.mark.parametrize("kind", ["assistant", "number", "caller", "end_reason", "revision"])
def test_what_is_asked_for_is_what_the_largest_tenant_has(calls: list[dict[str, str]], kind: str) -> None:
    asker, ours = Asker(MANY, seed=1), MANY.tenants[LARGEST]
    held = {call[kind] for call in calls if call["tenant_id"] == ours}
    asked = [asker.asked(kind) for _ in range(200)]
    assert {tenant for tenant, _, _ in asked} == {ours}
    # A call in ten thousand was ended by an operator; this tenant has four thousand.
    assert {str(getattr(wanted, kind)) for _, wanted, _ in asked} <= held | {"ended_by_operator"}
