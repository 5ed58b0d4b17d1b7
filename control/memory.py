"""Garbage collection, so that it never stands in the way of a call's audio."""

import gc
from typing import Final

THRESHOLDS: Final = (1000, 5, 100)
"""Objects made and not freed before the youngest are looked through; then collections of one generation for each of
the next. The youngest take about 1 ms, the next ones 5; by default the latter were 10 and more.
"""


def settle() -> None:
    """Leave everything that there is by now out of all later collections. Once, before calls are taken.

    A full collection looks through every object of the process and stops all calls meanwhile: 70 to 140 ms were
    measured with mock stages alone. What calls make is still collected, in a few milliseconds; a full collection of
    that (130 ms with 84 calls) comes a seventh as often as by default.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
