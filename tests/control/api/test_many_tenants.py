"""A page of companies among ten thousand costs what looking through them once does."""

from types import SimpleNamespace
from typing import Any, cast

from base.ids import TenantId
from control.api.tenants import views
from tenants.statuses import Statuses, TenantStatus


class Told(str):
    """An id that counts how often it is compared with another."""

    compared = 0

    def __eq__(self, other: object) -> bool:
        Told.compared += 1
        return str.__eq__(self, other)

    __hash__ = str.__hash__


def test_a_page_looks_at_each_status_once() -> None:
    """It was a list of fifty that was searched for each of them."""
    statuses, ids = Statuses(), [TenantId(Told(f"id-{number}")) for number in range(2000)]
    for number, tenant_id in enumerate(ids):
        row = TenantStatus(file=f"{number}", slug=f"t-{number}", tenant_id=tenant_id, waiting=True)
        statuses.put(cast(Any, number), row)
    seen: list[Any] = []

    def health(wanted: Any) -> tuple[()]:
        seen.append(statuses.of(wanted))
        return ()

    service = SimpleNamespace(
        health=health, neighbours=None, directory=SimpleNamespace(get=lambda _: SimpleNamespace(**ENTRY))
    )
    page = [TenantId(str(one)) for one in ids[100:150]]
    assert [one.tenant_id for one in views(cast(Any, service), page)] == page
    assert len(seen[0]) == 50
    assert Told.compared < 1000, "and not with every one of the page"


ENTRY = {
    "slug": "t", "domain": "t.example.net", "enabled": True, "switch": None, "revision": 1, "numbers": {},
    "secretaries": {},
}  # fmt: skip
