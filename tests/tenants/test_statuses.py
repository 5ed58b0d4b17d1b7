"""How documents fared, file by file, and which of them there is something to be told of."""

from pathlib import Path

from tenants.statuses import Statuses, TenantStatus


def test_those_that_wait_or_have_problems_are_known_without_the_others() -> None:
    statuses, (a, b, c) = Statuses(), map(Path, "abc")
    for file in (a, b, c):
        statuses.put(file, TenantStatus(file=str(file), slug=str(file)))
    assert list(statuses.unsettled()) == []
    statuses.note(a, waiting=True)
    statuses.failed(b, ("no voice",))
    statuses.failed(c, ("no voice",))
    assert {one.file for one in statuses.unsettled()} == {"a", "b", "c"}
    statuses.note(a, waiting=False)
    statuses.put(b, TenantStatus(file="b", slug="b"))
    assert [one.file for one in statuses.unsettled()] == ["c"]
    statuses.note(c, retry="now")
    assert [one.retry for one in statuses.unsettled()] == ["now"]
    statuses.pop(c)
    assert list(statuses.unsettled()) == []
