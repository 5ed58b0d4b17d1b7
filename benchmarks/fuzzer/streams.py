"""The codecs that only listen: the event socket's two decoders, datagrams, and a fork's audio."""

from collections.abc import Iterator
from random import Random
from typing import Final

from benchmarks.fuzzer import grammar, recorded
from benchmarks.fuzzer.codec import Pieces, require
from benchmarks.fuzzer.mutate import chunks, mutated
from control.peer.esl import MAX_COMMAND_BYTES, Command, CommandReader, CommandTooLongError
from transports.audio import frame_bytes
from transports.freeswitch.errors import RemoteProtocolError
from transports.freeswitch.esl import MAX_BODY_BYTES, MAX_HEADER_BYTES, EslDecoder, Message
from transports.freeswitch.fork import Uplink
from transports.freeswitch.unicast import Law, UnicastCodec
from transports.wire import RATES


def esl_stream(chance: Random) -> bytes:
    """One to four messages, recorded or made up, mostly with something wrong."""
    said = [_esl_message(chance) for _ in range(int(chance.random() * 4) + 1)]
    stream = b"".join(said)
    return mutated(chance, stream, recorded.short_esl_messages()) if chance.random() < 0.8 else stream


def _esl_message(chance: Random) -> bytes:
    luck = chance.random()
    if luck < 0.5:
        return grammar.message(chance)
    return chance.choice(recorded.short_esl_messages() if luck < 0.98 else recorded.esl_messages())


class EslCodec:
    """`EslDecoder`: the same words however the stream is cut, and nothing more after it has refused."""

    name: Final = "esl"
    most_buffered_bytes: Final = max(MAX_BODY_BYTES, MAX_HEADER_BYTES)
    refuses_with: Final = (RemoteProtocolError,)

    def start(self, chance: Random) -> "_Esl":
        return _Esl(chance)


class _Esl:
    def __init__(self, chance: Random) -> None:
        self._stream = esl_stream(chance)
        self._pieces = Pieces(chance, [self._stream])
        self._decoder = EslDecoder()
        self._words: list[Message] = []

    def next(self) -> bytes | None:
        return self._pieces.take()

    def feed(self, data: bytes) -> int:
        before = len(self._words)
        self._words += self._decoder.feed(data)  # those before a refusal stay
        return len(self._words) - before

    @property
    def buffered_bytes(self) -> int:
        return self._decoder.buffered_bytes

    def finish(self, refused: Exception | None) -> str:
        words, again = _words_of(EslDecoder().feed(self._stream))
        require(words == self._words, "other words in one piece than in many")
        require(str(again) == str(refused), f"in one piece: {again}; in many: {refused}")
        if refused is not None:
            require(self._decoder.buffered_bytes == 0, "bytes are held after the refusal")
            _, again = _words_of(self._decoder.feed(b"Content-Type: auth/request\n\n"))
            require(again is refused, "a decoder that is spent takes more")
        return f"{min(len(self._words), 5)} words"


def _words_of(feed: Iterator[Message]) -> tuple[list[Message], Exception | None]:
    words: list[Message] = []
    try:
        words += feed  # those before the refusal stay
    except RemoteProtocolError as error:
        return words, error
    return words, None


class CommandCodec:
    """The scripted FreeSWITCH's `CommandReader`: the same commands however they are cut."""

    name: Final = "peer"
    most_buffered_bytes: Final = MAX_COMMAND_BYTES
    refuses_with: Final = (CommandTooLongError,)

    def start(self, chance: Random) -> "_Commands":
        return _Commands(chance)


class _Commands:
    def __init__(self, chance: Random) -> None:
        said = b"".join(chance.choice(recorded.commands()) for _ in range(int(chance.random() * 4) + 1))
        if chance.random() < 0.001:
            said += b"x" * int(chance.random() * 2 * MAX_COMMAND_BYTES) + b"\n\n"
        self._stream = mutated(chance, said, recorded.commands()) if chance.random() < 0.8 else said
        self._pieces = Pieces(chance, [self._stream])
        self._reader = CommandReader()
        self._commands: list[Command] = []

    def next(self) -> bytes | None:
        return self._pieces.take()

    def feed(self, data: bytes) -> int:
        made = self._reader.feed(data)
        self._commands += made
        return len(made)

    @property
    def buffered_bytes(self) -> int:
        return self._reader.buffered_bytes

    def finish(self, refused: Exception | None) -> str:
        try:
            whole = CommandReader().feed(self._stream)
        except CommandTooLongError:
            require(refused is not None, "too long in one piece, not in many")
        else:
            require(refused is None and whole == self._commands, "other commands in one piece than in many")
        return f"{min(len(self._commands), 5)} commands"


class DatagramCodec:
    """`UnicastCodec`: a frame of the call's size or nothing."""

    name: Final = "unicast"
    most_buffered_bytes: Final = 0
    refuses_with: Final = ()

    def start(self, chance: Random) -> "_Datagrams":
        return _Datagrams(chance)


class _Datagrams:
    def __init__(self, chance: Random) -> None:
        rate = chance.choice((8000, 8000, 16000, 44100, 48000))
        law: Law | None = chance.choice((None, "PCMU", "PCMA")) if rate == 8000 else None
        self._codec = UnicastCodec(rate, law)
        self._filler = b"\xff" * (rate // 50 * 2)
        self._as_it_is = rate in RATES and law is None
        self._datagrams = [self._datagram(chance) for _ in range(int(chance.random() * 4) + 1)]
        self._taken = 0

    def _datagram(self, chance: Random) -> bytes:
        luck = chance.random()
        if luck < 0.3:
            return chance.choice(recorded.datagrams())
        if luck < 0.5:
            return mutated(chance, chance.choice(recorded.datagrams()), recorded.datagrams())
        size = self._codec.datagram_bytes
        if luck < 0.8:
            return chance.randbytes(size) if luck < 0.7 else self._filler
        return chance.randbytes(chance.choice((0, 1, size - 1, size + 1, size // 2, size * 2, 4096)))

    def next(self) -> bytes | None:
        return self._datagrams.pop() if self._datagrams else None

    def feed(self, data: bytes) -> int:
        frame, filler = self._codec.decode(data), data == self._filler
        taken = filler or len(data) == self._codec.datagram_bytes
        require((frame is not None) is taken, "a frame of another size, or none of the call's own")
        require(frame is None or len(frame) == self._codec.frame_bytes, "a frame that is not 20 ms")
        if taken and self._as_it_is:
            require(frame == (bytes(len(data)) if filler else data), "another frame than was sent")
        self._taken += frame is not None
        return frame is not None

    @property
    def buffered_bytes(self) -> int:
        return 0

    def finish(self, refused: Exception | None) -> str:
        return f"{self._taken} frames"


class UplinkCodec:
    """`Uplink`: every byte once, in frames, less than one frame held."""

    name: Final = "fork"
    most_buffered_bytes: Final = frame_bytes(48000) - 1
    refuses_with: Final = ()

    def start(self, chance: Random) -> "_Uplink":
        return _Uplink(chance)


class _Uplink:
    def __init__(self, chance: Random) -> None:
        self._uplink = Uplink(chance.choice((8000, 8000, 16000, 24000, 48000)))
        audio = b"".join(chance.choice(recorded.payloads()) for _ in range(int(chance.random() * 6) + 1))
        self._audio = mutated(chance, audio, recorded.payloads()) if chance.random() < 0.7 else audio
        self._messages = chunks(chance, self._audio)
        self._heard = bytearray()

    def next(self) -> bytes | None:
        return self._messages.pop(0) if self._messages else None

    def feed(self, data: bytes) -> int:
        frames = self._uplink.take(data)
        require(all(len(frame) == self._uplink.frame_bytes for frame in frames), "a frame of another size")
        require(self._uplink.buffered_bytes < self._uplink.frame_bytes, "a whole frame is held")
        self._heard += b"".join(frames)
        return len(frames)

    @property
    def buffered_bytes(self) -> int:
        return self._uplink.buffered_bytes

    def finish(self, refused: Exception | None) -> str:
        held = self._uplink.buffered_bytes
        require(self._heard == self._audio[: len(self._audio) - held], "other audio than was sent")
        return "a rest is held" if held else "whole frames"
