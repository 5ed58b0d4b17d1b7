"""A signature holds for one tenant, one number and the keys of the ring, and for nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from base.ids import TenantId
from tenants.signing import KeyFormatError, new_key, parse_keys, sign, verify, write_keys

OLD, NEW = new_key(), new_key()
TENANT = TenantId("6f1d2c0a-4b7e-4f7b-9a53-1c9e5d7a2b10")


def test_the_first_key_signs_and_every_key_of_the_ring_verifies() -> None:
    before = sign((OLD,), TENANT, "1000")
    after = sign((NEW, OLD), TENANT, "1000")
    assert after.startswith(f"{NEW.id}.")
    assert verify((NEW, OLD), TENANT, "1000", before)
    assert verify((NEW, OLD), TENANT, "1000", after)
    assert not verify((NEW,), TENANT, "1000", before)


def test_the_algorithm_does_not_change_under_deployed_dialplans() -> None:
    ring = parse_keys("k1:" + "A" * 43 + "=")
    mac = "459057505da773f24ea3aa241df96fa8dfdd2a0633fe42c32db6acbed436b07c"  # computed apart from this code
    assert sign(ring, TENANT, "1000") == f"k1.{mac}"


@given(st.text(max_size=40), st.text(max_size=20), st.text(max_size=40), st.text(max_size=20))
def test_no_other_pair_passes(tenant: str, number: str, other_tenant: str, other_number: str) -> None:
    signature = sign((OLD,), TenantId(tenant), number)
    same = (tenant, number) == (other_tenant, other_number)
    assert verify((OLD,), TenantId(other_tenant), other_number, signature) is same


def test_moving_a_digit_between_the_fields_is_seen() -> None:
    assert not verify((OLD,), TenantId("a1"), "000", sign((OLD,), TenantId("a"), "1000"))


@given(st.text(max_size=120))
def test_nonsense_is_refused_without_raising(signature: str) -> None:
    assert not verify((OLD, NEW), TENANT, "1000", signature)
    assert not verify((OLD, NEW), TENANT, "1000", f"{OLD.id}.{signature}")


def test_a_ring_survives_writing_and_reading_and_shows_no_secret() -> None:
    ring = (NEW, OLD)
    assert parse_keys(write_keys(ring).reveal()) == ring
    assert OLD.secret.reveal() not in repr(ring)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "not keyid:base64secret"),
        ("k1", "not keyid:base64secret"),
        ("k 1:AAAA", "not keyid:base64secret"),
        ("k1:not base64!", "not base64"),
        ("k1:QUJD", "has 3 bytes"),
        (f"k1:{'A' * 43}=,k1:{'B' * 43}=", "same id"),
    ],
)
def test_a_badly_written_ring_is_refused(text: str, fault: str) -> None:
    with pytest.raises(KeyFormatError, match=fault):
        parse_keys(text)


def test_no_key_no_signature() -> None:
    with pytest.raises(KeyFormatError):
        sign((), TENANT, "1000")
    assert not verify((), TENANT, "1000", sign((OLD,), TENANT, "1000"))
