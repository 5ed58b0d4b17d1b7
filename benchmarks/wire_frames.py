"""What a frame of 20 ms costs at the wire, by codec: `python -m benchmarks.wire_frames`, some 20 s.

Decoding and encoding alone, and a datagram taken off and put on a loopback socket with it. One process, one thread of
BLAS as it comes; the best of seven rounds, so that neighbours on the machine count little.
"""

import json
import socket
import time
from collections.abc import Callable
from typing import Final

import numpy as np

from transports.freeswitch.unicast import Law, UnicastCodec

ROUNDS: Final = 7
FRAMES: Final = 3000
STREAMS: Final[dict[str, tuple[int, Law | None]]] = {
    "L16 8 kHz": (8000, None),
    "PCMU native": (8000, "PCMU"),
    "PCMA native": (8000, "PCMA"),
    "L16 16 kHz": (16000, None),
    "L16 24 kHz": (24000, None),
    "L16 32 kHz": (32000, None),
    "L16 44.1 kHz": (44100, None),
    "L16 48 kHz (opus)": (48000, None),
}


def best_us(frame: Callable[[], object]) -> float:
    """CPU of one frame in microseconds."""
    rounds = []
    for _ in range(ROUNDS):
        began = time.process_time()
        for _ in range(FRAMES):
            frame()
        rounds.append((time.process_time() - began) / FRAMES * 1e6)
    return round(min(rounds), 2)


def measured(rate: int, law: Law | None) -> dict[str, float]:
    """Of one stream, both ways."""
    codec = UnicastCodec(rate, law)
    voice = (8000 * np.sin(np.arange(codec.frame_bytes // 2) / 5)).astype("<i2").tobytes()
    datagram = codec.encode(voice)
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as switch,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ours,
    ):
        switch.bind(("127.0.0.1", 0))
        ours.bind(("127.0.0.1", 0))
        there, here = switch.getsockname(), ours.getsockname()

        def both_ways() -> None:
            switch.sendto(datagram, here)
            codec.decode(ours.recv(4096))
            ours.sendto(codec.encode(voice), there)
            switch.recv(4096)

        return {
            "octets": float(codec.datagram_bytes),
            "decode_us": best_us(lambda: codec.decode(datagram)),
            "encode_us": best_us(lambda: codec.encode(voice)),
            "with_sockets_us": best_us(both_ways),
        }


def main() -> None:
    """Print a line for each stream, and all of it as JSON in the last."""
    seen = {name: measured(*stream) for name, stream in STREAMS.items()}
    for name, figures in seen.items():
        print(f"{name:18}", *(f"{key} {value:7.2f}" for key, value in figures.items()))
    print(json.dumps(seen))


if __name__ == "__main__":
    main()
