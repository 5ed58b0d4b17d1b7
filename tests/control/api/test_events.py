"""What happened, by way of the API: pages, the stream that goes on, and what calls and changes leave there."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from base.ids import TenantId
from pipelines.events import EventData, EventKind, event
from tenants.api_keys import Role
from tests.control.api.house import ACME, BRAVO, ApiHouse, api_house, document, problem
from tests.pipelines.virtual import eventually

pytestmark = [pytest.mark.postgres, pytest.mark.asyncio(loop_scope="module")]

DOCUMENT = f"/tenants/{ACME}/document"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house() -> AsyncIterator[ApiHouse]:
    async with api_house(watch=False) as opened:
        yield opened


async def items(house: ApiHouse, role: Role = "tenant-admin", tenant: TenantId | None = ACME, **params: Any) -> Any:
    told = await house.ask("GET", "/events", role, tenant, params=params)
    assert told.status_code == 200, told.text
    return told.json()["items"]


async def last(house: ApiHouse) -> int:
    return await house.service.events.last()


async def happens(
    house: ApiHouse, subject: str, tenant: TenantId | None = ACME, kind: EventKind = "call.ended"
) -> None:
    await house.service.events.append(tenant, event(tenant, house.service.clock.now(), kind, subject))
    house.service.feed.wake()


class Stream:
    """One that is open: its status, its headers, and its messages by and by."""

    def __init__(self) -> None:
        self.started = asyncio.Event()
        self.status = 0
        self.headers: dict[str, str] = {}
        self.text = ""
        self.over = False

    @property
    def messages(self) -> list[dict[str, Any]]:
        lines = [line for line in self.text.splitlines() if line.startswith("data: ")]
        return [msgspec.json.decode(line.removeprefix("data: ")) for line in lines]

    @property
    def subjects(self) -> list[str]:
        return [message["subject"] for message in self.messages]

    async def send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {name.decode(): value.decode() for name, value in message["headers"]}
            self.started.set()
        else:
            self.text += message["body"].decode("utf-8", "replace")
            self.over = not message.get("more_body")


@asynccontextmanager
async def stream(house: ApiHouse, key: str, query: str = "", **headers: str) -> AsyncIterator[Stream]:
    """`httpx` waits for the end of an answer; this one has none, so the application is asked as a server would."""
    gone, found = asyncio.Event(), Stream()
    sent = {"authorization": f"Bearer {key}", "accept": "text/event-stream", "accept-encoding": "gzip", **headers}
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": "/api/v1/events",
        "raw_path": b"/api/v1/events",
        "root_path": "",
        "query_string": query.encode(),
        "headers": [(name.replace("_", "-").encode(), value.encode()) for name, value in sent.items()],
        "client": ("127.0.0.1", 1),
        "server": ("atende.test", 80),
        "state": {},
    }
    asked = False

    async def receive() -> Any:
        nonlocal asked
        if not asked:
            asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await gone.wait()
        return {"type": "http.disconnect"}

    answering = asyncio.create_task(house.app(scope, receive, found.send))  # type: ignore[arg-type]
    try:
        async with asyncio.timeout(10):
            await found.started.wait()
        yield found
    finally:
        gone.set()
        await asyncio.wait_for(answering, 10)


async def test_pages_go_on_and_have_ids_that_grow(house: ApiHouse) -> None:
    begin = await last(house)
    for number in range(5):
        await happens(house, str(number))
    told = (await house.ask("GET", "/events", "tenant-viewer", ACME, params={"after": begin, "limit": 2})).json()
    assert [one["subject"] for one in told["items"]] == ["0", "1"]
    more = (
        await house.ask("GET", "/events", "tenant-viewer", ACME, params={"cursor": told["next"], "limit": 200})
    ).json()
    assert [one["subject"] for one in more["items"]] == ["2", "3", "4"]
    assert more["next"] is None
    ids = [one["id"] for one in told["items"] + more["items"]]
    assert ids == sorted(set(ids))
    assert set(told["items"][0]) == {"id", "tenant_id", "at", "kind", "subject", "data"}


async def test_who_sees_what(house: ApiHouse) -> None:
    begin = await last(house)
    await happens(house, "acme's")
    await happens(house, "bravo's", BRAVO)
    await happens(house, "here", None, "disk.low")
    seen = {
        (role, tenant): [one["subject"] for one in await items(house, role, tenant, after=begin)]
        for role, tenant in house.keys
    }
    assert seen["platform-viewer", None] == seen["platform-admin", None] == ["acme's", "bravo's", "here"]
    assert seen["tenant-admin", ACME] == seen["tenant-viewer", ACME] == ["acme's"]
    assert [one["subject"] for one in await items(house, "platform-viewer", None, after=begin, domain_uuid=BRAVO)] == [
        "bravo's"
    ]
    told = await house.ask("GET", "/events", "tenant-admin", ACME, params={"domain_uuid": BRAVO})
    assert problem(told) == (404, "not-found")


async def test_kinds_are_picked_out_and_others_are_a_mistake(house: ApiHouse) -> None:
    begin = await last(house)
    await happens(house, "a", kind="call.started")
    await happens(house, "b")
    found = await items(house, after=begin, kind=["call.ended", "canary.started"])
    assert [one["subject"] for one in found] == ["b"]
    for params in ({"kind": "call.answered"}, {"after": "-1"}, {"after": str(2**63)}, {"limit": "0"}, {"after": "x"}):
        told = await house.ask("GET", "/events", "tenant-admin", ACME, params=params)
        assert problem(told) == (400, "bad-request"), params


async def test_a_key_that_was_made_and_revoked_is_told_to_administrators(house: ApiHouse) -> None:
    begin = await last(house)
    made = await house.ask("POST", "/keys", "tenant-admin", ACME, json={"role": "tenant-viewer", "name": "secret name"})
    key = made.json()["made"]["key"]
    for _ in range(2):
        await house.ask("DELETE", f"/keys/{key}", "tenant-admin", ACME)
    found = await items(house, after=begin)
    assert [(one["kind"], one["subject"], one["data"]) for one in found] == [
        ("key.created", key, {"role": "tenant-viewer"}),
        ("key.revoked", key, {}),
    ]
    assert await items(house, "tenant-viewer", ACME, after=begin) == []
    assert await items(house, "tenant-viewer", ACME, after=begin, kind="key.created") == []
    assert await items(house, "tenant-admin", BRAVO, after=begin) == []


async def test_a_call_is_told_when_it_begins_and_ends_without_a_word_or_a_number(house: ApiHouse) -> None:
    begin = await last(house)
    kinds = {"kind": ["call.started", "call.ended"]}
    async with stream(house, house.keys["tenant-viewer", ACME]) as followed:
        async with house.call(ACME) as call:
            await eventually(lambda: followed.subjects == [call], 10.0)
            assert followed.messages[0]["kind"] == "call.started"
            await house.ask("POST", f"/live-calls/{call}/hang-up", "tenant-admin", ACME)
        await eventually(lambda: followed.subjects == [call, call], 10.0)
    found = await items(house, after=begin, **kinds)
    assert [(one["kind"], one["subject"]) for one in found] == [("call.started", call), ("call.ended", call)]
    assert found == followed.messages
    assert found[0]["data"] == {"assistant": "ana", "revision": 1}
    assert found[1]["data"]["end_reason"] == "ended_by_operator"
    assert found[1]["data"]["turns"] == 1
    assert found[1]["data"]["duration_s"] > 0
    assert not ({"welcome", "100"} & set(followed.text.lower().replace('"', " ").split()))


async def test_what_becomes_of_documents_is_told(house: ApiHouse) -> None:
    begin = await last(house)

    async def put(text: str) -> str:
        now = (await house.ask("GET", DOCUMENT)).headers["etag"]
        told = await house.ask("PUT", DOCUMENT, content=text, headers={"If-Match": now})
        assert told.status_code == 200, told.text
        return str((await house.ask("GET", DOCUMENT)).headers["etag"])

    first = await house.service.publishing.current(ACME)
    assert first is not None
    etag = await put(document(ACME, greeting="Hello"))
    told = await house.ask("POST", f"/tenants/{ACME}/revisions/{first.number}/activate", headers={"If-Match": etag})
    assert told.status_code == 200, told.text
    await put(document(ACME, more="canary: {share: 50}\n", greeting="Trying"))
    assert (await house.ask("POST", f"/tenants/{ACME}/canary/abort")).status_code == 200
    await put(document(ACME, more="canary: {share: 50}\n", greeting="Trying again"))
    assert (await house.ask("POST", f"/tenants/{ACME}/canary/promote")).status_code == 200
    await put((await house.service.publishing.revision(ACME, first.number or 1)).document.decode())
    expected = [
        ("document.published", 2), ("document.published", 3), ("document.rolled_back", 3), ("canary.started", 4),
        ("document.published", 5), ("canary.aborted", 5), ("canary.started", 6), ("document.published", 7),
        ("canary.promoted", 7), ("document.published", 8),
    ]  # fmt: skip
    found: list[Any] = []
    async with asyncio.timeout(10):
        while len(found) < len(expected):
            found = await items(house, after=begin)
    # What goes by the spool may come behind what is kept with the document.
    by_revision = sorted(found, key=lambda one: (one["data"]["revision"], one["id"]))
    assert [(one["kind"], one["data"]["revision"]) for one in by_revision] == expected
    assert by_revision[2]["data"]["former"] == first.number


async def test_a_document_that_cannot_be_used_and_one_that_goes_are_told(house: ApiHouse) -> None:
    files = [house.service.settings.tenants_dir / f"{slug}.yaml" for slug in ("acme", "bravo")]
    texts = [file.read_text() for file in files]
    files[0].write_text(texts[0].replace("language", "langage"))
    files[1].unlink()
    begin = await last(house)
    await house.service.folder.look_again()
    found: list[Any] = []
    async with asyncio.timeout(10):
        while len(found) < 2:
            found = await items(house, "platform-admin", None, after=begin)
    for file, text in zip(files, texts, strict=True):
        file.write_text(text)
    await house.service.folder.look_again()
    entry = house.service.directory.tenant(ACME)
    facts = {one["kind"]: (one["tenant_id"], one["subject"], one["data"]) for one in found}
    assert facts == {
        "document.failed": (ACME, "acme", {"revision": entry.revision, "problems": 1}),
        "tenant.removed": (BRAVO, "bravo", {}),
    }


async def test_a_stream_goes_out_as_it_comes_and_begins_now(house: ApiHouse) -> None:
    await happens(house, "before")
    async with stream(house, house.keys["tenant-viewer", ACME]) as followed:
        assert followed.status == 200
        assert followed.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert "content-encoding" not in followed.headers, "compression would keep it back"
        await happens(house, "bravo's", BRAVO)
        await happens(house, "now")
        await eventually(lambda: followed.subjects == ["now"])
        assert house.service.feed.streams == 1
    await eventually(lambda: house.service.feed.streams == 0)


async def test_who_comes_again_goes_on_behind_what_he_had(house: ApiHouse) -> None:
    begin, key = await last(house), house.keys["platform-viewer", None]
    for number in range(3):
        await happens(house, str(number), BRAVO if number == 1 else ACME)
    async with stream(house, key, f"after={begin}") as followed:
        await eventually(lambda: followed.subjects == ["0", "1", "2"])
        second = followed.messages[1]["id"]
    async with stream(house, key, f"after={begin}", last_event_id=str(second)) as followed:
        await happens(house, "3")
        await eventually(lambda: followed.subjects == ["2", "3"])
    async with stream(house, key, f"after={begin}&domain_uuid={BRAVO}&kind=call.ended") as followed:
        await happens(house, "4", BRAVO)
        await eventually(lambda: followed.subjects == ["1", "4"])


async def test_streams_of_a_key_are_bounded(house: ApiHouse) -> None:
    key = await house.key("tenant-viewer", ACME)
    async with (
        stream(house, key), stream(house, key), stream(house, key), stream(house, key), stream(house, key),
        stream(house, key) as refused,
    ):  # fmt: skip
        assert refused.status == 429
        assert refused.headers["content-type"].startswith("application/problem+json")
    async with stream(house, key) as again:
        assert again.status == 200


async def test_a_stream_of_a_revoked_key_ends(house: ApiHouse) -> None:
    made = await house.ask("POST", "/keys", "tenant-admin", ACME, json={"role": "tenant-viewer", "name": "x"})
    async with stream(house, made.json()["secret"]) as followed:
        key = made.json()["made"]["key"]
        assert (await house.ask("DELETE", f"/keys/{key}", "tenant-admin", ACME)).status_code == 204
        await eventually(lambda: followed.over, 5.0)


async def test_without_a_database_streams_go_on_until_the_service_is_stopped() -> None:
    async with api_house(watch=False) as house:
        key = house.keys["tenant-viewer", ACME]
        async with stream(house, key) as followed:
            await house.database_goes()
            told = await house.ask("GET", "/events", "tenant-viewer", ACME)
            assert problem(told) == (503, "unavailable")
            house.service.call_log.tell(event(ACME, house.service.clock.now(), "call.ended", str(uuid.uuid4())))
            await eventually(lambda: any((house.service.settings.data_dir / "spool").glob("*.event")))
            assert not followed.over
            house.service.drain()
            await eventually(lambda: followed.over, 5.0)
        async with stream(house, key) as refused:
            assert refused.status == 503


async def test_words_of_a_stream_are_json_on_one_line(house: ApiHouse) -> None:
    reason = "3 of 20\ncalls failed\r\ndata: x"
    begin = await last(house)
    told = event(ACME, house.service.clock.now(), "canary.aborted", "1\n2", EventData(reason=reason))
    async with stream(house, house.keys["tenant-viewer", ACME], f"after={begin}") as followed:
        await house.service.events.append(ACME, told)
        await eventually(lambda: len(followed.messages) == 1)
        assert followed.messages[0]["data"] == {"reason": reason}
        assert followed.text.count("data: {") == 1
