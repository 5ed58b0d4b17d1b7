"""Whatever the caller does and whichever stage fails: one record, the line given up once, no task left."""

from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.calls import CallRecord, Closed, Opened
from pipelines.spec import LimitsSpec, TurnSpec
from tests.pipelines.harness import assistant, ringing
from tests.pipelines.virtual import virtual

FAILING = st.fixed_dictionaries(
    {
        "failure": st.sampled_from(["none", "none", "raises", "hangs"]),
        "fail_on": st.lists(st.integers(0, 3), max_size=2),
    }
)
DOINGS = st.lists(
    st.tuples(st.floats(0.0, 8.0), st.sampled_from(["speaks", "coughs", "is told", "is left"])), max_size=8
)
ENDINGS = {
    "caller_hangup": [],
    "shutdown": ["failed"],
    "ended_by_operator": ["hang_up"],
    "transferred": ["transfer 600"],
}
REASONS = {"goodbye", "operator", "silence", "max_duration", "max_turns", "failure", *ENDINGS}


@settings(max_examples=60, deadline=None)
@given(
    stt=FAILING,
    llm=FAILING,
    tts=FAILING,
    transcripts=st.lists(st.sampled_from(["hello there", ""]), min_size=1, max_size=3),
    request=st.sampled_from(["none", "hangup", "operator"]),
    interruptible=st.booleans(),
    doings=DOINGS,
    ending=st.sampled_from([None, *ENDINGS]),
)
def test_every_call_ends_once(
    stt: dict[str, object],
    llm: dict[str, object],
    tts: dict[str, object],
    transcripts: list[str],
    request: str,
    interruptible: bool,
    doings: list[tuple[float, str]],
    ending: str | None,
) -> None:
    @virtual
    async def play() -> None:
        spec = assistant(
            limits=LimitsSpec(max_call_s=60, max_turns=3, silence_s=6, reprompts=1, answer_timeout_s=4),
            turn=TurnSpec(interruptible=interruptible),
            stt={**stt, "transcripts": transcripts},
            llm={**llm, "request": request, "request_on": 1, "answers": ["One two three four five six seven eight"]},
            tts=tts,
        )
        async with ringing(spec) as call:
            at = 0.0
            for pause, doing in doings:
                at += pause
                await call.until(at)
                if doing == "is told":
                    assert call.session.say("somebody is on the way")
                elif doing == "is left":
                    call.session.take_leave()
                else:
                    await call.caller.speaks(0.8 if doing == "speaks" else 0.1)
            if ending == "ended_by_operator":
                call.session.hang_up()
            elif ending == "transferred":
                call.session.transfer("600")
            elif ending is not None:
                call.session.end(ending)
            record = await call.record(limit_s=200.0)
        check(record, call.line.asked)
        assert [type(event) for event in call.events].count(Closed) == 1
        assert isinstance(call.events[0], Opened)
        assert isinstance(call.events[-1], Closed)

    play()


def check(record: CallRecord, asked: list[str]) -> None:
    assert record.end_reason in REASONS
    doors = {"failure": ["failed"], "operator": ["operator"], **ENDINGS}
    assert asked == doors.get(record.end_reason, ["hang_up"])
    assert all(turn.text for turn in record.turns)
    assert record.ended_at >= record.call.opened_at
