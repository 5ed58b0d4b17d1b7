"""The table of problems."""

from control.api.problems import KINDS, Refusal


def test_a_status_belongs_to_one_kind_but_for_that_of_two() -> None:
    assert len({kind.status for kind in KINDS.values()}) == len(KINDS) - 1
    assert [kind.slug for kind in KINDS.values() if kind.status == 422] == [
        "invalid-document",
        "idempotency-key-reused",
    ]
    for slug, kind in KINDS.items():
        assert Refusal(slug).status_code == kind.status
