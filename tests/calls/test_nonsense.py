"""Malformed event sockets and datagrams: the call ends in order or goes on, the dialplan falls back, the door lives."""

import asyncio
import random
import socket
from collections.abc import Callable

import pytest

from control.peer import HangUp, Say, Script, Switch, Wait, WireEvent
from control.peer.call import PeerCall
from tests.calls.callers import SPEECH, document, hears
from tests.calls.house import House, Rung, house
from tests.calls.meddler import Meddler, meddler

CONVERSES = Script(steps=(hears(), Wait(20)), limit_s=12)

OPENINGS = {
    "nothing": b"",
    "a web browser": b"GET / HTTP/1.1\r\nHost: atende\r\n\r\n",
    "TLS": bytes.fromhex("16030100c8010000c40303") + bytes(200),
    "zeros": bytes(5000),
    "no end of headers": b"Event-Name: " + b"x" * 600_000,
    "many headers": b"".join(b"A%d: b\n" % n for n in range(20_000)) + b"\n",
    "a huge body": b"Content-Type: command/reply\nContent-Length: 99999999999\n\n",
    "a negative body": b"Content-Type: command/reply\nContent-Length: -1\n\n",
    "a body cut short": b"Content-Type: text/event-plain\nContent-Length: 500\n\nEvent-Name: HEAR",
    "a reply without a call": b"Content-Type: command/reply\nReply-Text: +OK\n\n" * 3,
    "an event before its time": b"Content-Type: text/event-plain\nContent-Length: 23\n\nEvent-Name: HEARTBEAT\n\n",
    "a refusal": b"Content-Type: text/rude-rejection\nContent-Length: 4\n\nno!\n",
    "blank lines": b"\n" * 100_000,
    "letters of no alphabet": bytes(range(128, 256)) * 20 + b"\n\n",
}


async def visit(home: House, data: bytes, *, reset: bool = False) -> None:
    """Connect, say something, and leave; or be shown out, whichever comes first."""
    reader, writer = await asyncio.open_connection(*home.door.address)
    try:
        assert await reader.read(64) == b"connect\n\n"
        writer.write(data)
        async with asyncio.timeout(0.4):
            await writer.drain()
            await reader.read()
    except (TimeoutError, ConnectionError):
        pass
    finally:
        if reset:
            writer.transport.abort()
        writer.close()


async def answers(home: House) -> None:
    """The next call is as any other."""
    call = await home.call(Script(steps=(hears(), HangUp()), limit_s=10))
    assert (call.heard(), call.record.errors) == (["Welcome to us"], ())


async def test_whoever_connects_with_nonsense_disturbs_no_call() -> None:
    async with house(document()) as home:
        meanwhile = asyncio.create_task(answers(home))
        await asyncio.gather(*(visit(home, data) for data in OPENINGS.values()))
        await asyncio.gather(*(visit(home, data, reset=True) for data in OPENINGS.values()))
        await meanwhile
        await answers(home)
        assert len(home.log.opened_calls) == 2


async def meddled(home: House, at: str, meddle: Callable[[Meddler], None]) -> Rung:
    """A call under which somebody meddles when this is first seen on the wire."""
    meddling: list[asyncio.Task[None]] = []

    async def meddles() -> None:
        await between.between.wait()
        meddle(between)

    def look(event: WireEvent) -> None:
        if event.what == at and not meddling:
            meddling.append(asyncio.create_task(meddles()))

    async with meddler(home.door.address) as between, Switch(*between.address) as switch:
        call = await home.ring(switch.dial(home.dialed(), CONVERSES, on_event=look), switch)
    assert meddling[0].done()
    return call


MEDDLES: dict[str, Callable[[Meddler], None]] = {
    "garbage": lambda wire: wire.say(b"\x00\xff garbage without a colon\n\n"),
    "endless headers": lambda wire: wire.say(b"A: " + b"x" * 600_000),
    "a huge body": lambda wire: wire.say(b"Content-Type: text/event-plain\nContent-Length: 999999999\n\n"),
    "half a message, then the end": lambda wire: (wire.say(b"Content-Le"), wire.hang_up())[0],
    "a reply to nothing": lambda wire: wire.say(b"Content-Type: command/reply\nReply-Text: +OK\n\n" * 20),
    "an unknown kind": lambda wire: wire.say(b"Content-Type: text/surprise\nContent-Length: 2\n\nhi"),
    "an event that lies about its body": lambda wire: wire.say(
        b"Content-Type: text/event-plain\nContent-Length: 42\n\nEvent-Name: DTMF\nContent-Length: 999999\n\nab\n"
    ),
    "a reset": Meddler.cut,
    "an end": Meddler.hang_up,
}


@pytest.mark.parametrize("at", ["connected", "answered", "media", "assistant_speaks"])
async def test_an_event_socket_that_breaks_sends_the_call_on(at: str) -> None:
    async with house(document()) as home:
        seen = await asyncio.gather(*(meddled(home, at, meddle) for meddle in MEDDLES.values()))
        for name, call in zip(MEDDLES, seen, strict=True):
            assert (call.result.ended_by, call.result.door) == ("dialplan", "failed"), name
            assert call.result.ended_ms < 3000, name
            assert call.result.hazards == (), name
            if call.found is not None or at != "connected":
                assert call.record.end_reason == "lost", (name, call.record)
        await answers(home)


HARMLESS: dict[str, bytes] = {
    "another call's end": b"Event-Name: CHANNEL_HANGUP_COMPLETE\nUnique-ID: 11111111-2222-4333-8444-555555555555\n",
    "another call's key": b"Event-Name: DTMF\nUnique-ID: 11111111-2222-4333-8444-555555555555\nDTMF-Digit: 1\n",
    "an event of no call": b"Event-Name: HEARTBEAT\nCore-UUID: x\n",
    "an event that nobody knows": b"Event-Name: SOMETHING_NEW\nA: %E2%98%8E%ff%00\n",
}


async def test_events_that_concern_others_change_nothing() -> None:
    def meddle(wire: Meddler) -> None:
        for body in HARMLESS.values():
            wire.say(b"Content-Type: text/event-plain\nContent-Length: %d\n\n" % (len(body) + 1) + body + b"\n")
            wire.say(b"Content-Type: log/data\nContent-Length: 3\nLog-Level: 7\n\nabc")

    async with house(document()) as home, meddler(home.door.address) as between:

        def look(event: WireEvent) -> None:
            if event.what == "media":
                meddle(between)

        async with Switch(*between.address) as switch:
            result = await switch.call(home.dialed(), Script(steps=(hears(), HangUp())), on_event=look)
        assert (result.ended_by, result.cause) == ("caller", "NORMAL_CLEARING")
        await answers(home)


async def test_a_call_s_greeting_with_any_byte_changed_is_survived() -> None:
    """Mutations of what a real call tells first; what is let in by luck is written down like any call."""
    chance = random.Random(20261122)
    async with house(document()) as home:
        async with meddler(home.door.address) as between:
            async with Switch(*between.address) as switch:
                await switch.call(home.dialed(), Script(steps=(HangUp(),)))
            told = bytes(between.said)
        told = told[: told.index(b"\n\n", told.index(b"\n\n") + 2)]

        async def mutated() -> None:
            data = bytearray(told)
            for _ in range(chance.choice((1, 1, 3, 30))):
                data[chance.randrange(len(data))] = chance.randrange(256)
            if chance.random() < 0.3:
                del data[chance.randrange(len(data)) :]
            await visit(home, bytes(data), reset=chance.random() < 0.5)

        for _ in range(3):
            await asyncio.gather(*(mutated() for _ in range(50)))
        await answers(home)


def media_port(call: PeerCall) -> int:
    """Where the service listens for this call's audio; the switch was told the next port."""
    [told] = [event.detail for event in call._observer.events if event.what == "media"]
    return int(told.rpartition(":")[2]) - 1


async def test_datagrams_that_are_not_audio_are_not_heard() -> None:
    """Of wrong sizes from FreeSWITCH itself, and of any size from somebody else."""
    chance = random.Random(7)
    async with house(document(limits={"silence_s": 60})) as home:
        sent = 0

        async def shower(call: PeerCall) -> None:
            nonlocal sent
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as foreign:
                while (stream := call.media._stream) is not None:
                    to = ("127.0.0.1", media_port(call))
                    foreign.sendto(SPEECH.samples[4000:4160].tobytes(), to)
                    foreign.sendto(chance.randbytes(chance.choice((0, 1, 319, 320, 321, 1400, 9000))), to)
                    for size in (0, 1, 160, 319, 321, 1400):
                        stream._socket.sendto(chance.randbytes(size), to)
                    sent += 8
                    await asyncio.sleep(0.01)

        showers: list[asyncio.Task[None]] = []

        def look(event: WireEvent) -> None:
            if event.what == "media":
                showers.append(asyncio.create_task(shower(call)))

        script = Script(steps=(hears(), Say(SPEECH), hears(), HangUp()), limit_s=20)
        call = home.dial(script, on_event=look)
        rung = await home.ring(call)
        await asyncio.gather(*showers)
        assert sent > 500
        assert rung.said() == [
            ("assistant", "Welcome to us"),
            ("caller", "What are your opening hours?"),
            ("assistant", "You asked: What are your opening hours?"),
        ]
        assert rung.record.errors == ()
        await answers(home)
