"""The database that searches are measured in: what is asked for is there, and as uneven as it is said to be."""

from collections import Counter
from datetime import datetime

import pytest
from msgspec import convert

from benchmarks.parts.finding import KINDS, Asker
from benchmarks.parts.many_calls import ASSISTANTS, CALL_COLUMNS, LARGEST, MESSAGE_COLUMNS, NUMBERS, RARE, many_calls
from benchmarks.parts.many_tenants import _conditions, document
from tenants.call_search import CallFilter
from tenants.document import parse_document

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


def test_every_company_is_a_document_whose_assistants_have_the_calls() -> None:
    spec = parse_document(document(MANY.tenants[3], 3), "bench").spec
    assert (spec.id, spec.slug) == (MANY.tenants[3], "tenant-3")
    assert {one.name: one.numbers for one in spec.assistants} == {
        name: (number,) for name, number in zip(ASSISTANTS, NUMBERS, strict=True)
    }


@pytest.mark.parametrize("kind", KINDS)
def test_a_search_over_rest_is_the_one_of_the_store(kind: str) -> None:
    _, wanted, _ = Asker(MANY, seed=1).asked(kind)
    sent = dict(_conditions(wanted))
    back = {name: datetime.fromisoformat(text) if name.startswith("opened") else text for name, text in sent.items()}
    assert convert(back, CallFilter, strict=False) == wanted
