"""How a wire begins and ends beside the ordinary: a switch that starts anew, many at once, a codec as it comes."""

import asyncio

import pytest

from control.peer import Codec, Dtmf, HangUp, Hears, Say, Script, Wait, WaitFor, WireEvent
from control.peer.call import PeerCall
from control.phone import PhoneOptions
from tests.calls.callers import SPEECH, STAYS, document, hears
from tests.calls.house import House, Rung, house
from transports.freeswitch.call_unicast import UnicastOptions
from transports.freeswitch.transport import FreeSwitchTransport
from transports.freeswitch.words import WIRE_VARIABLE, WIRES

sockets = pytest.mark.parametrize("wire", ["audio_fork", "audio_stream"])


async def call(home: House, wire: str, script: Script) -> Rung:
    return await home.call(script, home.dialed(variables={WIRE_VARIABLE: wire}))


async def test_g711_as_it_comes_is_a_conversation_like_any_other() -> None:
    """Keys and the stream's beginning come as filler of the linear size; another codec is decoded by the switch."""
    octets = {Codec.PCMU: 160, Codec.PCMA: 160, Codec.OPUS: 1920}
    answers = document(llm={"answers": ["At nine"]}, turn={"wait_s": 0.6})
    async with house(answers, unicast=UnicastOptions(native=True)) as home:
        steps = (hears(), Dtmf("5#"), Wait(0.8), Say(SPEECH), hears(), HangUp())
        seen = await asyncio.gather(*(call(home, "unicast", Script(steps=steps, codec=codec)) for codec in octets))
        for rung, size in zip(seen, octets.values(), strict=True):
            assert rung.heard() == ["Welcome to us", "At nine"]
            assert set(rung.result.downlink.sizes) == {size}
            assert rung.result.uplink.filler > 10
            assert (rung.record.errors, rung.result.hazards) == ((), ())


async def test_keys_reach_the_pipeline_on_every_wire(monkeypatch: pytest.MonkeyPatch) -> None:
    pressed: list[str] = []
    into = FreeSwitchTransport.dtmf

    def dtmf(transport: FreeSwitchTransport, digit: str, duration_ms: int) -> None:
        pressed.append(digit)
        into(transport, digit, duration_ms)

    monkeypatch.setattr(FreeSwitchTransport, "dtmf", dtmf)
    async with house(document()) as home:
        script = Script(steps=(hears(), Dtmf("5#"), Wait(0.5), HangUp()))
        await asyncio.gather(*(call(home, wire, script) for wire in WIRES))
    assert sorted(pressed) == sorted("5#" * len(WIRES))


async def test_a_switch_that_starts_anew_loses_its_calls_and_is_served_again() -> None:
    async with house(document(llm={"answers": ["At nine"]})) as home:

        def lost(wire: str) -> PeerCall:
            def look(event: WireEvent) -> None:
                if event.what == "assistant_speaks":
                    ringing.switch_ends()

            ringing = home.dial(Script(steps=(STAYS,)), home.dialed(variables={WIRE_VARIABLE: wire}), on_event=look)
            return ringing

        seen = await asyncio.gather(*(home.ring(lost(wire)) for wire in WIRES))
        assert [rung.record.end_reason for rung in seen] == ["lost"] * len(WIRES)
        assert home.media_server.open_sockets == 0
        script = Script(steps=(hears(), Say(SPEECH), hears(), HangUp()))
        for again in await asyncio.gather(*(call(home, wire, script) for wire in WIRES)):
            assert again.heard() == ["Welcome to us", "At nine"]


async def test_ten_calls_at_once_and_nobody_hears_another() -> None:
    async with house(document(llm={"answers": ["At nine"]})) as home:
        script = Script(steps=(WaitFor(what=Hears.SPEECH_START), hears(), Say(SPEECH), hears(), HangUp()))
        by_turns = [("audio_fork", "audio_stream")[n % 2] for n in range(10)]
        seen = await asyncio.gather(*(call(home, wire, script) for wire in by_turns))
        assert all(rung.heard() == ["Welcome to us", "At nine"] for rung in seen)
        assert home.media_server.taken == 10


async def test_a_wire_that_is_not_served_leaves_the_call_to_the_dialplan() -> None:
    async with house(document()) as home:
        rung = await call(home, "carrier_pigeon", Script(steps=(STAYS,), limit_s=5))
        assert (rung.result.ended_by, rung.result.door, rung.result.answered) == ("dialplan", "failed", False)


async def test_the_service_may_prefer_the_fork() -> None:
    async with house(document(), options=PhoneOptions(wire="audio_fork")) as home:
        rung = await home.call(Script(steps=(hears(), HangUp())))
        assert rung.heard() == ["Welcome to us"]
        assert home.media_server.taken == 1
