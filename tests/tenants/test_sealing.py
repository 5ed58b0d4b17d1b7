"""Sealing under a ring of master keys."""

import base64

import pytest

from base.ids import TenantId
from base.secret import Secret
from tenants.sealing import MasterKeyError, SealBrokenError, Sealed, new_ring, parse_ring
from tests.tenants.kept_secrets import FIRST, OURS, SECOND, THEIRS, key_id

KEY = base64.b64encode(bytes(range(32))).decode()


def test_the_first_key_seals_and_all_of_them_open() -> None:
    old, both = parse_ring(FIRST), parse_ring(f"{SECOND}\n{FIRST}\n")
    kept = old.seal(OURS, "openai", 3, Secret("sk-ç"))
    assert (kept.key_id, both.first, both.ids) == (key_id(FIRST), key_id(SECOND), (key_id(SECOND), key_id(FIRST)))
    assert both.open(OURS, "openai", 3, kept) == Secret("sk-ç")
    anew = both.seal(OURS, "openai", 3, Secret("sk-ç"))
    assert anew.key_id == key_id(SECOND)
    assert anew.sealed != both.seal(OURS, "openai", 3, Secret("sk-ç")).sealed, "each has a nonce of its own"
    with pytest.raises(SealBrokenError, match=rf"{key_id(SECOND)}.*not in the ring"):
        old.open(OURS, "openai", 3, anew)


def test_what_was_sealed_for_one_place_opens_in_no_other() -> None:
    ring = parse_ring(FIRST)
    kept = ring.seal(OURS, "openai", 1, Secret("sk-1"))
    assert ring.open(OURS, "openai", 1, kept) == Secret("sk-1")
    flipped = bytes([kept.sealed[0] ^ 1]) + kept.sealed[1:]
    for tenant_id, name, version, value in (
        (THEIRS, "openai", 1, kept),
        (OURS, "openai2", 1, kept),
        (OURS, "openai", 2, kept),
        (TenantId(f"{OURS}|openai"), "", 1, kept),
        (OURS, "openai", 1, Sealed(kept.key_id, flipped)),
        (OURS, "openai", 1, Sealed(kept.key_id, kept.sealed[:-1])),
        (OURS, "openai", 1, Sealed(kept.key_id, b"")),
    ):
        with pytest.raises(SealBrokenError) as caught:
            ring.open(tenant_id, name, version, value)
        assert "sk-1" not in str(caught.value)


def test_a_ring_of_another_key_under_the_same_id_opens_nothing() -> None:
    kept = parse_ring(f"a:{KEY}").seal(OURS, "openai", 1, Secret("sk-1"))
    other = FIRST.partition(":")[2]
    with pytest.raises(SealBrokenError, match="altered, or another key has this id"):
        parse_ring(f"a:{other}").open(OURS, "openai", 1, kept)


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("", "there is no master key"),
        (KEY, "master key 1 is not id:base64"),
        (f"a:{KEY},b c:{KEY}", "master key 2 is not id:base64"),
        (f"a:{KEY},a:{KEY}", "'a' is there twice"),
        ("a:hush", "'a' is not base64|has . bytes"),
        ("a:" + base64.b64encode(b"x" * 16).decode(), "has 16 bytes, not 32; `openssl rand -base64 32`"),
        (",".join(f"k{number}:{KEY}" for number in range(101)), "101 master keys are too many"),
    ],
)
def test_a_ring_that_is_none_says_why_and_shows_no_key(written: str, told: str) -> None:
    with pytest.raises(MasterKeyError, match=told) as caught:
        parse_ring(written)
    assert "hush" not in str(caught.value)
    assert KEY not in str(caught.value)
    assert KEY not in repr(parse_ring(f"a:{KEY}").__dict__)


def test_a_new_ring_has_a_fresh_key_before_the_former_ones() -> None:
    ring = new_ring([FIRST]).reveal()
    assert parse_ring(ring).ids[1:] == (key_id(FIRST),)
    assert new_ring() != new_ring()
