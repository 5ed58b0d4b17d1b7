"""A company's document by way of the API: put, refused with its places, rolled back, tried, removed."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tenants import next_text
from tenants.nodes import plain
from tenants.put_checks import MAX_DOCUMENT_BYTES
from tenants.yaml_nodes import compose
from tests.control.api.house import ACME, BRAVO, NOBODY, ApiHouse, api_house, document, problem
from tests.pipelines.virtual import eventually

pytestmark = [pytest.mark.postgres, pytest.mark.asyncio(loop_scope="module")]

DESK = f"/tenants/{ACME}"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house() -> AsyncIterator[ApiHouse]:
    async with api_house() as opened:
        yield opened


async def etag(house: ApiHouse, tenant: str = ACME) -> str:
    return (await house.ask("GET", f"/tenants/{tenant}/document")).headers["etag"]


async def put(house: ApiHouse, text: str | bytes, **sent: object) -> tuple[int, dict[str, object]]:
    """By the tenant's own administrator, in place of what is there."""
    headers = {"If-Match": await etag(house)}
    told = await house.ask("PUT", f"{DESK}/document", "tenant-admin", ACME, content=text, headers=headers, **sent)
    return told.status_code, told.json()


async def test_what_is_put_answers_and_is_in_the_file_and_in_the_database(house: ApiHouse) -> None:
    text = document(ACME, greeting="Good morning")
    status, told = await put(house, text)
    assert (status, told["changed"]) == (200, True)
    revision = told["revision"]
    stands = await house.ask("GET", f"{DESK}/document", "tenant-viewer", ACME)
    assert (stands.text, stands.headers["atende-revision"]) == (text, str(revision))
    assert (stands.headers["content-type"], stands.headers["etag"]) == ("application/yaml", f'"{told["digest"]}"')
    assert (house.service.settings.tenants_dir / "acme.yaml").read_text() == text
    async with house.call(ACME) as call:
        assert (await house.ask("GET", f"/live-calls/{call}")).json()["transcript"][0]["text"] == "Good morning to acme"
    assert await put(house, text) == (200, {**told, "changed": False})
    listed = (await house.ask("GET", f"{DESK}/revisions", "tenant-viewer", ACME)).json()["items"]
    assert [one["revision"] for one in listed] == list(range(int(str(revision)), 0, -1))


@pytest.mark.parametrize("escaped", [False, True])
async def test_json_is_taken_as_any_program_writes_it_and_told_again_as_such(house: ApiHouse, escaped: bool) -> None:
    wished = plain(compose(document(ACME).encode()))
    wished["name"] = "Acme \U0001f600"
    text = json.dumps(wished, ensure_ascii=escaped, indent="\t")
    status, told = await put(house, text)
    assert status == 200, told
    stands = await house.ask("GET", f"{DESK}/document", "tenant-viewer", ACME)
    assert (stands.content, stands.headers["content-type"]) == (text.encode(), "application/json")
    former = await house.ask("GET", f"{DESK}/revisions/{told['revision']}", "tenant-viewer", ACME)
    assert (former.content, former.headers["content-type"]) == (text.encode(), "application/json")
    status, told = await put(house, text.replace('"language"', '"langage"'))
    line = 1 + text[: text.index('"language"')].count("\n")
    assert (status, [(one["path"], one["line"]) for one in told["errors"]]) == (422, [("$.langage", line)])


async def test_a_live_call_changes_over_to_what_is_put(house: ApiHouse) -> None:
    async with house.call(ACME) as call:
        status, told = await put(house, document(ACME, greeting="Changed over"))
        assert status == 200
        board = house.service.board
        await eventually(lambda: [live.revision for live in board.calls(ACME)] == [told["revision"]], limit_s=10.0)
        assert (await house.ask("GET", f"/live-calls/{call}")).json()["revision"] == told["revision"]


async def test_every_mistake_is_told_with_its_place(house: ApiHouse) -> None:
    before = await etag(house)
    broken = document(ACME).replace("language: en", "langage: en").replace("stt.mock", "stt.mok")
    headers = {"If-Match": before}
    told = await house.ask("PUT", f"{DESK}/document", "tenant-admin", ACME, content=broken, headers=headers)
    assert problem(told) == (422, "invalid-document")
    places = {(error["path"], error.get("line")) for error in told.json()["errors"]}
    assert {("$.langage", 5), ("$.assistants[0].pipeline[1].use", 13)} <= places, told.text
    assert "stt.mock" in told.text, "with the fix"
    assert await etag(house) == before


@pytest.mark.parametrize("text", ["", "- x", "a: b: c", "{", "x: &a 1\ny: *a\n", "\x00", b"\xff\xfe", "id: 1\nid: 2\n"])
async def test_what_is_no_document_is_told(house: ApiHouse, text: str | bytes) -> None:
    status, told = await put(house, text)
    assert (status, told["type"]) == (422, "urn:atende:problem:invalid-document")
    assert told["errors"]


async def test_who_has_not_seen_what_is_there_replaces_nothing(house: ApiHouse) -> None:
    text = document(ACME, greeting="Stale")
    for headers, expected in (
        ({}, (428, "precondition-required")),
        ({"If-Match": '"0"'}, (412, "stale")),
        ({"If-Match": f"W/{await etag(house)}"}, (412, "stale")),
        ({"If-Match": '"0", "1"'}, (412, "stale")),
        ({"If-Match": (await etag(house)).strip('"')}, (400, "bad-request")),
        ({"If-Match": await etag(house), "If-None-Match": "*"}, (412, "stale")),
        ({"If-None-Match": await etag(house)}, (400, "bad-request")),
    ):
        told = await house.ask("PUT", f"{DESK}/document", "tenant-admin", ACME, content=text, headers=headers)
        assert problem(told) == expected
    now = await etag(house)
    asked = [
        house.ask(
            "PUT",
            f"{DESK}/document",
            "tenant-admin",
            ACME,
            content=document(ACME, greeting=f"Racer {number}"),
            headers={"If-Match": now},
        )
        for number in range(4)
    ]
    statuses = sorted(told.status_code for told in await asyncio.gather(*asked))
    assert statuses == [200, 412, 412, 412], "exactly one wins"


async def test_one_of_several_or_whatever_is_there_is_replaced(house: ApiHouse) -> None:
    for number, condition in enumerate((f'"0", {await etag(house)}', "*")):
        text, headers = document(ACME, greeting=f"Number {number}"), {"If-Match": condition}
        told = await house.ask("PUT", f"{DESK}/document", "tenant-admin", ACME, content=text, headers=headers)
        assert told.status_code == 200, told.text
        assert (await house.ask("GET", f"{DESK}/document")).text == text
    path = f"/tenants/{NOBODY}/document"
    nothing = await house.ask("PUT", path, content=document(NOBODY), headers={"If-Match": "*"})
    assert problem(nothing) == (404, "not-found"), "it makes none"
    weak = await house.ask("DELETE", f"{DESK}/document", headers={"If-Match": f"W/{await etag(house)}"})
    assert problem(weak) == (412, "stale")


async def test_a_text_that_is_known_is_not_sent_again(house: ApiHouse) -> None:
    for path in (f"{DESK}/document", f"{DESK}/revisions/1"):
        first = await house.ask("GET", path, "tenant-viewer", ACME)
        tag = first.headers["etag"]
        for known in (tag, f"W/{tag}", f'"0", {tag}', "*"):
            told = await house.ask("GET", path, "tenant-viewer", ACME, headers={"If-None-Match": known})
            assert (told.status_code, told.content, told.headers["etag"]) == (304, b"", tag), known
            assert told.headers["atende-revision"] == first.headers["atende-revision"]
        told = await house.ask("GET", path, "tenant-viewer", ACME, headers={"If-None-Match": '"0"'})
        assert (told.status_code, told.content) == (200, first.content)
        foreign = await house.ask("GET", path, "tenant-viewer", BRAVO, headers={"If-None-Match": "*"})
        assert problem(foreign) == (404, "not-found")


async def test_what_is_stale_is_told_before_it_is_read(house: ApiHouse) -> None:
    headers = {"If-Match": '"0"'}
    told = await house.ask("PUT", f"{DESK}/document", "tenant-admin", ACME, content="{", headers=headers)
    assert problem(told) == (412, "stale")


async def test_a_document_of_endless_values_is_not_read_to_its_end(house: ApiHouse) -> None:
    status, told = await put(house, "x: [" + "1," * 100_000 + "1]\n")
    assert (status, told["type"]) == (422, "urn:atende:problem:invalid-document")
    assert "more than 30000 keys and values" in str(told["errors"])


async def test_a_dry_run_changes_nothing(house: ApiHouse) -> None:
    before = await etag(house)
    status, told = await put(house, document(ACME, greeting="Perhaps"), params={"dry_run": "true"})
    assert (status, told["changed"]) == (200, True)
    assert await etag(house) == before


async def test_what_is_too_large_is_not_read(house: ApiHouse) -> None:
    headers = {"If-Match": await etag(house)}
    large = document(ACME) + "#" * MAX_DOCUMENT_BYTES
    told = await house.ask("PUT", f"{DESK}/document", "tenant-admin", ACME, content=large, headers=headers)
    assert problem(told) == (413, "too-large")


async def test_a_company_does_not_move_itself(house: ApiHouse) -> None:
    """Whose telephones ring, and from which switch calls come, is the platform's to say."""
    moves = (("domain", "bravo.example.net"), ("slug", "other"), ("switch", "default"), ("enabled", "false"))
    for field, other in moves:
        text = document(ACME)
        lines = [line for line in text.splitlines() if not line.startswith(f"{field}:")]
        status, told = await put(house, "\n".join([f"{field}: {other}", *lines]))
        assert (status, [error["path"] for error in told["errors"]]) == (422, [f"$.{field}"]), told  # type: ignore[attr-defined]
        assert "bravo" not in str(told)
    foreign = document(ACME).replace(f"id: {ACME}", f"id: {BRAVO}", 1)
    status, told = await put(house, foreign)
    assert (status, [error["path"] for error in told["errors"]]) == (422, ["$.id"])  # type: ignore[attr-defined]


async def test_a_former_text_comes_back_under_a_new_number(house: ApiHouse) -> None:
    await put(house, document(ACME, greeting="Newest"))
    headers = {"If-Match": await etag(house)}
    former = await house.ask("GET", f"{DESK}/revisions/1", "tenant-viewer", ACME)
    newest = (await house.ask("GET", f"{DESK}/revisions", "tenant-viewer", ACME)).json()["items"][0]["revision"]
    told = await house.ask("POST", f"{DESK}/revisions/1/activate", "tenant-admin", ACME, headers=headers)
    assert (told.status_code, told.json()["revision"]) == (200, newest + 1)
    stands = await house.ask("GET", f"{DESK}/document", "tenant-viewer", ACME)
    assert (stands.content, stands.headers["atende-revision"]) == (former.content, str(newest + 1))
    diff = await house.ask("GET", f"{DESK}/revisions/{newest}/diff", "tenant-viewer", ACME, params={"to": newest + 1})
    assert "-    texts: {greeting: Newest to acme}" in diff.text
    assert "+    texts: {greeting: Welcome to acme}" in diff.text
    for path in (f"{DESK}/revisions/999", f"{DESK}/revisions/999/diff?to=1", f"{DESK}/revisions/1/diff?to=999"):
        assert problem(await house.ask("GET", path, "tenant-viewer", ACME)) == (404, "not-found")
    for path in (f"{DESK}/revisions/0", f"{DESK}/revisions/{2**31}", f"{DESK}/revisions/x"):
        assert problem(await house.ask("GET", path, "tenant-viewer", ACME))[0] in (400, 404)


async def test_a_company_goes_back_to_no_text_with_which_the_platform_had_it_elsewhere(house: ApiHouse) -> None:
    """Revision 1 has it enabled: the platform's word since then stands."""
    path, stood = f"{DESK}/document", (await house.ask("GET", f"{DESK}/document")).text
    off = stood.replace("language: en", "language: en\nenabled: false", 1)
    assert (await house.ask("PUT", path, content=off, headers={"If-Match": await etag(house)})).status_code == 200
    told = await house.ask(
        "POST", f"{DESK}/revisions/1/activate", "tenant-admin", ACME, headers={"If-Match": await etag(house)}
    )
    assert (problem(told), told.json()["errors"][0]["path"]) == ((422, "invalid-document"), "$.enabled")
    assert (await house.ask("GET", DESK, "tenant-viewer", ACME)).json()["state"] == "disabled"
    assert (await house.ask("PUT", path, content=stood, headers={"If-Match": await etag(house)})).status_code == 200
    assert (await house.ask("GET", DESK, "tenant-viewer", ACME)).json()["state"] in ("ready", "preparing")


async def test_a_dry_run_of_a_former_text_changes_nothing(house: ApiHouse) -> None:
    await put(house, document(ACME, greeting="Stands"))
    before = await etag(house)
    told = await house.ask(
        "POST",
        f"{DESK}/revisions/1/activate",
        "tenant-admin",
        ACME,
        headers={"If-Match": before},
        params={"dry_run": "true"},
    )
    assert (told.status_code, told.json()["changed"]) == (200, True)
    assert await etag(house) == before


async def test_a_live_call_ends_on_what_it_began_with_where_that_is_asked_for(house: ApiHouse) -> None:
    async with house.call(ACME) as call:
        began = house.service.board.calls(ACME)[0].revision
        status, told = await put(house, document(ACME, greeting="For others"), params={"swap": "drain"})
        assert (status, told["changed"]) == (200, True)
        await house.ask("POST", f"/live-calls/{call}/hang-up", "tenant-admin", ACME)
        record = await house.service.stored(ACME, call, timeout_s=10)
    assert record.revisions == (began,)


async def test_what_is_not_there_is_told_by_its_stage_and_what_answered_answers(house: ApiHouse) -> None:
    before = await etag(house)
    text = document(ACME).replace("use: stt.mock", "use: stt.whisper")
    status, told = await put(house, text)
    assert (status, told["type"]) == (424, "urn:atende:problem:not-loadable")
    assert "models pull" in str(told["errors"]), "with the fix"
    assert await etag(house) == before


async def test_a_folder_that_cannot_be_written_to_is_told_before_anything_is_changed(
    house: ApiHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(next_text, "_write", refused)
    before = await etag(house)
    status, told = await put(house, document(ACME, greeting="Never"))
    assert (status, told["type"]) == (409, "urn:atende:problem:conflict")
    assert await etag(house) == before


async def test_a_file_of_that_slug_that_is_anothers_is_left_alone_and_not_told_of(house: ApiHouse) -> None:
    """Of a slug that no other test has: the folder is watched, and may have taken the file up."""
    text = document(NOBODY).replace("newcomer", "stranger")
    file = house.service.settings.tenants_dir / "stranger.yaml"
    file.write_text(text.replace(NOBODY, "0f0f0f0f-0000-4000-8000-0000000000ff"))
    told = await house.ask("PUT", f"/tenants/{NOBODY}/document", content=text, headers={"If-None-Match": "*"})
    assert problem(told) == (409, "conflict")
    assert "0000000000ff" not in told.json().get("detail", "")
    file.unlink()


async def test_a_company_makes_no_company(house: ApiHouse) -> None:
    told = await house.ask(
        "PUT", f"{DESK}/document", "tenant-admin", ACME, content=document(ACME), headers={"If-None-Match": "*"}
    )
    assert problem(told) == (403, "forbidden")


async def test_a_trial_is_promoted_or_ended(house: ApiHouse) -> None:
    assert problem(await house.ask("POST", f"{DESK}/canary/promote", "tenant-admin", ACME)) == (409, "conflict")
    for verb, greeting in (("promote", "Tried"), ("abort", "Rejected")):
        stood = (await house.ask("GET", f"{DESK}/document")).text
        trial = document(ACME, greeting=greeting, more="canary: {share: 50}\n")
        status, told = await put(house, trial)
        assert status == 200, told
        shown = (await house.ask("GET", DESK, "tenant-viewer", ACME)).json()
        assert shown["on_trial"] == told["revision"]
        stale = await house.ask("POST", f"{DESK}/canary/{verb}", "tenant-admin", ACME, headers={"If-Match": '"0"'})
        assert problem(stale) == (412, "stale")
        weak = {"If-Match": f"W/{await etag(house)}"}
        assert problem(await house.ask("POST", f"{DESK}/canary/{verb}", "tenant-admin", ACME, headers=weak))[0] == 412
        ended = await house.ask("POST", f"{DESK}/canary/{verb}", "tenant-admin", ACME)
        assert ended.status_code == 200, ended.text
        now = await house.ask("GET", f"{DESK}/document")
        assert now.text == (document(ACME, greeting=greeting) if verb == "promote" else stood)
        assert (await house.ask("GET", DESK, "tenant-viewer", ACME)).json()["on_trial"] is None


async def test_a_trial_in_json_is_begun_again_by_a_post_and_its_text_stays_json_when_it_answers_all(
    house: ApiHouse,
) -> None:
    """What is on trial is a text with a `canary`, however it became the newest: by PUT, or by going back to it."""
    wished = plain(compose(document(ACME, greeting="Tried in JSON").encode()))
    whole = json.dumps({"canary": {"share": 50}, **wished}, indent="\t")
    status, told = await put(house, whole)
    assert status == 200, told
    first = told["revision"]
    assert (await house.ask("POST", f"{DESK}/canary/abort", "tenant-admin", ACME)).status_code == 200
    assert (await house.ask("GET", DESK, "tenant-viewer", ACME)).json()["on_trial"] is None
    headers = {"If-Match": await etag(house)}
    begun = await house.ask("POST", f"{DESK}/revisions/{first}/activate", "tenant-admin", ACME, headers=headers)
    assert begun.status_code == 200, begun.text
    assert (await house.ask("GET", DESK, "tenant-viewer", ACME)).json()["on_trial"] == begun.json()["revision"]
    assert (await house.ask("POST", f"{DESK}/canary/promote", "tenant-admin", ACME)).status_code == 200
    now = await house.ask("GET", f"{DESK}/document")
    assert (now.headers["content-type"], now.json()) == ("application/json", wished)
    assert now.text == json.dumps(wished, indent="\t")


async def test_the_platform_makes_a_company_and_takes_it_away(house: ApiHouse) -> None:
    path, fresh = f"/tenants/{NOBODY}/document", document(NOBODY)
    new = {"If-None-Match": "*"}
    assert problem(await house.ask("PUT", path, content=fresh)) == (428, "precondition-required")
    made = await house.ask("PUT", path, content=fresh, headers=new)
    assert (made.status_code, made.json()["revision"]) == (200, 1), made.text
    assert problem(await house.ask("PUT", path, content=fresh, headers=new)) == (412, "stale")
    shown = (await house.ask("GET", f"/tenants/{NOBODY}")).json()
    assert (shown["slug"], shown["state"], shown["assistants"][0]["numbers"]) == ("newcomer", "ready", ["100"])
    headers = {"If-Match": await etag(house, NOBODY)}
    assert (await house.ask("DELETE", path, headers=headers)).status_code == 204
    assert problem(await house.ask("GET", path)) == (404, "not-found")
    assert problem(await house.ask("GET", f"/tenants/{NOBODY}")) == (404, "not-found")
