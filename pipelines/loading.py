"""Loading a revision: check, prepare every stage, render what will surely be said. Touches nothing live."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from typing import TypeVar, cast

import msgspec
import structlog

from base.ids import AssistantName
from base.languages import LanguageUnknownError
from base.secret import SecretRef
from pipelines.check import DEFAULT_GRAPH, CheckedAssistant, CheckedStage, checking
from pipelines.loaded import LoadedPipeline, LoadedRevision, LoadedStage, Rehearsal
from pipelines.persona import persona_of
from pipelines.pool import Held, ResourceKey, ResourcePool
from pipelines.revision import PipelineRevision
from processors.catalog import AnyFactory, Stages
from processors.factory import PrepareError, StageContext, Workshop

log = structlog.get_logger()

T = TypeVar("T")
Rendered = Callable[[str, int, int], None]
"""Told after each fixed sentence of an assistant: the tenant's slug, how many are rendered, of how many."""
Progress = Callable[[int, int], None]

MAX_REHEARSED_SENTENCES = 2000
"""Of one assistant; a document with more is answered, but rendered as it is spoken."""


class StageNotReadyError(PrepareError):
    """The message names assistant and stage; both are given by name too."""

    def __init__(self, assistant: CheckedAssistant, checked: CheckedStage, told: str) -> None:
        self.assistant, self.stage = assistant.spec.name, checked.id
        super().__init__(f"assistant {self.assistant!r}, stage {self.stage!r} ({checked.factory.use}): {told}")


class Loader:
    """Turns revisions into loaded ones, out of a pool of prepared things."""

    def __init__(
        self,
        workshop: Workshop,
        pool: ResourcePool,
        stages: Mapping[str, AnyFactory] | None,
        *,
        prepare_timeout_s: float,
        rendered: Rendered,
    ) -> None:
        """A stage has `prepare_timeout_s` to get ready, and again for each sentence that it renders."""
        self._workshop = workshop
        self._pool = pool
        self._stages = Stages() if stages is None else stages
        self._prepare_timeout_s = prepare_timeout_s
        self._rendered = rendered

    async def load(self, revision: PipelineRevision) -> LoadedRevision:
        """Ready to be activated: the fixed texts are rendered, the rest is not.

        Raises SpecError for what the document says, PrepareError for what cannot be made ready; nothing
        stays held then.
        """
        pipelines: dict[AssistantName, LoadedPipeline] = {}
        loaded = LoadedRevision(revision, pipelines)
        await self._import(revision)
        try:
            for assistant in await self._checked(revision):
                pipelines[assistant.spec.key] = await self._assistant(revision, assistant)
        except BaseException:
            await loaded.release()
            raise
        return loaded

    async def _checked(self, revision: PipelineRevision) -> tuple[CheckedAssistant, ...]:
        """Raises SpecError. Calls get their audio between one assistant and the next."""
        steps = checking(revision.assistants, self._stages)
        while True:
            try:
                next(steps)
            except StopIteration as done:
                return cast(tuple[CheckedAssistant, ...], done.value)
            await asyncio.sleep(0)

    async def _import(self, revision: PipelineRevision) -> None:
        """Import the stages' modules in a thread: some bring a provider's whole client, a second of work."""
        if isinstance(self._stages, Stages):
            uses = [node.use for assistant in revision.assistants for node in assistant.pipeline or DEFAULT_GRAPH]
            for use in self._stages.cold(uses):
                await asyncio.to_thread(self._stages.__getitem__, use)

    async def _assistant(self, revision: PipelineRevision, assistant: CheckedAssistant) -> LoadedPipeline:
        try:
            persona = persona_of(revision, assistant.spec)
        except LanguageUnknownError as error:
            raise PrepareError(f"assistant {assistant.spec.name!r}: {error}") from error
        context = StageContext(tenant_id=revision.tenant_id, persona=persona)
        stages: list[LoadedStage] = []
        try:
            for checked in assistant.stages:
                stages.append(await self._prepare(assistant, checked, context))  # noqa: PERF401 - kept on failure
            pipeline = LoadedPipeline(revision, assistant.spec, persona, tuple(stages), assistant.slots)
            said = await _fixed_as_said(pipeline)
            for stage in stages:
                await self._render(pipeline, assistant, stage, context, said)
        except BaseException:
            await asyncio.gather(*(stage.held.release() for stage in stages))
            raise
        return pipeline

    async def _render(
        self,
        pipeline: LoadedPipeline,
        assistant: CheckedAssistant,
        stage: LoadedStage,
        context: StageContext,
        said: Sequence[str],
    ) -> None:
        def work(stirs: Progress) -> Awaitable[None]:
            def progress(done: int, total: int) -> None:
                stirs(done, total)
                self._rendered(pipeline.revision.slug, done, total)

            return _rehearse(stage, context, said, progress)

        await self._bounded(assistant, stage.checked, work)

    async def _prepare(self, assistant: CheckedAssistant, checked: CheckedStage, context: StageContext) -> LoadedStage:
        factory, config = checked.factory, checked.config
        names = sorted(set(_secrets_in(config)))
        own = factory.scope == "tenant" or bool(names)
        # Told before it is prepared: with a version that comes meanwhile it is prepared once more, never once too few.
        versions = tuple((name, self._workshop.secret_version(context.tenant_id, name)) for name in names)
        key = ResourceKey(factory.use, digest(config), context.tenant_id if own else None, versions)

        def holding(_: Progress) -> Awaitable[Held]:
            return self._pool.hold(
                key,
                lambda: factory.prepare(config, context, self._workshop),
                factory.close,
                weight=None if self._elsewhere(factory) else factory.weight(config),
            )

        return LoadedStage(checked, await self._bounded(assistant, checked, holding))

    def _elsewhere(self, factory: AnyFactory) -> bool:
        """Whether a model server has what is heavy of it."""
        return factory.lane is not None and self._workshop.served is not None

    async def _bounded(
        self, assistant: CheckedAssistant, checked: CheckedStage, work: Callable[[Progress], Awaitable[T]]
    ) -> T:
        """The result of `work`, in time, which begins anew with each progress that it tells: one that is slow because
        the machine is busy does not hang. Raises PrepareError that names assistant and stage.
        """
        limit_s, now = self._prepare_timeout_s, asyncio.get_running_loop().time
        late = f"not ready within {limit_s:.0f} s"

        def stirs(done: int, total: int) -> None:
            nonlocal late
            late = f"nothing was rendered for {limit_s:.0f} s, after {done} of {total} sentences"
            if not limit.expired():
                limit.reschedule(now() + limit_s)

        try:
            async with asyncio.timeout(limit_s) as limit:
                return await work(stirs)
        except PrepareError as error:
            raise StageNotReadyError(assistant, checked, str(error)) from error
        except TimeoutError as error:
            raise StageNotReadyError(assistant, checked, late) from error
        except Exception as error:
            # A stage's own bug is that stage's failure: it must not end the process that answers for others.
            raise StageNotReadyError(assistant, checked, repr(error)) from error


def _secrets_in(value: object) -> Iterator[str]:
    """The names of a config's `{secret: name}`: what is prepared with one is never another tenant's."""
    if isinstance(value, SecretRef):
        yield value.secret
        return
    if isinstance(value, msgspec.Struct):
        parts: Iterable[object] = [getattr(value, name) for name in value.__struct_fields__]
    else:
        parts = value.values() if isinstance(value, Mapping) else value if isinstance(value, tuple | list) else ()
    for part in parts:
        yield from _secrets_in(part)


def digest(config: msgspec.Struct) -> str:
    """The same for equal configs however they were written (defaults spelled out or not)."""
    plain = msgspec.to_builtins(config, str_keys=True, enc_hook=repr)
    return hashlib.sha256(msgspec.json.encode(plain, order="deterministic")).hexdigest()


async def _fixed_as_said(pipeline: LoadedPipeline) -> tuple[str, ...]:
    """The greeting and the other fixed texts as they are said, before any call can need them; a template is none."""
    fixed = dict.fromkeys(text for text in pipeline.persona.texts.values() if "{question}" not in text)
    return await _as_said(pipeline, tuple(fixed))


async def _as_said(pipeline: LoadedPipeline, texts: Sequence[str]) -> tuple[str, ...]:
    """What the voice is given for them. A text takes some tenths of a millisecond; live calls go on between."""
    said: list[str] = []
    for text in texts:
        said.append(pipeline.for_voice(text, pipeline.persona.language))
        await asyncio.sleep(0)
    return tuple(said)


def unheeded(_slug: str, _done: int, _total: int) -> None:
    """Progress that nobody waits for."""


async def _rehearse(stage: LoadedStage, context: StageContext, sentences: Sequence[str], progress: Progress) -> None:
    factory = stage.checked.factory
    await factory.rehearse(stage.checked.config, stage.held.value, context, sentences, progress)


async def rehearse_rest(loaded: LoadedRevision) -> None:
    """Render what the stages may say word for word; progress goes to `loaded.rehearsal`.

    A failure is noted there and logged; the assistant answers all the same.
    """
    rehearsal = loaded.rehearsal = Rehearsal()
    for pipeline in loaded.pipelines.values():
        try:
            await _rehearse_pipeline(pipeline, rehearsal)
        except Exception as error:
            # Noted for the operator; answering must go on.
            rehearsal.error = f"assistant {pipeline.assistant.name!r}: {error}"
            log.warning("rehearsal failed", tenant=loaded.revision.tenant_id, error=repr(error))
    rehearsal.over = True


async def _rehearse_pipeline(pipeline: LoadedPipeline, rehearsal: Rehearsal) -> None:
    context = StageContext(tenant_id=pipeline.revision.tenant_id, persona=pipeline.persona)
    said: dict[str, None] = {}
    for stage in pipeline.stages:
        factory = stage.checked.factory
        said |= dict.fromkeys(await factory.says(stage.checked.config, stage.held.value, context))
    sentences = await _as_said(pipeline, tuple(said)[:MAX_REHEARSED_SENTENCES])
    before = rehearsal.done
    rehearsal.total += len(sentences)

    def progress(done: int, _total: int) -> None:
        rehearsal.done = before + min(done, len(sentences))

    for stage in pipeline.stages:
        await _rehearse(stage, context, sentences, progress)
    rehearsal.done = before + len(sentences)
