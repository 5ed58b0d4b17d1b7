"""Running one call's worker to its end, whatever its stages do. One runner per call.

A runner shared by calls would keep every finished one (measured with pipecat 1.14).
"""

import asyncio

import structlog
from pipecat.pipeline.worker import PipelineWorker
from pipecat.utils.asyncio.task_manager import TaskManager
from pipecat.workers.runner import WorkerRunner

from pipelines.unlink import unlink

log = structlog.get_logger()

GRACE_S = 1.0
CANCELLATIONS = 2


class Running:
    """A worker that runs in a task of ours.

    Closing order: the worker is cancelled and cleans up its processors; what does not end within the limit
    is cancelled task by task; what has ended is unlinked.
    """

    def __init__(self, worker: PipelineWorker) -> None:
        """Starts at once; needs a running loop."""
        self._worker = worker
        self._tasks = TaskManager()
        self.task = asyncio.create_task(self._run(), name="call pipeline")

    async def stop(self, timeout_s: float) -> list[str]:
        """End it; the names of tasks that did not end in time (none, unless a stage ignores cancellation)."""
        await self._worker.cancel()
        await asyncio.wait({self.task}, timeout=timeout_s)
        # A service that is cancelled while it starts leaves its own tasks behind, and a worker takes the first
        # cancellation for a wish: behind an EndFrame that a stage holds up it waits on (pipecat 1.14).
        for _ in range(CANCELLATIONS):
            if not (left := {task for task in (self.task, *self._left()) if not task.done()}):
                break
            for task in left:
                task.cancel()
            await asyncio.wait(left, timeout=GRACE_S)
        if self.task.done() and not self.task.cancelled() and (error := self.task.exception()) is not None:
            log.error("the call's pipeline failed", error=repr(error))
        if not (left_over := self._left()):
            unlink(self._worker.pipeline)
            vars(self._worker).clear()
        return [task.get_name() for task in left_over]

    async def _run(self) -> None:
        runner = WorkerRunner(
            handle_sigint=False, handle_sigterm=False, check_dangling_tasks=False, task_manager=self._tasks
        )
        await runner.add_workers(self._worker)
        await runner.run()
        # Runner, bus, registry and worker know one another, and the worker all of the call: what is over is emptied,
        # since pipecat 1.14 has no way to part them.
        runner.bus._subscriptions.clear()  # noqa: SLF001
        vars(runner).clear()

    def _left(self) -> list[asyncio.Task[object]]:
        return [task for task in self._tasks.current_tasks() if not task.done()]
