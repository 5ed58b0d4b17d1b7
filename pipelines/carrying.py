"""What stages know of a call goes with it when it changes over; see `processors.factory.Carries`."""

from collections.abc import Iterator

import structlog
from pipecat.processors.frame_processor import FrameProcessor

from pipelines.loaded import LoadedPipeline
from pipelines.unlink import everything_in
from processors.factory import Carries

log = structlog.get_logger()


def carry_over(former: LoadedPipeline, working: FrameProcessor, now: LoadedPipeline, candidate: FrameProcessor) -> None:
    """From the processors that work in a slot to those that are to take their place there, at once."""
    giving = dict(_by_stage(former, working))
    for stage, taking in _by_stage(now, candidate):
        if (gives := giving.get(stage)) is None:
            continue
        try:
            taking.take(gives.carry())
        except Exception as error:
            # It goes on as a stage that is new does. What the message says may be the caller's.
            log.warning("a stage does not take over what was known", stage=stage[0], error=type(error).__name__)


async def go_on(working: FrameProcessor) -> None:
    """The call has changed over: the processors of a slot that know something of it tell the others."""
    for processor in list(everything_in(working)):
        if isinstance(processor, Carries):
            try:
                await processor.go_on()
            except Exception as error:
                # Its own mistake; the call has changed over all the same.
                log.warning("a stage does not tell what it knows", stage=processor.name, error=type(error).__name__)


def _by_stage(pipeline: LoadedPipeline, slot: FrameProcessor) -> Iterator[tuple[tuple[str, str], Carries]]:
    """By id and type."""
    for processor in everything_in(slot):
        for stage in pipeline.stages:
            if isinstance(processor, Carries) and processor in stage.made:
                yield (stage.checked.id, stage.checked.factory.use), processor
