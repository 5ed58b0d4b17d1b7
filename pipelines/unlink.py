"""What a pipeline that is over leaves behind is free soon, and not by the garbage collector.

The processors of a pipeline know each other, their event handlers know them, and the pipeline knows all of them: only
a collection frees that, 1,500 objects for each call, and while it does no call gets its audio. Some twenty are left.

Private names of pipecat 1.14 that we use, since it has no public way: `_next` and `_prev` of `FrameProcessor`,
`_setup` too, `_event_handlers` of `BaseObject`, `_processors`, `_source` and `_sink` of `Pipeline`.
"""

from collections.abc import Iterator

from pipecat.pipeline.pipeline import Pipeline
from pipecat.processors.frame_processor import FrameProcessor
from pipecat.turns.user_turn_strategies import UserTurnStrategies
from pipecat.utils.base_object import BaseObject


def everything_in(processor: FrameProcessor) -> Iterator[FrameProcessor]:
    """A processor and all that work inside it."""
    yield processor
    for inner in processor.processors:
        yield from everything_in(inner)


def unlink(pipeline: FrameProcessor) -> None:
    """Have the processors of a pipeline that has been cleaned up know each other no more. Nothing may run in it."""
    for processor in list(everything_in(pipeline)):
        processor._next = processor._prev = None  # noqa: SLF001
        processor._setup = None  # noqa: SLF001
        _forget_handlers(processor, depth=2)
        if isinstance(processor, Pipeline):
            processor._processors.clear()  # noqa: SLF001
            processor._source = processor._sink = None  # type: ignore[assignment]  # noqa: SLF001


def _forget_handlers(held: BaseObject, *, depth: int) -> None:
    """Of an object of pipecat's and of those that it has (controllers, strategies): who is told of events."""
    held._event_handlers.clear()  # noqa: SLF001
    if depth:
        for part in list(vars(held).values()):
            parts = (*(part.start or ()), *(part.stop or ())) if isinstance(part, UserTurnStrategies) else (part,)
            for one in parts:
                if isinstance(one, BaseObject) and not isinstance(one, FrameProcessor):
                    _forget_handlers(one, depth=depth - 1)
