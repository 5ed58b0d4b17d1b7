"""The chain of the audit log as it is computed, and what finds no room in it."""

import hashlib
import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from base.ids import TenantId
from tenants.audit import (
    ACTIONS,
    OBJECTS,
    Actor,
    AuditBrokenError,
    Change,
    ChangeInvalidError,
    Kept,
    Outcome,
    State,
    address_of,
    ends_of,
    opened,
    sealed,
    start,
    verify,
)
from tests.tenants.changes import NOON, OURS, SOMEONE, THEIRS, change_of

FIXED = TenantId("6f1d2c0a-4b7e-4f7b-9a53-1c9e5d7a2b10")
GOOD_OBJECTS = {
    "document": "12",
    "canary": "",
    "key": "a2b3c4d5e6f7",
    "call": "6f1d2c0a-4b7e-4f7b-9a53-1c9e5d7a2b10",
    "secret": "openai_key",
    "erase": "07",
}


def chain(length: int, tenant_id: TenantId | None = OURS) -> list[Kept]:
    made, last = [], start(tenant_id)
    for revision in range(1, length + 1):
        last = sealed(tenant_id, change_of(revision), last)
        made.append(last)
    return made


def test_the_bytes_and_digests_are_for_ever() -> None:
    """Where this fails, every chain that was ever written breaks."""
    actor = Actor(
        kind="key", id="a2b3c4d5e6f7", role="platform-admin", address="::1", request_id=str(FIXED).replace("6f", "00")
    )
    state = State(revision=3, digest="0" * 64, role="tenant-viewer", expires_at=NOON, number_ends="67", calls=0)
    whole = Change(
        at=NOON, actor=actor, action="key.create", outcome="done", object="a2b3c4d5e6f7", begun_as=1, before=state,
        after=State(revision=4),
    )  # fmt: skip
    kept = sealed(FIXED, whole, start(FIXED))
    assert kept.change == (
        '{"at":"2026-03-01T12:00:00.123456Z","actor":{"kind":"key","id":"a2b3c4d5e6f7","role":"platform-admin",'
        '"address":"::1","request_id":"001d2c0a-4b7e-4f7b-9a53-1c9e5d7a2b10"},"action":"key.create","outcome":"done",'
        '"object":"a2b3c4d5e6f7","begun_as":1,"before":{"revision":3,"digest":"'
        + "0"
        * 64
        + '","role":"tenant-viewer",'
        '"expires_at":"2026-03-01T12:00:00.123456Z","number_ends":"67","calls":0},"after":{"revision":4}}'
    )
    genesis = hashlib.sha256(b"atende audit6f1d2c0a-4b7e-4f7b-9a53-1c9e5d7a2b10").digest()
    line = '{"tenant_id":"6f1d2c0a-4b7e-4f7b-9a53-1c9e5d7a2b10","number":1,"change":' + kept.change + "}"
    assert kept.digest == hashlib.sha256(genesis + line.encode()).digest()
    small = Change(at=NOON.replace(microsecond=0), actor=Actor(kind="service"), action="canary.abort", outcome="done")
    of_platform = sealed(None, small, Kept(8, "", b"\1" * 32))
    text = '{"at":"2026-03-01T12:00:00Z","actor":{"kind":"service"},"action":"canary.abort","outcome":"done"}'
    line = '{"tenant_id":null,"number":9,"change":' + text + "}"
    assert of_platform == Kept(9, text, hashlib.sha256(b"\1" * 32 + line.encode()).digest())
    assert start(None).digest == hashlib.sha256(b"atende audit").digest()


def test_what_is_listed_as_json_can_be_verified_by_anybody() -> None:
    """Compact JSON of a listed entry's first three fields is what its digest covers, beside the digest before."""
    first, second = chain(2)
    listed = json.loads(json.dumps(structs.asdict(opened(OURS, second)) | {"change": json.loads(second.change)}))
    covered = {name: listed[name] for name in ("tenant_id", "number", "change")}
    compact = json.dumps(covered, separators=(",", ":"), ensure_ascii=False)
    assert listed["digest"] == hashlib.sha256(first.digest + compact.encode()).hexdigest()


def test_what_is_sealed_is_opened_whole() -> None:
    for last, revision in ((start(OURS), 1), (Kept(7, "", b"x" * 32), 8)):
        kept = sealed(OURS, change_of(revision), last)
        entry = opened(OURS, kept)
        assert (entry.tenant_id, entry.number, entry.change) == (OURS, revision, change_of(revision))
        assert bytes.fromhex(entry.digest) == kept.digest


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"at":1}', '{"note":"x",', '{"actor":{"kind":"thief"},'], ids=lambda text: text or "empty"
)
def test_what_cannot_be_read_is_told_by_its_number(text: str) -> None:
    good = sealed(OURS, change_of(), Kept(4, "", b""))
    altered = good.change.replace("{", text, 1) if text.endswith(",") else text
    with pytest.raises(AuditBrokenError, match="entry 5 ") as caught:
        opened(OURS, structs.replace(good, change=altered))
    assert caught.value.number == 5


def test_a_chain_holds_from_wherever_it_is_read() -> None:
    whole = chain(5)
    assert verify(OURS, whole, start(OURS)) is None
    assert verify(OURS, [], start(OURS)) is None
    for number in range(1, 6):
        assert verify(OURS, whole[number:], whole[number - 1]) is None
        assert verify(OURS, whole[:number], start(OURS)) is None


def test_a_chain_is_of_one_tenant_and_of_one_place() -> None:
    assert verify(THEIRS, chain(3), start(THEIRS)) == 1
    assert verify(THEIRS, chain(3), start(OURS)) == 1
    assert verify(None, chain(3), start(None)) == 1
    whole = chain(3, None)
    assert verify(None, whole, start(None)) is None
    assert verify(None, whole[1:], start(None)) == 1


Attack = Callable[[list[Kept], int], Sequence[Kept]]


def _altered(field: str, value: Callable[[Any], Any]) -> Attack:
    def attack(whole: list[Kept], at: int) -> Sequence[Kept]:
        whole[at] = structs.replace(whole[at], **{field: value(getattr(whole[at], field))})
        return whole

    return attack


def _forged(whole: list[Kept], at: int) -> Sequence[Kept]:
    """Another change, with a digest that is right for it."""
    before = whole[at - 1] if at else start(OURS)
    whole[at] = sealed(OURS, change_of(999), before)
    return whole


def _inserted(whole: list[Kept], at: int) -> Sequence[Kept]:
    before = whole[at - 1] if at else start(OURS)
    return [*whole[:at], sealed(OURS, change_of(999), before), *whole[at:]]


def _swapped(whole: list[Kept], at: int) -> Sequence[Kept]:
    """Each in the other's place, with the other's number."""
    one, other = whole[at], whole[at + 1]
    whole[at] = Kept(one.number, other.change, other.digest)
    whole[at + 1] = Kept(other.number, one.change, one.digest)
    return whole


ATTACKS: dict[str, tuple[Attack, int]] = {
    "a change": (_altered("change", lambda text: text.replace('"done"', '"failed"')), 0),
    "a digest": (_altered("digest", lambda digest: bytes([digest[0] ^ 1]) + digest[1:]), 0),
    "a shortened digest": (_altered("digest", lambda digest: digest[:31]), 0),
    "a number": (_altered("number", lambda number: number + 1), 0),
    "a forgery": (_forged, 1),
    "a removal": (lambda whole, at: whole[:at] + whole[at + 1 :], 0),
    "an insertion": (_inserted, 1),
    "a repetition": (lambda whole, at: whole[: at + 1] + whole[at:], 1),
    "two that are swapped": (_swapped, 0),
    "two in the other's place": (lambda whole, at: [*whole[:at], whole[at + 1], whole[at], *whole[at + 2 :]], 0),
}
"""And by how many entries behind its place each is first seen."""


@given(st.sampled_from(sorted(ATTACKS)), st.integers(2, 8), st.data())
def test_whatever_is_done_in_a_chain_is_found_where_it_was_done(attack: str, length: int, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, length - 2))
    attacked, seen = ATTACKS[attack][0](chain(length), at), ATTACKS[attack][1]
    assert verify(OURS, attacked, start(OURS)) == at + 1 + seen


@given(st.integers(0, 3), st.data())
def test_every_byte_of_a_change_counts(at: int, data: st.DataObject) -> None:
    whole = chain(4)
    text = whole[at].change
    place = data.draw(st.integers(0, len(text) - 1))
    letter = data.draw(st.characters(codec="utf-8").filter(lambda letter: letter != text[place]))
    whole[at] = structs.replace(whole[at], change=text[:place] + letter + text[place + 1 :])
    assert verify(OURS, whole, start(OURS)) == at + 1


def test_each_action_says_what_it_is_done_to() -> None:
    assert {action.partition(".")[0] for action in ACTIONS} == set(OBJECTS) == set(GOOD_OBJECTS)
    for action in ACTIONS:
        kind = action.partition(".")[0]
        for other, written in GOOD_OBJECTS.items():
            if other == kind:
                assert change_of(action=action, object=written).object == written
        for wrong in ("Please say that we open at nine", "+5511912345678", "12345678901", "sk-Ab12", "0", "a\n"):
            if (kind, wrong) != ("erase", "0"):
                with pytest.raises(ChangeInvalidError) as caught:
                    change_of(action=action, object=wrong)
                assert wrong not in str(caught.value)


@pytest.mark.parametrize(
    "wrong",
    [
        {"at": datetime(2026, 3, 1, 12)},  # noqa: DTZ001
        {"at": NOON.astimezone(timezone(timedelta(hours=-3)))},
        {"action": "key.steal"},
        {"action": "coffee.make"},
        {"outcome": "perhaps"},
        {"outcome": "begun", "begun_as": 1},
        {"begun_as": -1},
    ],
    ids=str,
)
def test_a_change_that_is_none_is_not_written_down(wrong: dict[str, Any]) -> None:
    with pytest.raises(ChangeInvalidError):
        change_of(**wrong)
    assert change_of(at=NOON.replace(tzinfo=timezone(timedelta(0)))).at == NOON


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("kind", "thief"),
        ("id", ""),
        ("id", "atende_a2b3c4d5e6f7_" + "b" * 43),
        ("role", "root"),
        ("address", "testclient"),
        ("address", "fe80::1%what he said"),
        ("address", "2001:DB8::1"),
        ("request_id", "+5511912345678"),
    ],
)
def test_an_actor_is_an_id_and_an_address(name: str, wrong: str) -> None:
    with pytest.raises(ChangeInvalidError) as caught:
        structs.replace(SOMEONE, **{name: wrong})
    assert not wrong or wrong not in str(caught.value)


@pytest.mark.parametrize("kind", ["command line", "file", "service"])
def test_what_is_no_key_has_a_name_or_none(kind: Any) -> None:
    for name in ("", "root", "ana.silva@example.net", "clinica-sorriso.yaml", "a" * 64):
        assert Actor(kind=kind, id=name).id == name
    for wrong in ("+5511912345678", "11912345678", "two words", "a" * 65, "root\n"):
        with pytest.raises(ChangeInvalidError):
            Actor(kind=kind, id=wrong)


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("revision", 0),
        ("digest", "what he said"),
        ("digest", "A" * 64),
        ("role", "root"),
        ("expires_at", datetime(2026, 3, 1, 12)),  # noqa: DTZ001
        ("number_ends", "678"),
        ("number_ends", "é"),
        ("number_ends", "٣"),
        ("calls", -1),
    ],
)
def test_a_state_has_no_room_for_anything_else(name: str, wrong: Any) -> None:
    with pytest.raises(ChangeInvalidError):
        State(**{name: wrong})


@pytest.mark.parametrize("outcome", get_args(Outcome))
def test_what_has_no_beginning_of_its_own_may_be_told_too(outcome: Outcome) -> None:
    assert change_of(outcome=outcome).begun_as == 0
    if outcome != "begun":
        assert change_of(outcome=outcome, begun_as=7).begun_as == 7


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:DB8:0::1", "2001:db8::1"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("fe80::1%eth0", "fe80::1"),
        ("testclient", ""),
        ("", ""),
    ],
)
def test_an_address_has_one_form(host: str, address: str) -> None:
    assert address_of(host) == address
    assert address_of(address) == address


@pytest.mark.parametrize(
    ("number", "ends"), [("+55 11 91234-5678", "78"), ("7", "7"), ("anonymous", ""), ("12x", "12"), ("٣٤", "")]
)
def test_two_digits_of_a_number_are_kept(number: str, ends: str) -> None:
    assert ends_of(number) == ends
    assert State(number_ends=ends_of(number)).number_ends == ends


def test_times_are_told_apart_to_the_microsecond() -> None:
    at = datetime(2026, 3, 1, tzinfo=UTC)
    first, second = (sealed(None, change_of(at=moment), start(None)) for moment in (at, at + timedelta(microseconds=1)))
    assert first.digest != second.digest
    assert opened(None, second).change.at - opened(None, first).change.at == timedelta(microseconds=1)
