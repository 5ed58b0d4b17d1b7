"""What the service is made of is not looked through while calls live."""

import gc
import weakref

from control.memory import THRESHOLDS, settle


class _Node:
    """Something that only a collection can free once it holds itself."""

    def __init__(self) -> None:
        self.me = self


def test_what_was_there_is_left_alone_and_what_comes_later_is_still_freed() -> None:
    garbage, thresholds = weakref.ref(_Node()), gc.get_threshold()
    gc.set_threshold(700, 10, 10)
    try:
        settle()
        assert garbage() is None, "nothing is kept for ever that nobody has"
        assert gc.get_freeze_count() > 10_000
        assert len(gc.get_objects()) < 1000
        assert gc.get_threshold() == THRESHOLDS
        later = weakref.ref(_Node())
        gc.collect()
        assert later() is None
    finally:
        gc.unfreeze()
        gc.set_threshold(*thresholds)
