"""The fork's audio as it was recorded, however it is cut."""

import base64
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.transports.freeswitch.captures_ws import rows
from transports.freeswitch.fork import Uplink

RECORDED = ["audio_fork_8k_bidirectional.ws", "audio_fork_8k_closed_by_server.ws", "door_audio_fork_give_back.ws"]


def uplink(name: str) -> list[bytes]:
    return [base64.b64decode(r["b64"]) for r in rows(name)[1:] if r["dir"] == "fs" and r["kind"] == "binary"]


@pytest.mark.parametrize("name", RECORDED)
def test_every_recorded_message_becomes_frames_of_20_ms(name: str) -> None:
    messages, codec = uplink(name), Uplink(8000)
    frames = [frame for message in messages for frame in codec.take(message)]
    assert {len(frame) for frame in frames} == {320}
    assert b"".join(frames) == b"".join(messages)
    assert codec.buffered_bytes == 0


@given(st.lists(st.integers(0, 5000), max_size=20), st.sampled_from([8000, 16000]))
def test_frames_are_the_same_however_the_audio_is_cut(cuts: list[int], rate: int) -> None:
    audio = bytes(range(256)) * 20
    edges = sorted({0, len(audio), *(cut for cut in cuts if cut < len(audio))})
    codec = Uplink(rate)
    frames = [frame for a, b in pairwise(edges) for frame in codec.take(audio[a:b])]
    assert b"".join(frames) + audio[len(b"".join(frames)) :] == audio
    assert frames == Uplink(rate).take(audio)
    assert codec.buffered_bytes < codec.frame_bytes
