"""The table of problems."""

from control.api.problems import KINDS, Refusal


def test_a_status_belongs_to_one_kind() -> None:
    assert len({kind.status for kind in KINDS.values()}) == len(KINDS)
    for slug, kind in KINDS.items():
        assert Refusal(slug).status_code == kind.status
