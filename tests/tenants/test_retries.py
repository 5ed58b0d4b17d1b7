"""A tenant that could not be made ready is tried again by itself, later and later, until it is or its file changes."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from base.ids import TenantId
from tenants import folder, retries
from tenants.document import TenantDocument, parse_document
from tenants.retries import AT_ONCE, SLOT_S, Retries, pause_after
from tenants.statuses import Statuses, TenantStatus
from tests.pipelines.virtual import LoopClock, eventually, virtual
from tests.tenants.folders import ACME, BETA, House, Stages


@pytest.fixture
def house(tmp_path: Path, stages: Stages) -> House:
    return House(tmp_path, stages)


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, "FIRST_S", 0.02)
    monkeypatch.setattr(retries, "MOST_S", 0.05)


def test_the_pauses_grow_to_a_limit_and_are_not_the_same_for_all() -> None:
    for failures, whole in ((1, 10.0), (2, 20.0), (4, 80.0), (7, 600.0), (100_000, 600.0)):
        pauses = {pause_after(failures) for _ in range(200)}
        assert 0.75 * whole <= min(pauses) < max(pauses) <= whole
        assert len(pauses) > 100


async def test_who_failed_at_the_start_answers_once_it_can(house: House, soon: None) -> None:
    house.write("acme", ACME)
    house.write("beta", BETA)
    house.pipelines.broken = {"acme"}
    tenants = house.tenants()
    await tenants.open()
    assert [entry.slug for entry in house.directory.tenants()] == ["beta"], "who is not ready takes no calls"
    await eventually(lambda: house.pipelines.asked.count("load acme 1") >= 4)
    assert "models pull" in tenants.statuses[0].problem
    house.pipelines.broken = set()
    await eventually(lambda: tenants.statuses[0].revision == 1)
    acme = tenants.statuses[0]
    assert (acme.problem, acme.next_try) == ("", None)
    assert house.directory.find(ACME, "1000").assistant == "ana"
    assert house.pipelines.asked.count("activate acme 1") == 1
    await tenants.close()


async def test_when_it_is_tried_next_stands_in_its_status(house: House) -> None:
    house.write("acme", ACME)
    house.pipelines.broken = {"acme"}
    tenants = house.tenants()
    await tenants.open()
    await eventually(lambda: tenants.statuses[0].next_try is not None)
    at = tenants.statuses[0].next_try
    assert at is not None
    assert 5 < (at - datetime.now(UTC)).total_seconds() <= 10
    assert tenants.statuses[0].retry == "later"
    await tenants.close()
    assert (tenants.statuses[0].retry, tenants.statuses[0].next_try) == (None, None)


@pytest.mark.parametrize("change", ["another mistake", "good", "gone"])
async def test_a_file_that_changes_is_not_tried_as_it_was(house: House, change: str) -> None:
    house.write("acme", ACME)
    house.pipelines.broken = {"acme"}
    tenants = house.tenants()
    await tenants.open()
    await eventually(lambda: tenants.statuses[0].next_try is not None)
    file = house.folder / "acme.yaml"
    house.pipelines.broken = set()
    if change == "gone":
        file.unlink()
    else:
        house.write("acme", ACME, "1001", more="langage: pt\n" if change == "another mistake" else "")
    await tenants.refresh([file])
    assert [status.next_try for status in tenants.statuses] == ([] if change == "gone" else [None])
    assert list(waiting()) == []
    assert house.pipelines.asked.count("load acme 1") == (2 if change == "good" else 1)
    assert (house.directory.tenants() != []) == (change == "good")
    await tenants.close()


def a_document(slug: str) -> TenantDocument:
    raw = (
        f"slug: {slug}\nid: {ACME}\ndomain: {slug}.example.net\nname: X\nassistants: [{{name: ana, numbers: ['1']}}]\n"
    )
    return parse_document(raw.encode(), slug)


def waiting() -> Iterator[str]:
    """Tries that are still to come."""
    return (task.get_name() for task in asyncio.all_tasks() if task.get_name().startswith("try again"))


async def test_a_text_that_can_never_be_published_is_not_tried_again(house: House) -> None:
    house.write("acme", ACME)
    house.write("beta", BETA)
    (house.folder / "beta.yaml").write_text(
        (house.folder / "beta.yaml").read_text().replace("slug: beta", "slug: acme")
    )
    tenants = house.tenants()
    await tenants.open()
    assert "slug acme belongs to" in tenants.statuses[1].problem
    assert list(waiting()) == []
    await tenants.close()


async def test_what_answered_before_goes_on_until_the_newer_text_can_be_made_ready(house: House, soon: None) -> None:
    house.write("acme", ACME)
    tenants = house.tenants()
    await tenants.open()
    house.pipelines.broken = {"acme"}
    house.write("acme", ACME, "1001")
    await tenants.refresh([house.folder / "acme.yaml"])
    assert house.directory.find(ACME, "1000").tenant.revision == 1
    house.pipelines.broken = set()
    await eventually(lambda: tenants.statuses[0].revision == 2)
    assert house.directory.find(ACME, "1001").tenant.revision == 2
    await tenants.close()


async def test_a_database_that_is_away_for_the_moment_ends_no_trying(
    house: House, soon: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.write("acme", ACME)
    house.pipelines.broken = {"acme"}
    tenants = house.tenants()
    await tenants.open()
    asked: list[str] = []

    async def away(tenant_id: str) -> None:
        asked.append(tenant_id)
        raise ConnectionError("the database is away")

    with monkeypatch.context() as patched:
        patched.setattr(house.revisions, "current", away)
        await eventually(lambda: len(asked) >= 2)
    house.pipelines.broken = set()
    await eventually(lambda: tenants.statuses[0].revision == 1)
    await tenants.close()


@virtual
async def test_those_that_hang_do_not_keep_one_that_works_again_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Twenty tenants wait in vain for their provider, each until its time is over; one is mended, and comes last."""
    monkeypatch.setattr(retries, "pause_after", lambda failures: 10.0)
    statuses, settled = Statuses(), asyncio.Event()

    async def attempt(document: TenantDocument) -> bool:
        if document.spec.slug != "mended":
            await asyncio.sleep(300.0)
            return False
        settled.set()
        return True

    trying = Retries(attempt, statuses, LoopClock())
    for slug in [*(f"hangs-{n}" for n in range(20)), "mended"]:
        statuses.put(Path(slug), TenantStatus(file=slug, slug=slug))
        trying.begin(a_document(slug))
    await asyncio.sleep(10.1)
    assert Counter(status.retry for status in statuses.all()) == {"now": AT_ONCE, "queued": 19}, "and it is told so"
    assert {status.next_try for status in statuses.all()} == {None}
    await settled.wait()
    assert asyncio.get_running_loop().time() <= 10 + 21 / AT_ONCE * SLOT_S
    await asyncio.sleep(0)
    assert not trying.waits(Path("mended"))
    states = {status.slug: status.retry for status in statuses.all()}
    assert states.pop("mended") is None
    assert set(states.values()) <= {"now", "queued"}
    await trying.close()
    assert {status.retry for status in statuses.all()} == {None}


async def test_a_file_that_is_saved_does_not_wait_for_those_that_are_tried_again(
    house: House, soon: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retries, "SLOT_S", 0.0)
    many = {f"t{n}": TenantId(f"33333333-3333-4333-8333-{n:012}") for n in range(2 * folder.AT_ONCE)}
    for slug, tenant_id in many.items():
        house.write(slug, tenant_id)
    house.pipelines.broken = set(many)
    tenants = house.tenants()
    await tenants.open()
    house.pipelines.hanging = set(many)
    await eventually(lambda: sum(status.retry == "now" for status in tenants.statuses) == len(many))
    house.write("acme", ACME)
    async with asyncio.timeout(5.0):
        await tenants.refresh([house.folder / "acme.yaml"])
    assert house.directory.find(ACME, "1000").tenant.revision == 1
    await tenants.close()
