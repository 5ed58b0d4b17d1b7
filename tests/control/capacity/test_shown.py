"""What `atende capacity` prints at its end."""

import io

from rich.console import Console

from control.capacity.measuring import Capacity, Rung
from control.cli.capacity import show


def test_a_reason_is_never_cut() -> None:
    rung = Rung(
        calls=12, holds=False, limiting="media_clock", refused=0, failed=0, cpu_cores=1.25, clock_p99_ms=112.5,
        loop_load=0.25, response_p95_ms=12345.0, load={"stt": 0.25, "tts": 1.0},
    )  # fmt: skip
    found = Capacity(
        calls=8, limiting="media_clock", limited_by="the media clock", cores=2, settings={}, seconds=60, rungs=[rung]
    )
    printed = io.StringIO()
    show(found, Console(file=printed, width=70))
    assert "media_clock" in printed.getvalue()
