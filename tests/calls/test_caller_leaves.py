"""A caller may hang up at any moment: the row says so, nothing stays, the next one is answered."""

import asyncio

from control.peer import HangUp, Say, Script, Wait, WireEvent
from tests.calls.callers import SPEECH, STAYS, document, hears, tenant
from tests.calls.house import House, Rung, house

SLOW = document(
    stt={"transcripts": ["tell me all"], "latency_s": 0.3},
    llm={"answers": ["One two three four. Five six seven eight."], "latency_s": 0.3, "word_s": 0.05},
    tts={"latency_s": 0.1, "chunk_s": 0.01},
)
"""Every stage takes its time, so that each is met at work."""
CONVERSES = Script(steps=(hears(), Say(SPEECH), hears(), Wait(30)), limit_s=30)
ANSWER_S = 0.4
VOICE = {"word_s": ANSWER_S / 2}
WORDS = ["Welcome to us", "tell me all", "One two three four. Five six seven eight."]


async def leaves(home: House, after_s: float) -> Rung:
    """A call whose caller hangs up so long after the first ring."""
    call = home.dial(CONVERSES)
    hanging_up = asyncio.get_running_loop().call_later(after_s, call.hang_up)
    try:
        return await home.ring(call)
    finally:
        hanging_up.cancel()


async def next_one_is_answered(home: House) -> None:
    call = await home.call(Script(steps=(hears(), HangUp()), limit_s=10))
    assert call.heard() == ["Welcome to us"]


def ended_in_order(call: Rung) -> None:
    """As the end of a call whose caller left."""
    assert (call.result.ended_by, call.result.hazards) == ("caller", ())
    if call.found is None:
        assert not call.result.answered
        return
    record = call.record
    assert (record.end_reason, record.errors) == ("caller_hangup", ())
    assert record.hangup_cause == call.result.cause
    for turn, words in zip(record.turns, WORDS, strict=False):
        assert words.startswith(turn.text)
    assert len(record.turns) <= len(WORDS)


async def test_while_the_door_opens() -> None:
    async with house(SLOW) as home:
        calls = []
        for ms in (*range(0, 168, 4), 5000):
            calls.append(asyncio.create_task(leaves(home, ms / 1000)))
            await asyncio.sleep(0.02)
        seen = [await call for call in calls]
        for call in seen:
            ended_in_order(call)
        assert sum(call.found is None for call in seen) < 30, "some were let in"
        assert not any(call.result.answered for call in seen[:2])
        assert seen[-1].result.answered
        await next_one_is_answered(home)


async def test_while_it_converses() -> None:
    async with house(SLOW) as home:
        calls = []
        for tenths in (*range(1, 50, 3), 90):
            calls.append(asyncio.create_task(leaves(home, tenths / 10)))
            await asyncio.sleep(0.035)
        seen = [await call for call in calls]
        for call in seen:
            ended_in_order(call)
            assert call.found is not None
        turns = [len(call.record.turns) for call in seen]
        assert turns == sorted(turns)
        assert turns[0] == 0
        assert turns[-1] == 3
        await next_one_is_answered(home)


async def test_while_the_service_ends_the_call() -> None:
    """Both ends let go at about the same time: whoever was first, there is one end and one row."""
    requests = {"hangup": "goodbye", "operator": "operator"}
    raws = [
        document(
            f"t{n}", tenant_id=tenant(n), number=str(n), tts=VOICE, llm={"answers": ["All right"], "request": request}
        )
        for n, request in enumerate(requests)
    ]
    async with house(*raws) as home:

        async def races(place: int, offset_s: float) -> Rung:
            """The caller hangs up so long after the answer's last sample."""
            loop = asyncio.get_running_loop()
            voices: list[float] = []

            def look(event: WireEvent) -> None:
                if event.what == "assistant_speaks":
                    voices.append(event.t_ms)
                    if len(voices) == 2:
                        loop.call_later(ANSWER_S + offset_s, call.hang_up)

            script = Script(steps=(hears(), Say(SPEECH), STAYS), limit_s=20)
            call = home.dial(script, home.dialed(str(place), tenant_id=tenant(place)), on_event=look)
            return await home.ring(call)

        async def race(place: int, reason: str) -> None:
            # Some are sure to be first, and some to be last, on a machine that is slow as well.
            offsets_ms = (-400, *range(-180 + 10 * place, 80, 20), 8000)
            seen = await asyncio.gather(*(races(place, ms / 1000) for ms in offsets_ms))
            for call in seen:
                assert call.record.end_reason in {reason, "caller_hangup"}
                assert call.record.errors == ()
                assert call.result.hazards == ()
                assert call.result.ended_by in {"caller", "service", "dialplan"}
            assert {call.record.end_reason for call in seen} == {reason, "caller_hangup"}, "it was run both ways"

        await asyncio.gather(*(race(place, reason) for place, reason in enumerate(requests.values())))
