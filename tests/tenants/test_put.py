"""An operator's PUT: everything or nothing, and what is answered stands in the file. With both stores."""

import asyncio
import hashlib
import json
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec import Struct

from base.clock import SystemClock
from base.ids import TenantId
from tenants import put
from tenants.database import Database
from tenants.directory import TenantUnknownError
from tenants.document import TenantDocument
from tenants.errors import DocumentError
from tenants.files import files_of
from tenants.next_text import NotWrittenError, ReadOnlyFolderError
from tenants.put_checks import MAX_DOCUMENT_BYTES
from tenants.put_errors import FileTakenError, NotReadyError, StaleError, TooLargeError
from tenants.revisions import MemoryRevisions, PostgresRevisions, RevisionStore, TenantRow
from tests.pipelines.virtual import eventually
from tests.tenants.desks import Desk
from tests.tenants.folders import BETA, Stages


@pytest.fixture(params=["memory", pytest.param("postgres", marks=pytest.mark.postgres)])
def revisions(request: pytest.FixtureRequest) -> RevisionStore:
    if request.param == "memory":
        return MemoryRevisions(SystemClock())
    database: Database = request.getfixturevalue("database")
    return PostgresRevisions(database)


@pytest.fixture
async def desk(tmp_path: Path, stages: Stages, revisions: RevisionStore) -> AsyncIterator[Desk]:
    made = Desk(tmp_path, stages, revisions)
    yield made
    await made.tenants.close()
    assert [*made.house.folder.glob("*.new")] == [], "no draft is left"


def sha256(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()


class Everything(Struct, frozen=True):
    """What a refusal leaves as it was."""

    text: bytes
    numbers: list[int]
    rings: int
    problem: str
    digest: str


async def everything(desk: Desk) -> Everything:
    return Everything(
        desk.file.read_bytes(), await desk.numbers(), desk.rings("1000"), desk.problem, (await desk.now()).digest
    )


async def test_a_text_that_is_put_answers_and_stands_in_the_file_and_the_watch_finds_nothing_new(desk: Desk) -> None:
    first = await desk.begin()
    desk.file.chmod(0o604)
    text = desk.text("1001", "retention: {transcripts_days: 30, redact: [cards]}\n")
    published = await desk.put(text, first)
    assert (published.number, published.digest, published.changed) == (2, sha256(text), True)
    assert [(notice.path, notice.line) for notice in published.notices] == [("$.retention.redact", 5)]
    assert (desk.file.read_bytes(), desk.file.stat().st_mode & 0o777) == (text, 0o604)
    assert (desk.rings("1001"), desk.problem) == (2, "")
    assert desk.asked == ["load 1", "activate 1", "load 2", "activate 2"]
    await desk.watched()
    assert len(desk.asked) == 4
    await desk.restarted()
    assert (desk.rings("1001"), await desk.numbers()) == (2, [2, 1])
    assert await desk.now() == await desk.now()
    assert ((await desk.now()).number, (await desk.now()).document) == (2, text)


async def test_the_same_text_once_more_touches_nothing(desk: Desk) -> None:
    first = await desk.begin()
    before = desk.file.stat()
    published = await desk.put(desk.text(), first)
    assert (published.number, published.digest, published.changed) == (1, first, False)
    assert desk.file.stat() == before
    assert desk.asked == ["load 1", "activate 1"]


async def test_json_is_put_as_it_comes(desk: Desk) -> None:
    first = await desk.begin()
    value = {
        "slug": desk.slug, "id": desk.tenant_id, "domain": "a.example.net", "name": "Ação \"&\" / Söhne",
        "assistants": [{"name": "ana", "numbers": ["1001"], "texts": {"greeting": "Olá\n: ção — 😀"}}],
    }  # fmt: skip
    digest = first
    for options in ({}, {"indent": 2}, {"indent": "\t"}, {"separators": (",", ":")}, {"ensure_ascii": True}):
        text = json.dumps(value, **{"ensure_ascii": False, **options}).encode()  # type: ignore[arg-type]
        published = await desk.put(text, digest)
        digest = published.digest
        assert desk.file.read_bytes() == text
    await desk.restarted()
    assert (desk.rings("1001"), desk.problem) == (6, "")


async def test_every_refusal_leaves_everything_as_it_was(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    first = await desk.begin()
    before, good = await everything(desk), desk.text("1001")

    with pytest.raises(TooLargeError) as large:
        await desk.put(b"#" * (MAX_DOCUMENT_BYTES + 1), first)
    assert (large.value.size_bytes, large.value.max_bytes) == (256 * 1024 + 1, 256 * 1024)

    for expected in (None, sha256(b"another")):
        for create in (False, True):
            with pytest.raises(StaleError) as stale:
                await desk.put(good, expected, create=create)
            assert stale.value.current_digest == first

    with pytest.raises(DocumentError) as wrong:
        await desk.put(desk.text(more="langage: pt\nswitch: 5\n"), first)
    assert [(one.file, one.line, one.column, one.path) for one in wrong.value.problems] == [
        ("document", 5, 1, "$.langage"),
        ("document", 6, 9, "$.switch"),
    ]

    with pytest.raises(DocumentError) as others:
        await desk.put(good.replace(desk.tenant_id.encode(), BETA.encode()), first)
    assert [(one.line, one.column, one.path) for one in others.value.problems] == [(2, 1, "$.id")]
    assert BETA in others.value.problems[0].message

    desk.house.pipelines.broken = {desk.slug}
    with pytest.raises(NotReadyError, match="voice x is not installed") as unready:
        await desk.put(good, first)
    assert [one.file for one in unready.value.problems] == ["document"]
    assert desk.asked[-1] == "forget the failure"
    desk.house.pipelines.broken = set()

    (draft := desk.file.with_name(f".{desk.file.name}.{desk.tenant_id}.new")).mkdir()
    loads = desk.asked.count("load 2")
    for dry_run in (False, True):
        with pytest.raises(ReadOnlyFolderError):
            await desk.put(good, first, dry_run=dry_run)
    assert desk.asked.count("load 2") == loads, "it was found out before anything was loaded"
    draft.rmdir()

    assert await everything(desk) == before
    assert (await desk.put(good, first)).number == 2


async def test_slug_and_domain_of_another_tenant_are_told_at_their_fields(desk: Desk) -> None:
    first = await desk.begin()
    desk.house.write("beta", BETA)
    await desk.watched()
    theirs = (f"domain: {desk.slug}.example.net", "domain: BETA.example.net"), (f"slug: {desk.slug}", "slug: beta")
    for (ours, other), line in zip(theirs, (3, 1), strict=True):
        with pytest.raises(DocumentError) as told:
            await desk.put(desk.text().replace(ours.encode(), other.encode()), first)
        assert [(one.line, one.path) for one in told.value.problems] == [(line, f"$.{other.partition(':')[0]}")]
    row = TenantRow(slug=f"{desk.slug}-x", domain="x.example.net", name="X")
    await desk.house.revisions.put(TenantId("99999999" + desk.tenant_id[8:]), row, "9" * 64, b"x")
    with pytest.raises(DocumentError, match=r"\$\.slug: another tenant has the slug"):
        await desk.put(desk.text().replace(f"slug: {desk.slug}".encode(), f"slug: {desk.slug}-x".encode()), first)
    assert desk.house.pipelines.asked[-2:] == [f"discard {desk.slug}-x 2", "forget the failure"]
    assert (await everything(desk)).rings == 1


async def test_a_dry_run_loads_and_lets_go_and_changes_nothing(desk: Desk) -> None:
    first = await desk.begin()
    before = await everything(desk)
    would = await desk.put(desk.text("1001"), first, dry_run=True)
    assert (would.number, would.digest, would.changed) == (2, sha256(desk.text("1001")), True)
    assert desk.asked[2:] == ["load 2", "discard 2"]
    assert not (await desk.put(desk.text(), first, dry_run=True)).changed
    await desk.put(desk.text(more="enabled: false\n"), first, dry_run=True)
    desk.house.pipelines.broken = {desk.slug}
    with pytest.raises(NotReadyError):
        await desk.put(desk.text("1001"), first, dry_run=True)
    assert await everything(desk) == before


async def test_a_dry_run_of_a_tenant_that_was_removed_does_not_bring_it_back(desk: Desk) -> None:
    first = await desk.begin()
    await desk.publishing.remove(desk.tenant_id, expected=first)
    await desk.put(desk.text("1001", "canary: {share: 5}\n"), None, create=True, dry_run=True)
    assert not desk.house.pipelines.loaded
    assert desk.house.directory.tenants() == []
    assert not desk.file.exists()


async def test_a_new_tenant_gets_a_file_that_is_called_as_its_slug(desk: Desk) -> None:
    await desk.tenants.open()
    for expected in (None, sha256(b"x")):
        with pytest.raises(TenantUnknownError):
            await desk.put(desk.text(), expected)
    assert await desk.publishing.current(desk.tenant_id) is None
    desk.house.pipelines.broken = {desk.slug}
    with pytest.raises(NotReadyError):
        await desk.put(desk.text(), None, create=True)
    assert (desk.tenants.statuses, desk.house.directory.tenants()) == ((), [])
    desk.house.pipelines.broken = set()
    published = await desk.put(desk.text(), None, create=True)
    assert (published.number, published.changed, desk.rings("1000")) == (1, True, 1)
    assert (desk.file.read_bytes(), desk.file.stat().st_mode & 0o777) == (desk.text(), 0o640)
    await desk.watched()
    assert desk.asked.count("activate 1") == 1
    with pytest.raises(StaleError):
        await desk.put(desk.text("1001"), None, create=True)
    assert (await desk.put(desk.text("1001"), published.digest)).number == 2


@pytest.mark.parametrize("ending", [".yaml", ".yml"])
@pytest.mark.parametrize("seen", [True, False])
async def test_a_file_of_that_name_that_is_anothers_is_not_taken(desk: Desk, ending: str, seen: bool) -> None:
    theirs = desk.file.with_suffix(ending)
    theirs.write_bytes(desk.text("2000").replace(desk.tenant_id.encode(), BETA.encode()).replace(b"t-", b"u-"))
    text = theirs.read_bytes()
    if seen:
        await desk.tenants.open()
    with pytest.raises(FileTakenError) as taken:
        await desk.put(desk.text(), None, create=True)
    assert (taken.value.file, taken.value.owner) == (theirs, BETA)
    assert theirs.read_bytes() == text
    theirs.write_text("slug: [\n")
    with pytest.raises(FileTakenError, match="tells no tenant's id"):
        await desk.put(desk.text(), None, create=True)
    theirs.unlink()
    desk.file.unlink(missing_ok=True)


async def test_a_new_tenants_own_file_is_replaced_when_it_is_broken_and_not_when_it_was_just_saved(desk: Desk) -> None:
    await desk.tenants.open()
    desk.file.write_bytes(desk.text(more="langage: pt\n"))
    with pytest.raises(StaleError):
        await desk.put(desk.text("1001"), None, create=True)
    await desk.watched()
    assert (await desk.put(desk.text("1001"), None, create=True)).number == 1
    assert (desk.file.read_bytes(), desk.problem) == (desk.text("1001"), "")


@pytest.mark.parametrize("restart", [False, True])
@pytest.mark.parametrize("broken", ["langage: pt\n", "name: a: b\n"])
async def test_a_file_that_an_editor_broke_is_replaced(desk: Desk, broken: str, restart: bool) -> None:
    first = await desk.begin()
    desk.file.write_bytes(desk.text("1002", broken))
    await (desk.restarted() if restart else desk.watched())
    assert ((await desk.now()).digest, desk.problem != "", desk.rings("1000")) == (first, True, 1)
    published = await desk.put(desk.text(), first)
    assert (published.number, published.changed) == (1, False), "the text that answers, put back"
    assert (desk.file.read_bytes(), desk.problem) == (desk.text(), "")
    desk.file.write_bytes(desk.text("1002", broken))
    await desk.watched()
    assert (await desk.put(desk.text("1001"), first)).number == 2
    assert (desk.file.read_bytes(), desk.problem, desk.rings("1001")) == (desk.text("1001"), "", 2)


async def test_one_that_could_not_be_made_ready_is_replaced_and_tried_no_more(desk: Desk) -> None:
    desk.house.pipelines.broken = {desk.slug}
    desk.file.write_bytes(desk.text())
    await desk.tenants.open()
    assert desk.tenants.statuses[0].retry == "later"
    desk.house.pipelines.broken = set()
    assert (await desk.put(desk.text("1001"), None, create=True)).number == 1
    assert [(status.problem, status.retry, status.next_try) for status in desk.tenants.statuses] == [("", None, None)]
    assert not desk.tenants._retries.waits(desk.file)


async def test_what_a_trial_should_stand_beside_and_cannot_answer_is_told_and_tried_again(desk: Desk) -> None:
    first = await desk.begin()
    await desk.publishing.remove(desk.tenant_id, expected=first)
    desk.house.pipelines.unready = {1}
    published = await desk.put(desk.text("1001", "canary: {share: 5}\n"), None, create=True)
    assert (published.number, len(published.problems)) == (2, 2)
    assert published.problems[0].startswith("revision 1, beside which it is to be tried, cannot answer: voice x")
    assert published.problems[0] in desk.problem
    await eventually(lambda: desk.tenants.statuses[0].retry == "later")
    assert (await desk.put(desk.text("1001"), published.digest)).problems == ()
    assert (desk.tenants.statuses[0].retry, desk.problem) == (None, "")
    assert not desk.tenants._retries.waits(desk.file)


async def test_one_that_was_off_the_air_when_its_file_was_broken_is_replaced_after_a_restart(desk: Desk) -> None:
    first = await desk.begin(desk.text(more="enabled: false\n"))
    desk.file.write_bytes(desk.text(more="langage: pt\n"))
    await desk.restarted()
    assert (desk.house.directory.tenants(), (await desk.now()).digest, (await desk.now()).number) == ([], first, 1)
    assert (await desk.put(desk.text("1001"), first)).number == 2
    assert (desk.file.read_bytes(), desk.problem, desk.rings("1001")) == (desk.text("1001"), "", 2)


async def test_the_tenants_file_is_the_one_that_it_has_whatever_its_name_and_the_slug(desk: Desk) -> None:
    for name in ("front.yml", "office.yaml"):
        desk.file = desk.file.with_name(name)
        first = await desk.begin()
        text = desk.text("1001").replace(f"slug: {desk.slug}".encode(), f"slug: {desk.slug}-x".encode())
        await desk.put(text, first)
        assert (desk.file.read_bytes(), len(files_of(desk.file.parent))) == (text, 1)
        desk.file.unlink()
        await desk.watched()


async def test_a_file_that_was_given_another_name_and_not_noticed_yet_is_found(desk: Desk) -> None:
    first = await desk.begin()
    desk.file = desk.file.rename(desk.file.with_name("office.yaml"))
    assert (await desk.put(desk.text("1001"), first)).number == 2
    assert files_of(desk.file.parent) == [desk.file]
    assert "remove" not in desk.asked, "no call was cut off by it"


async def test_a_text_that_was_saved_and_not_noticed_yet_is_not_written_over(desk: Desk) -> None:
    first = await desk.begin()
    desk.file.write_bytes(desk.text("1005"))
    with pytest.raises(StaleError) as stale:
        await desk.put(desk.text("1001"), first)
    assert stale.value.current_digest == sha256(desk.text("1005"))
    assert desk.rings("1005") == 2
    desk.file.unlink()
    with pytest.raises(TenantUnknownError):
        await desk.put(desk.text("1001"), sha256(desk.text("1005")))
    assert desk.house.directory.tenants() == []


async def test_nor_is_one_that_is_saved_after_the_first_look(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    first = await desk.begin()
    digest_of, saved = put.digest_of, False

    async def then_it_is_saved(file: Path) -> str | None:
        nonlocal saved
        said = await digest_of(file)
        if not saved:
            saved = True
            desk.file.write_bytes(desk.text("1005"))
        return said

    monkeypatch.setattr(put, "digest_of", then_it_is_saved)
    with pytest.raises(StaleError) as stale:
        await desk.put(desk.text("1001"), first)
    assert stale.value.current_digest == sha256(desk.text("1005"))
    assert (desk.asked, desk.file.read_bytes()) == (["load 1", "activate 1"], desk.text("1005"))


async def test_a_file_that_becomes_another_tenants_just_now_is_not_taken(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    await desk.begin()
    other = TenantId(str(uuid.uuid4()))
    theirs = desk.text("2000").replace(desk.tenant_id.encode(), other.encode()).replace(b"t-", b"u-")
    go_on, answers_now = asyncio.Event(), desk.tenants._answers_now

    async def slowly(document: TenantDocument) -> None:
        await go_on.wait()
        await answers_now(document)

    monkeypatch.setattr(desk.tenants, "_answers_now", slowly)
    desk.file.write_bytes(theirs)
    watching = asyncio.create_task(desk.watched())
    await eventually(lambda: desk.tenants.owners.get(other) == desk.file)
    with pytest.raises(FileTakenError) as taken:
        await desk.publishing.put(other, theirs.replace(b"2000", b"2001"), expected=None, create=True)
    assert (taken.value.file, taken.value.owner) == (desk.file, desk.tenant_id)
    go_on.set()
    await watching
    assert [entry.tenant_id for entry in desk.house.directory.tenants()] == [other]


async def test_of_two_puts_at_once_one_wins(desk: Desk) -> None:
    first = await desk.begin()
    desk.house.pipelines.slow.clear()
    puts = [asyncio.create_task(desk.put(desk.text(str(number)), first)) for number in (1001, 1002, 1003)]
    await asyncio.wait(puts, timeout=0.05)
    desk.house.pipelines.slow.set()
    told = await asyncio.gather(*puts, return_exceptions=True)
    (won,) = (index for index, one in enumerate(told) if not isinstance(one, BaseException))
    lost = [one for one in told if isinstance(one, StaleError)]
    text = desk.text(str(1001 + won))
    assert (len(lost), desk.file.read_bytes(), await desk.numbers()) == (2, text, [2, 1])
    assert {one.current_digest for one in lost} == {sha256(text)}
    assert desk.rings(str(1001 + won)) == 2


async def test_of_two_new_tenants_of_one_slug_one_gets_the_file(desk: Desk) -> None:
    await desk.tenants.open()
    desk.house.pipelines.slow.clear()
    theirs = desk.text("2000").replace(desk.tenant_id.encode(), BETA.encode())
    puts = [
        asyncio.create_task(desk.put(desk.text(), None, create=True)),
        asyncio.create_task(desk.publishing.put(BETA, theirs, expected=None, create=True)),
    ]
    await asyncio.wait(puts, timeout=0.05)
    desk.house.pipelines.slow.set()
    told = await asyncio.gather(*puts, return_exceptions=True)
    assert sorted(isinstance(one, DocumentError) for one in told) == [False, True]
    won = desk.text() if isinstance(told[1], DocumentError) else theirs
    assert desk.file.read_bytes() == won
    await desk.watched()
    assert (len(desk.house.directory.tenants()), desk.problem) == (1, "")


async def test_another_process_that_stores_meanwhile_wins(desk: Desk) -> None:
    first = await desk.begin()
    desk.house.pipelines.slow.clear()
    putting = asyncio.create_task(desk.put(desk.text("1001"), first))
    await eventually(lambda: desk.asked[-1] == "load 2")
    row = TenantRow(slug=desk.slug, domain="x.example.net", name="X")
    await desk.house.revisions.put(desk.tenant_id, row, "e" * 64, b"theirs")
    desk.house.pipelines.slow.set()
    with pytest.raises(StaleError) as stale:
        await putting
    assert stale.value.current_digest == "e" * 64
    assert (desk.asked[2:4], desk.file.read_bytes()) == (["load 2", "discard 2"], desk.text())


async def test_what_an_editor_saves_while_a_put_is_loaded_wins(desk: Desk) -> None:
    first = await desk.begin()
    desk.house.pipelines.slow.clear()
    putting = asyncio.create_task(desk.put(desk.text("1001"), first))
    await eventually(lambda: desk.asked[-1] == "load 2")
    desk.file.write_bytes(desk.text("1002"))
    watching = asyncio.create_task(desk.watched())
    await asyncio.wait([watching], timeout=0.05)
    desk.house.pipelines.slow.set()
    with pytest.raises(StaleError) as stale:
        await putting
    await watching
    assert stale.value.current_digest == sha256(desk.text("1002"))
    assert (desk.file.read_bytes(), desk.rings("1002"), await desk.numbers()) == (desk.text("1002"), 2, [2, 1])


async def test_a_put_waits_for_the_file_that_is_being_published_and_is_stale_then(desk: Desk) -> None:
    first = await desk.begin()
    desk.house.pipelines.slow.clear()
    desk.file.write_bytes(desk.text("1002"))
    watching = asyncio.create_task(desk.watched())
    await eventually(lambda: desk.asked[-1] == "load 2")
    putting = asyncio.create_task(desk.put(desk.text("1001"), first))
    await asyncio.wait([putting], timeout=0.05)
    desk.house.pipelines.slow.set()
    with pytest.raises(StaleError):
        await putting
    await watching
    assert (desk.file.read_bytes(), await desk.numbers(), desk.problem) == (desk.text("1002"), [2, 1], "")


async def test_a_text_that_the_watch_read_before_a_put_is_not_published_after_it(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await desk.begin()
    read, was_read, go_on = desk.tenants.reader.read, asyncio.Event(), asyncio.Event()

    async def slowly(file: Path) -> object:
        document = await read(file)
        was_read.set()
        await go_on.wait()
        return document

    monkeypatch.setattr(desk.tenants.reader, "read", slowly)
    watching = asyncio.create_task(desk.watched())
    await was_read.wait()
    await desk.put(desk.text("1001"), first)
    go_on.set()
    await watching
    assert (await desk.numbers(), desk.rings("1001"), desk.problem) == ([2, 1], 2, "")


async def test_a_file_that_is_removed_while_a_put_is_loaded_takes_the_tenant_along(desk: Desk) -> None:
    first = await desk.begin()
    desk.house.pipelines.slow.clear()
    putting = asyncio.create_task(desk.put(desk.text("1001"), first))
    await eventually(lambda: desk.asked[-1] == "load 2")
    desk.file.unlink()
    desk.house.pipelines.slow.set()
    with pytest.raises(StaleError) as stale:
        await putting
    assert stale.value.current_digest is None
    await desk.watched()
    assert desk.house.directory.tenants() == []


async def test_a_file_that_was_away_for_a_moment_while_a_put_was_loaded_keeps_its_tenant(desk: Desk) -> None:
    first = await desk.begin()
    desk.house.pipelines.slow.clear()
    putting = asyncio.create_task(desk.put(desk.text("1001"), first))
    await eventually(lambda: desk.asked[-1] == "load 2")
    desk.file.unlink()
    watching = asyncio.create_task(desk.watched())
    await eventually(lambda: desk.tenants.statuses == ())
    desk.file.write_bytes(desk.text())
    desk.house.pipelines.slow.set()
    assert (await putting).number == 2
    await watching
    assert (desk.rings("1001"), desk.problem, desk.asked[-1]) == (2, "", "activate 2")


async def test_a_tenant_that_waits_to_be_loaded_and_one_that_was_unloaded_are_put(
    tmp_path: Path, stages: Stages, revisions: RevisionStore
) -> None:
    desk = Desk(tmp_path, stages, revisions, eager=0, budget_mb=-1.0)
    first = await desk.begin()
    assert (desk.asked, (await desk.now()).number, await desk.numbers()) == ([], None, [])
    published = await desk.put(desk.text("1001"), first)
    assert (published.number, desk.rings("1001"), desk.file.read_bytes()) == (1, 1, desk.text("1001"))
    await desk.tenants.warm(desk.tenant_id)
    assert desk.asked == ["load 1", "activate 1"]
    desk.house.write("beta", BETA)
    await desk.watched()
    assert desk.asked[-1] == "remove", "it was unloaded to make room"
    assert desk.tenants.statuses[-1].waiting
    assert (await desk.put(desk.text("1002"), published.digest)).number == 2
    assert desk.rings("1002") == 2
    assert [*desk.house.pipelines.loaded] == [desk.tenant_id], "the other one made room"
    await desk.tenants.close()


async def test_the_text_that_waits_to_be_loaded_is_loaded_when_it_is_put(
    tmp_path: Path, stages: Stages, revisions: RevisionStore
) -> None:
    desk = Desk(tmp_path, stages, revisions, eager=0, budget_mb=-1.0)
    first = await desk.begin()
    published = await desk.put(desk.text(), first)
    assert (published.number, published.changed, desk.asked) == (1, True, ["load 1", "activate 1"])
    await desk.tenants.close()


async def test_a_tenant_is_taken_off_the_air_and_put_on_it_again(desk: Desk) -> None:
    digest = await desk.begin()
    for number, (more, answers) in enumerate([("enabled: false\n", False), ("", True), ("enabled: false\n", False)], 2):
        published = await desk.put(desk.text(more=more), digest)
        digest = published.digest
        assert (published.number, desk.tenant_id in desk.house.pipelines.loaded) == (number, answers)
        assert desk.house.directory.tenant(desk.tenant_id).enabled is answers
        assert (desk.file.read_bytes(), (await desk.now()).number) == (desk.text(more=more), number)
        await desk.watched()
    with pytest.raises(TenantUnknownError):
        desk.rings("1000")
    await desk.restarted()
    assert (await desk.numbers(), (await desk.now()).number) == ([4, 3, 2, 1], 4)


async def test_a_tenant_that_is_removed_takes_no_call_and_keeps_its_revisions(desk: Desk) -> None:
    first = await desk.begin()
    for expected in (None, sha256(b"x")):
        with pytest.raises(StaleError):
            await desk.publishing.remove(desk.tenant_id, expected=expected)
    await desk.publishing.remove(desk.tenant_id, expected=first)
    assert (desk.file.exists(), desk.asked[-1], desk.tenants.statuses) == (False, "remove", ())
    assert desk.house.directory.tenants() == []
    with pytest.raises(TenantUnknownError):
        await desk.publishing.remove(desk.tenant_id, expected=first)
    await desk.watched()
    await desk.restarted()
    assert await desk.publishing.current(desk.tenant_id) is None
    assert [one.number for one in await desk.publishing.revisions(desk.tenant_id)] == [1]
    assert (await desk.put(desk.text("1001"), None, create=True)).number == 2


async def test_a_process_that_is_killed_between_store_and_file_leaves_the_former_text_whole(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    class KilledError(BaseException):
        pass

    async def killed(self: object) -> None:
        raise KilledError

    first = await desk.begin()
    draft = desk.file.with_name(f".{desk.file.name}.{desk.tenant_id}.new")
    with monkeypatch.context() as patched:
        patched.setattr("tenants.next_text.NextText.take_place", killed)
        with pytest.raises(KilledError):
            await desk.put(desk.text("1001"), first)
    draft.write_bytes(desk.text("1001"))  # a process that is killed takes nothing away
    assert await desk.numbers() == [2, 1], "it was stored, and nobody was told"
    await desk.restarted()
    assert (desk.file.read_bytes(), desk.rings("1000"), desk.problem) == (desk.text(), 3, "")
    assert files_of(desk.file.parent) == [desk.file]
    assert (await desk.put(desk.text("1001"), first)).number == 4
    assert not draft.exists()


@pytest.mark.parametrize("new", [False, True])
async def test_a_file_that_cannot_take_its_place_at_last_takes_back_what_answers(desk: Desk, new: bool) -> None:
    first = None if new else await desk.begin()
    if new:
        await desk.tenants.open()
    publish = desk.house.revisions.put

    async def then_the_disk_fails(*stored: object, **how: object) -> object:
        row = await publish(*stored, **how)  # type: ignore[arg-type]
        desk.file.with_name(f".{desk.file.name}.{desk.tenant_id}.new").unlink()
        desk.house.revisions.put = publish  # type: ignore[method-assign]
        return row

    desk.house.revisions.put = then_the_disk_fails  # type: ignore[method-assign,assignment]
    with pytest.raises(NotWrittenError):
        await desk.put(desk.text("1001"), first, create=new)
    if new:
        assert (desk.house.directory.tenants(), desk.tenants.statuses) == ([], ())
    else:
        assert (desk.rings("1000"), desk.file.read_bytes(), desk.problem) == (3, desk.text(), "")
        assert (await desk.now()).digest == first
