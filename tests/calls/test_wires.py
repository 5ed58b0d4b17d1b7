"""One call, every wire: what a caller and an operator may rely on does not depend on how the audio goes."""

import asyncio

import numpy as np
import pytest
import soundfile

from control.peer import Codec, Dtmf, HangUp, Hears, Interrupt, Say, Script, Wait, WaitFor, WireEvent
from control.phone import WIRE_VARIABLE, PhoneOptions
from tests.calls.callers import SPEECH, STAYS, document, hears, speech
from tests.calls.house import House, Rung, house
from tests.calls.noises import COUGH
from transports.freeswitch.call_unicast import UnicastOptions

WIRES = ["unicast", "audio_fork", "audio_stream"]
LONG = "One two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen"
SOCKETS = WIRES[1:]
wires = pytest.mark.parametrize("wire", WIRES)


async def call(home: House, wire: str, script: Script) -> Rung:
    return await home.call(script, home.dialed(variables={WIRE_VARIABLE: wire}))


FRAMES = {
    "unicast": {Codec.PCMU: 320, Codec.L16_16K: 640, Codec.OPUS: 1920},
    "audio_fork": {Codec.PCMU: 320, Codec.L16_16K: 640, Codec.OPUS: 640},
}
"""Octets of 20 ms on the wire: unicast has the call's own rate, a fork the one that we ask for."""


@wires
@pytest.mark.parametrize("codec", [Codec.PCMU, Codec.L16_16K, Codec.OPUS])
async def test_greeting_turn_and_the_callers_hang_up(wire: str, codec: Codec) -> None:
    async with house(document(llm={"answers": ["At nine"]})) as home:
        rung = await call(home, wire, Script(steps=(hears(), Say(SPEECH), hears(), HangUp()), codec=codec))
        assert rung.heard() == ["Welcome to us", "At nine"]
        assert (rung.record.end_reason, rung.record.errors) == ("caller_hangup", ())
        assert rung.result.hazards == ()
        assert rung.result.downlink.octets > 8_000
        if wire in FRAMES:
            assert set(rung.result.downlink.sizes) == {FRAMES[wire][codec]}


@pytest.mark.parametrize(("codec", "octets"), [(Codec.PCMU, 160), (Codec.PCMA, 160), (Codec.OPUS, 1920)])
async def test_g711_as_it_comes_is_a_conversation_like_any_other(codec: Codec, octets: int) -> None:
    """Keys and the stream's beginning come as filler of the linear size; another codec is decoded by the switch."""
    answers = document(llm={"answers": ["At nine"]}, turn={"wait_s": 0.6})
    async with house(answers, unicast=UnicastOptions(native=True)) as home:
        steps = (hears(), Dtmf("5#"), Wait(0.8), Say(SPEECH), hears(), HangUp())
        rung = await call(home, "unicast", Script(steps=steps, codec=codec))
        assert rung.heard() == ["Welcome to us", "At nine"]
        assert set(rung.result.downlink.sizes) == {octets}
        assert rung.result.uplink.filler > 10
        assert (rung.record.errors, rung.result.hazards) == ((), ())


@wires
async def test_a_call_at_48_khz_is_recorded_at_the_rate_at_which_it_is_carried(wire: str) -> None:
    async with house(document(), record=True) as home:
        rung = await call(home, wire, Script(steps=(hears(), Say(SPEECH), hears(), HangUp()), codec=Codec.OPUS))
        assert rung.record.recording is not None
        samples, rate = soundfile.read(rung.folder / rung.record.recording)
        assert rate == 16000
        caller, assistant = np.abs(samples).max(axis=0)
        assert caller > 0.1
        assert assistant > 0.02


@wires
async def test_who_interrupts_is_heard_and_only_heard_words_are_kept(wire: str) -> None:
    async with house(document(llm={"answers": [LONG, "All right"]}, tts={"word_s": 0.25})) as home:
        steps = (hears(), Say(SPEECH), Interrupt(after_ms=800, say=speech("en_10")), hears(), HangUp())
        rung = await call(home, wire, Script(steps=steps))
        stopped_ms = rung.result.turns[1].barge_in_ms
        assert stopped_ms is not None
        assert stopped_ms < 500
        broken = rung.record.turns[2]
        assert broken.interrupted
        assert LONG.startswith(broken.text)
        assert 0 < len(broken.text.split()) * 0.25 < rung.voices_s[1] + 0.3
        assert rung.heard()[-1] == "All right"


@wires
async def test_after_a_cough_the_sentence_goes_on(wire: str) -> None:
    mind = {"answers": [LONG]}
    ear = {"transcripts": ["when do you open", ""]}
    async with house(document(llm=mind, stt=ear, tts={"word_s": 0.25})) as home:
        steps = (hears(), Say(SPEECH), Interrupt(after_ms=900, say=COUGH), hears(), HangUp())
        rung = await call(home, wire, Script(steps=steps))
        cough = rung.result.turns[1]
        assert cough.barge_in_ms is not None
        assert cough.barge_in_ms < 500
        assert cough.response_ms is not None
        assert cough.response_ms < 1000
        assert rung.heard()[-1] == LONG
        assert [turn.role for turn in rung.record.turns].count("caller") == 1


@wires
async def test_our_hang_up_comes_after_the_last_word(wire: str) -> None:
    async with house(document(llm={"answers": ["Good bye to you"], "request": "hangup"}, tts={"word_s": 0.2})) as home:
        rung = await call(home, wire, Script(steps=(hears(), Say(SPEECH), STAYS)))
        assert (rung.result.ended_by, rung.result.cause) == ("service", "NORMAL_CLEARING")
        assert rung.heard()[-1] == "Good bye to you"
        assert rung.voices_s[-1] == pytest.approx(0.8, abs=0.2)
        assert (rung.record.end_reason, rung.record.errors) == ("goodbye", ())


@wires
async def test_a_call_is_given_back_to_the_dialplan_and_nothing_listens_in_any_more(wire: str) -> None:
    async with house(document(llm={"answers": ["I put you through"], "request": "operator"})) as home:
        rung = await call(home, wire, Script(steps=(hears(), Say(SPEECH), STAYS)))
        assert (rung.result.ended_by, rung.result.door, rung.result.answered) == ("dialplan", "operator", True)
        assert rung.record.end_reason == "operator"
        assert home.media_server.open_sockets == 0


@wires
async def test_keys_are_told(wire: str) -> None:
    async with house(document(llm={"answers": ["At nine"]})) as home:
        steps = (hears(), Dtmf("5#"), Wait(0.8), Say(SPEECH), hears(), HangUp())
        rung = await call(home, wire, Script(steps=steps))
        assert rung.heard()[-1] == "At nine"
        assert rung.record.errors == ()


@wires
async def test_a_long_answer_is_heard_whole_and_without_a_gap(wire: str) -> None:
    async with house(document(llm={"answers": [LONG]}, tts={"word_s": 0.25})) as home:
        ringing = home.dial(
            Script(steps=(hears(), Say(SPEECH), hears(), HangUp())), home.dialed(variables={WIRE_VARIABLE: wire})
        )
        rung = await home.ring(ringing)
        assert rung.heard()[-1] == LONG
        first, *voices = ringing.media.ears.voices
        voices = [voice for voice in voices if voice.start > first.end + 0.5]
        assert sum(voice.end - voice.start for voice in voices) == pytest.approx(15 * 0.25, abs=0.12)
        assert voices[-1].end - voices[0].start == pytest.approx(15 * 0.25, abs=0.2)


@pytest.mark.parametrize("wire", SOCKETS)
async def test_a_media_socket_that_is_lost_ends_the_call_in_order(wire: str) -> None:
    async with house(document(llm={"answers": ["At nine"]})) as home:

        def look(event: WireEvent) -> None:
            if event.what == "assistant_speaks":
                for socket in tuple(home.media_server._sockets):
                    assert socket._transport is not None
                    socket._transport.abort()

        ringing = home.dial(
            Script(steps=(hears(), STAYS), limit_s=8),
            home.dialed(variables={WIRE_VARIABLE: wire}),
            on_event=look,
        )
        rung = await home.ring(ringing)
        assert (rung.result.ended_by, rung.result.door) == ("dialplan", "failed")
        assert rung.record.end_reason == "lost"


@wires
async def test_a_switch_that_starts_anew_loses_its_calls_and_is_served_again(wire: str) -> None:
    async with house(document(llm={"answers": ["At nine"]})) as home:

        def look(event: WireEvent) -> None:
            if event.what == "assistant_speaks":
                ringing.switch_ends()

        ringing = home.dial(Script(steps=(STAYS,)), home.dialed(variables={WIRE_VARIABLE: wire}), on_event=look)
        rung = await home.ring(ringing)
        assert rung.record.end_reason == "lost"
        assert home.media_server.open_sockets == 0
        again = await call(home, wire, Script(steps=(hears(), Say(SPEECH), hears(), HangUp())))
        assert again.heard() == ["Welcome to us", "At nine"]


@pytest.mark.parametrize("wire", SOCKETS)
async def test_ten_calls_at_once_and_nobody_hears_another(wire: str) -> None:
    async with house(document(llm={"answers": ["At nine"]})) as home:
        script = Script(steps=(WaitFor(what=Hears.SPEECH_START), hears(), Say(SPEECH), hears(), HangUp()))
        seen = await asyncio.gather(*(call(home, wire, script) for _ in range(10)))
        assert all(rung.heard() == ["Welcome to us", "At nine"] for rung in seen)


async def test_a_wire_that_is_not_served_leaves_the_call_to_the_dialplan() -> None:
    async with house(document()) as home:
        rung = await call(home, "carrier_pigeon", Script(steps=(STAYS,), limit_s=5))
        assert (rung.result.ended_by, rung.result.door, rung.result.answered) == ("dialplan", "failed", False)


async def test_the_service_may_prefer_the_fork() -> None:
    async with house(document(), options=PhoneOptions(wire="audio_fork")) as home:
        rung = await home.call(Script(steps=(hears(), HangUp())))
        assert rung.heard() == ["Welcome to us"]
        assert home.media_server.taken == 1
