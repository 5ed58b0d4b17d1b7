"""The gate lets through what belongs to speech, in order and without a gap."""

from hypothesis import given
from hypothesis import strategies as st

from transports.freeswitch.gate import SpeechGate


def gate(*, continuous: bool = False, preroll_ms: int = 100, tail_ms: int = 60, block_ms: int = 100) -> SpeechGate:
    return SpeechGate(preroll_ms=preroll_ms, tail_ms=tail_ms, block_ms=block_ms, continuous=continuous)


def frames(first: int, last: int) -> list[bytes]:
    return [bytes([n]) for n in range(first, last + 1)]


def test_closed_it_keeps_the_preroll_only() -> None:
    closed = gate()
    assert [closed.audio(frame) for frame in frames(0, 20)] == [None] * 21
    assert closed.opened() == [bytes([16, 17, 18, 19, 20])]


def test_blocks_while_open_and_the_rest_at_the_end() -> None:
    open_ = gate()
    assert open_.opened() == []
    given_ = [open_.audio(frame) for frame in frames(0, 6)]
    assert given_ == [None] * 4 + [bytes([0, 1, 2, 3, 4]), None, None]
    assert open_.closed() == bytes([5, 6])


def test_a_tail_follows_and_then_nothing() -> None:
    closing = gate()
    closing.opened()
    assert closing.closed() is None
    assert [closing.audio(frame) for frame in frames(0, 5)] == [None, None, bytes([0, 1, 2]), None, None, None]
    assert closing.opened() == [bytes([3, 4, 5])]


def test_speech_within_the_tail_loses_nothing() -> None:
    closing = gate()
    closing.opened()
    closing.closed()
    assert closing.audio(b"\x00") is None
    assert closing.opened() == [b"\x00"]


def test_a_long_preroll_comes_in_blocks() -> None:
    closed = gate(preroll_ms=300)
    for frame in frames(0, 30):
        closed.audio(frame)
    assert [len(block) for block in closed.opened()] == [5, 5, 5]


def test_continuous_lets_everything_through() -> None:
    always = gate(continuous=True)
    given_ = []
    for n, frame in enumerate(frames(0, 29)):
        if n == 7:
            assert always.opened() == []
        if n == 12:
            given_.append(always.closed())
        given_.append(always.audio(frame))
    assert b"".join(block for block in given_ if block) == b"".join(frames(0, 26))


@given(st.lists(st.sampled_from(["audio", "audio", "audio", "open", "close"]), max_size=200))
def test_audio_is_never_reordered_or_given_twice(steps: list[str]) -> None:
    machine = gate()
    given_: list[int] = []
    spoken: set[int] = set()
    count, is_open = 0, False
    for step in steps:
        if step == "audio":
            given_ += machine.audio(count.to_bytes(1, "big")) or b""
            if is_open:
                spoken.add(count)
            count += 1
        elif step == "open" and not is_open:
            is_open = True
            for block in machine.opened():
                given_ += block
        elif step == "close" and is_open:
            is_open = False
            given_ += machine.closed() or b""
    given_ += machine.closed() or b""
    assert given_ == sorted(set(given_))
    assert spoken <= set(given_)
