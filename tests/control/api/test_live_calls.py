"""Calls that are going on, by way of the API: seen, spoken into, sent on, ended."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from base.ids import CallId, TenantId
from control.peer import Say
from tests.calls.callers import SPEECH
from tests.control.api.house import ACME, BRAVO, ApiHouse, api_house, document, problem
from tests.pipelines.virtual import eventually

pytestmark = [pytest.mark.postgres, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house() -> AsyncIterator[ApiHouse]:
    async with api_house(watch=False) as opened:
        yield opened


def heard(house: ApiHouse, call: CallId) -> list[str]:
    live = house.service.board.call(None, call)
    return [] if live is None else [turn.text for turn in live.transcript]


async def ended(house: ApiHouse, tenant_id: TenantId, call_id: CallId) -> dict[str, object]:
    """The record of a call, as the API has it once the database has."""
    await house.service.stored(tenant_id, call_id, timeout_s=10)
    return (await house.ask("GET", f"/calls/{call_id}", "tenant-viewer", tenant_id)).json()  # type: ignore[no-any-return]


async def test_a_live_call_shows_its_transcript(house: ApiHouse) -> None:
    async with house.call(ACME) as call:
        listed = (await house.ask("GET", "/live-calls", "tenant-viewer", ACME)).json()["items"]
        assert [one["call"]["id"] for one in listed] == [call]
        told = (await house.ask("GET", f"/live-calls/{call}", "tenant-viewer", ACME)).json()
    assert [(turn["role"], turn["text"]) for turn in told["transcript"]] == [("assistant", "Welcome to acme")]
    assert told["call"]["number"] == "100"


async def test_a_call_in_course_shows_what_was_asked_and_where_the_time_of_the_answer_went(house: ApiHouse) -> None:
    """While it goes on: the same words, and the same waterfall, are in its record afterwards."""
    path = f"/tenants/{BRAVO}/document"
    stands = (await house.ask("GET", path)).headers["etag"]
    text = document(BRAVO).replace("llm.mock}", 'llm.mock, config: {answers: ["From eight to six."]}}')
    assert (await house.ask("PUT", path, content=text, headers={"If-Match": stands})).status_code == 200
    async with house.call(BRAVO, then=(Say(SPEECH),)) as call:
        await eventually(lambda: len(heard(house, call)) == 3, limit_s=30.0)
        told = (await house.ask("GET", f"/live-calls/{call}", "tenant-viewer", BRAVO)).json()
        assert [view["turns"] for view in (await house.ask("GET", "/live-calls")).json()["items"]] == [3]
        assert (await house.ask("POST", f"/live-calls/{call}/hang-up", "tenant-admin", BRAVO)).status_code == 204
        record = await ended(house, BRAVO, call)
    greeting, question, answer = told["transcript"]
    assert [(turn["role"], turn["text"]) for turn in (greeting, question, answer)] == [
        ("assistant", "Welcome to bravo"),
        ("caller", "What are your opening hours?"),
        ("assistant", "From eight to six."),
    ]
    assert (told["turns"], told["dropped"], told["caller_speaking"]) == (3, 0, False)
    assert greeting["at"] < question["at"] < answer["at"]
    assert (greeting["waterfall"], question["waterfall"]) == (None, None)
    steps = answer["waterfall"]
    order = ("vad_stop", "turn_wait", "turn_end", "first_sentence", "first_tts_audio", "first_audio")
    assert [steps[name] for name in order] == sorted(steps[name] for name in order), steps
    assert 0 < steps["vad_stop"] < steps["transcript"] <= steps["turn_end"]
    assert [turn["waterfall"] for turn in record["turns"]] == [None, None, steps]  # type: ignore[attr-defined]


async def test_live_calls_come_in_pages(house: ApiHouse) -> None:
    async with house.call(ACME) as first, house.call(ACME) as second:
        newer = (await house.ask("GET", "/live-calls", params={"limit": 1})).json()
        assert [one["call"]["id"] for one in newer["items"]] == [second]
        older = (await house.ask("GET", "/live-calls", params={"limit": 1, "cursor": newer["next"]})).json()
        assert [one["call"]["id"] for one in older["items"]] == [first]
        assert older["next"] is None
    for wrong in ({"limit": 0}, {"limit": 201}, {"cursor": "x"}):
        assert problem(await house.ask("GET", "/live-calls", params=wrong)) == (400, "bad-request")


async def test_the_platform_may_say_whose_call_it_means(house: ApiHouse) -> None:
    async with house.call(ACME) as call:
        for path in ("", "/hang-up"):
            method = "POST" if path else "GET"
            told = await house.ask(method, f"/live-calls/{call}{path}", params={"domain_uuid": BRAVO})
            assert problem(told) == (404, "not-found")
        assert house.service.board.call(ACME, call) is not None
        ended_now = await house.ask("POST", f"/live-calls/{call}/hang-up", params={"domain_uuid": ACME})
        assert ended_now.status_code == 204
        await house.service.stored(ACME, call, timeout_s=10)


async def test_an_operators_sentence_is_heard_and_written_down(house: ApiHouse) -> None:
    async with house.call(ACME) as call:
        said = await house.ask("POST", f"/live-calls/{call}/say", "tenant-admin", ACME, json={"text": "One moment"})
        assert said.status_code == 204, said.text
        await eventually(lambda: heard(house, call)[1:] == ["One moment"], limit_s=10.0)
        assert (await house.ask("POST", f"/live-calls/{call}/hang-up", "tenant-admin", ACME)).status_code == 204
        record = await ended(house, ACME, call)
    assert record["end_reason"] == "ended_by_operator"
    assert "One moment" in [turn["text"] for turn in record["turns"]]  # type: ignore[attr-defined]
    assert problem(await house.ask("POST", f"/live-calls/{call}/hang-up", "tenant-admin", ACME)) == (404, "not-found")


async def test_a_caller_is_sent_on_to_a_number_of_the_dialplan_and_to_nothing_else(house: ApiHouse) -> None:
    async with house.call(ACME) as call:
        for wrong in ("", "200|hangup", "user/200", "200 XML default", "${x}", "2" * 40):
            told = await house.ask("POST", f"/live-calls/{call}/transfer", "tenant-admin", ACME, json={"number": wrong})
            assert problem(told) == (400, "bad-request"), wrong
            assert [error["path"] for error in told.json()["errors"]] in (["$.number"], ["number"]), told.text
        sent = await house.ask("POST", f"/live-calls/{call}/transfer", "tenant-admin", ACME, json={"number": "200"})
        assert sent.status_code == 204, sent.text
        assert (await ended(house, ACME, call))["end_reason"] == "transferred"


@pytest.mark.parametrize("body", [{}, {"text": ""}, {"text": "  "}, {"text": "x" * 501}, {"text": 1}, {"txt": "x"}, []])
async def test_a_sentence_that_is_none_is_told_by_its_field(house: ApiHouse, body: object) -> None:
    async with house.call(ACME) as call:
        told = await house.ask("POST", f"/live-calls/{call}/say", "tenant-admin", ACME, json=body)
    assert problem(told) == (400, "bad-request")
    assert told.json()["errors"], told.text


async def test_a_post_that_is_sent_again_acts_once(house: ApiHouse) -> None:
    async with house.call(ACME) as call:

        async def say(text: str, key: str) -> tuple[int, str | None]:
            path, named = f"/live-calls/{call}/say", {"Idempotency-Key": key}
            told = await house.ask("POST", path, "tenant-admin", ACME, json={"text": text}, headers=named)
            return told.status_code, told.headers.get("idempotency-replayed")

        assert await say("Only once", "a") == (204, None)
        assert await say("Only once", "a") == (204, "true")
        assert await say("Something else", "a") == (422, None)
        assert await say("And this", "b") == (204, None)
        await eventually(lambda: "And this" in heard(house, call), limit_s=10.0)
        assert heard(house, call) == ["Welcome to acme", "Only once", "And this"]
