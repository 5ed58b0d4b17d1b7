"""Texts at the media edge: in their place among what is said, on both sides."""

from collections.abc import Awaitable, Callable

import pytest
from pipecat.frames.frames import (
    ErrorFrame,
    InputAudioRawFrame,
    InputTextRawFrame,
    InterruptionFrame,
    OutputTransportMessageFrame,
    OutputTransportMessageUrgentFrame,
    TTSAudioRawFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)

from base.speech import VadEdge
from tests.transports.freeswitch.edge import RATE, Call, Ear, calling, settle, tone
from transports.freeswitch.errors import CallEndedError, LocalProtocolError, MediaUnavailableError


class Sent:
    """What went out, and after how many beats with sound."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.call: Call
        self.texts: list[tuple[str, int]] = []

    async def __call__(self, text: str) -> None:
        if self.error is not None:
            raise self.error
        self.texts.append((text, sum(self.call.sounding)))


def sending(send: Callable[[str], Awaitable[None]] | None) -> tuple[Call, Ear, Ear]:
    call, before, after = Call(send_text=send), Ear(), Ear()
    if isinstance(send, Sent):
        send.call = call
    return call, before, after


async def test_what_is_written_keeps_its_place_in_what_is_said() -> None:
    call, ear = Call(), Ear()
    async with calling(call, call.transport.input(), ear, call.transport.output()):
        await call.beats(10)
        await call.edge(VadEdge.STARTED)
        await call.beats(20, tone(20))
        call.transport.written("olá")
        await call.beats(20, tone(20))
        await call.edge(VadEdge.STOPPED)
    kinds = (VADUserStartedSpeakingFrame, InputAudioRawFrame, InputTextRawFrame, VADUserStoppedSpeakingFrame)
    order = [type(frame) for frame in ear.of(*kinds)]
    at = order.index(InputTextRawFrame)
    assert order.count(InputTextRawFrame) == 1
    assert order[0] is VADUserStartedSpeakingFrame
    assert set(order[1:at]) == {InputAudioRawFrame}
    assert InputAudioRawFrame in order[at:]
    assert VADUserStoppedSpeakingFrame in order[at:]
    [text] = ear.of(InputTextRawFrame)
    assert isinstance(text, InputTextRawFrame)
    assert text.text == "olá"


async def test_a_message_goes_out_when_what_was_said_before_it_was_heard_and_an_urgent_one_at_once() -> None:
    sent = Sent()
    call, before, after = sending(sent)
    async with calling(call, call.transport.input(), before, call.transport.output(), after):
        await call.worker.queue_frame(TTSAudioRawFrame(tone(400), RATE, 1))
        await call.worker.queue_frame(OutputTransportMessageFrame(message={"text": "behind it"}))
        await call.worker.queue_frame(TTSAudioRawFrame(tone(400), RATE, 1))
        await settle()
        await call.beats(10)
        assert sent.texts == []
        await call.worker.queue_frame(OutputTransportMessageUrgentFrame(message="at once"))
        await settle()
        await call.beats(40)
    assert [text for text, _ in sent.texts] == ["at once", "behind it"]
    assert sent.texts[0][1] < 12
    assert sent.texts[1][1] in {20, 21}
    assert after.of(OutputTransportMessageFrame, OutputTransportMessageUrgentFrame) == []


async def test_an_interruption_takes_back_what_was_to_be_sent_behind_the_words() -> None:
    sent = Sent()
    call, before, after = sending(sent)
    async with calling(call, call.transport.input(), before, call.transport.output(), after):
        await call.worker.queue_frame(TTSAudioRawFrame(tone(400), RATE, 1))
        await call.worker.queue_frame(OutputTransportMessageFrame(message="never"))
        await settle()
        await call.beats(5)
        await call.worker.queue_frame(InterruptionFrame())
        await settle()
        await call.beats(40)
        await call.worker.queue_frame(OutputTransportMessageFrame(message="later"))
        await settle()
        await call.beats(2)
    assert [text for text, _ in sent.texts] == ["later"]


@pytest.mark.parametrize(
    ("send", "message", "error"),
    [
        (Sent(), {"label": "rtvi-ai"}, "no text to be sent: dict"),
        (Sent(), 7, "no text to be sent: int"),
        (None, "olá", "no text to be sent: str"),
        (Sent(LocalProtocolError("too long")), "olá", "a text was not sent: too long"),
        (Sent(MediaUnavailableError("no room")), "olá", "a text was not sent: no room"),
        (Sent(CallEndedError("gone")), "olá", None),
    ],
)
async def test_what_cannot_be_sent_is_an_error_that_ends_nothing(
    send: Sent | None, message: object, error: str | None
) -> None:
    call, before, after = sending(send)
    async with calling(call, call.transport.input(), before, call.transport.output(), after):
        await call.worker.queue_frame(OutputTransportMessageFrame(message=message))
        await settle()
        await call.beats(2)
        assert not call.ended.done()
        told = [frame.error for frame in before.up if isinstance(frame, ErrorFrame)]
    assert told == ([] if error is None else [error])
