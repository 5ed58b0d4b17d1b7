"""Atende: a telephone receptionist for FreeSWITCH and FusionPBX. Here everything is made and joined."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import structlog
from litestar import Litestar
from litestar.config.compression import CompressionConfig
from litestar.logging.config import LoggingConfig
from litestar.types import ControllerRouterHandler
from msgspec import structs

from atende import main  # noqa: F401 - the console script of earlier installations
from base.clock import SystemClock
from base.ids import TenantId
from base.secret import Secret
from control import memory, parts
from control.api.access import KeyDoor
from control.api.described import UNCOMPRESSED
from control.api.problems import problem_plugin
from control.api.router import api_router, key_door, openapi_config
from control.documents import WithDocuments
from control.grounds import laid
from control.http import Life, health_router, metrics_handlers, readiness
from control.jobs.process import open_jobs
from control.keeping import Keeping
from control.live_board import LiveBoard
from control.looking import Look, looking
from control.metrics import Metrics
from control.phone import PhoneDoor
from control.process import Process
from control.secret_access import NOT_TOLD, visited_secrets
from control.security_headers import secured
from control.service import Service
from control.settings import Settings
from control.tracing import traces
from control.watch import watched_documents
from control.workers.everywhere import Neighbours
from control.workers.internal import internal_router
from control.workers.joining import alone
from control.workers.node_key import node_key
from control.workers.seat import Place, seated
from pipelines.calls import LiveEvent, LiveFeed
from pipelines.ended_trials import EndedTrials
from pipelines.loading import Rendered, unheeded
from pipelines.supervisor import PipelineSupervisor
from processors.catalog import AnyFactory
from processors.factory import PrepareError
from processors.plugins import stages_with
from tenants.directory import Directory
from tenants.idempotency_store import PostgresIdempotency
from tenants.keys import signing_keys
from tenants.revisions import PostgresRevisions
from tenants.roles import Role
from tenants.secret_desk import SecretDesk
from tenants.secrets import TenantSecrets

log = structlog.get_logger()


@asynccontextmanager
async def open_service(
    found: Settings,
    *,
    feed: LiveFeed | None = None,
    rendered: Rendered = unheeded,
    stages: Mapping[str, AnyFactory] | None = None,
    place: Place | None = None,
) -> AsyncIterator[Service]:
    """A service that takes calls while the block runs. `stages` is the catalog, with the named plugins, when None.
    `place` is its own among several processes; None: it is the only one of its node. `rendered` hears of each fixed
    sentence that is rendered before its tenant answers.

    Opening order: data folder and keys, database, spool, library, secrets, compute, supervisor, tenants, traces, the
    phone door, who looks whether there is room for a call more, what tells other processes of it, what keeps its
    tenants as they are in their files or the database, last the jobs. Closing goes
    the other way: no job is begun any more, nobody is let in, live calls are given back to their dialplans, pipelines
    are closed, records that are on their way are stored.

    Raises PluginError, SettingsError, DatabaseError, EmbeddedError, KeyFileError, OSError when the door's address is
    taken.
    """
    stages = stages_with(found.plugins) if stages is None else stages
    place = place or Place()
    seat, found = place.seat, seated(found, place)
    own = seat.folder(found.data_dir)
    for folder in (found.data_dir, own):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    keys, clock, directory = signing_keys(found.data_dir, found.signing_keys), SystemClock(), Directory()
    async with AsyncExitStack() as stack:
        grounds = await laid(found, place, clock, stack)
        presence, secrets, call_log = grounds.presence, grounds.secrets, grounds.call_log
        library = await parts.open_library(found, own, stack, grounds.database.tenant)
        compute, served = parts.compute_lanes(stack), await parts.served_models(found, stack)
        workshop = parts.workshop(found, compute, clock, library, served, secrets.read, secrets.version)
        ended_trials = await stack.enter_async_context(EndedTrials(found.data_dir / "ended-trials.json"))
        room = None if presence is None else presence.room
        supervisor = PipelineSupervisor(
            workshop, stages, ended_trials,
            room=room, tenant_calls=found.tenant_max_calls, tell=call_log.tell, rendered=rendered,
        )  # fmt: skip
        stack.push_async_callback(supervisor.close)
        shelved = WithDocuments(supervisor, library, found.knowledge_dir)
        keeping = Keeping(
            found,
            seat,
            revisions=PostgresRevisions(grounds.database),
            shelved=shelved,
            directory=directory,
            alone=alone(found, grounds.database, presence),
            has_secret=secrets.has,
            clock=clock,
            tell=call_log.tell,
        )
        tenants = await keeping.open(stack, stages)
        publishing = keeping.publishing(tenants)
        desk = SecretDesk(secrets, tenants, publishing.puts, supervisor, shelved, clock, swap=found.swap)
        stack.push_async_callback(desk.renewal.close)
        board, metrics = LiveBoard(clock), Metrics()
        traced = await stack.enter_async_context(traces(found.otlp_endpoint))
        limits = await parts.tenant_limits(found, seat, grounds.conversations, presence, directory, clock, stack)
        phone = PhoneDoor(
            keys=keys,
            directory=directory,
            supervisor=supervisor,
            call_log=call_log,
            feed=_told_to(
                board.feed,
                metrics.feed,
                None if presence is None else presence.feed,
                None if traced is None else traced.feed,
                feed,
            ),
            clock=clock,
            options=await parts.phone_options(found),
            media_server=await parts.open_media_server(found, seat, stack),
            warm=tenants.warm,
            limits=limits,
            room=lambda: grounds.watch.room,
        )
        look = Look(phone.headroom, phone.media_clock, compute if served is None else served, lambda: phone.live_calls)
        await stack.enter_async_context(looking(look))
        await stack.enter_async_context(grounds.event_feed)
        memory.settle()
        door = await parts.open_door(found, place, presence, stack, phone) if seat.takes_calls else None
        desk.renewal.follow()
        neighbours = None if presence is None else Neighbours(presence, node_key(grounds.api_keys.pepper))
        jobs = parts.job_desk(seat, grounds.database, clock)
        service = Service(
            settings=found,
            clock=clock,
            keys=keys,
            api_keys=grounds.api_keys,
            audit=grounds.audit,
            secrets=desk,
            idempotency=PostgresIdempotency(grounds.database),
            events=grounds.events,
            feed=grounds.event_feed,
            watch=grounds.watch,
            directory=directory,
            supervisor=supervisor,
            conversations=grounds.conversations,
            phone=phone,
            board=board,
            metrics=metrics,
            traces=traced,
            door=door,
            call_log=call_log,
            folder=tenants,
            documents=shelved,
            library=library,
            publishing=publishing,
            jobs=jobs,
            seat=seat,
            served=served,
            neighbours=neighbours,
        )
        if neighbours is not None:
            stack.push_async_callback(neighbours.close)
            await stack.enter_async_context(neighbours.presence.present(service.present))
        await keeping.keep(stack, tenants)
        if found.watch:
            await stack.enter_async_context(watched_documents(found.knowledge_dir, shelved))
        if seat.has_api:
            await stack.enter_async_context(jobs.watch)
        if seat.does_jobs:
            await stack.enter_async_context(await parts.jobs(found, grounds.database, clock, jobs))
        yield service


@asynccontextmanager
async def open_trial(found: Settings) -> AsyncIterator[WithDocuments]:
    """What publishing loads revisions with, in a folder of its own: the service's models and secrets are only read.

    The database is opened when a stage asks for the first secret.
    """
    with TemporaryDirectory(prefix="atende-check-") as folder:
        own = structs.replace(found, data_dir=Path(folder), models_dir=found.models, vectors="chroma")
        async with AsyncExitStack() as stack:
            library, opening = await parts.open_library(own, own.data_dir, stack), asyncio.Lock()
            served = await parts.served_models(own, stack)
            opened: list[TenantSecrets] = []

            async def secret(tenant_id: TenantId, name: str) -> Secret:
                async with opening:
                    if not opened:
                        try:
                            opened.append(await stack.enter_async_context(visited_secrets(found)))
                        except NOT_TOLD as error:
                            raise PrepareError(f"the secret {name!r} cannot be read: {error}") from error
                return await opened[0].read(tenant_id, name)

            workshop = parts.workshop(own, parts.compute_lanes(stack), SystemClock(), library, served, secret)
            supervisor = PipelineSupervisor(workshop, stages_with(found.plugins))
            stack.push_async_callback(supervisor.close)
            yield WithDocuments(supervisor, library, found.knowledge_dir)


def _told_to(*feeds: LiveFeed | None) -> LiveFeed:
    """All that there are hear of everything, in this order."""
    there = [feed for feed in feeds if feed is not None]

    def tell(event: LiveEvent) -> None:
        for feed in there:
            feed(event)

    return tell


def create_app(
    found: Settings, announce: Callable[[Any], None] = lambda _: None, place: Place | None = None
) -> Litestar:
    """The HTTP application; the process runs in its lifespan, and `announce` is told of it when it does.

    One that takes calls beside others (`place`) answers their requests, and has no REST API. One that does neither has
    health and metrics alone; what it is, is its role's.
    """
    if place is not None and place.seat.role in PLAIN:
        plain: Life[Process] = Life(PLAIN[place.seat.role](found, place), announce)
        return _application(plain, key_door(plain.running, SystemClock(), found.api_requests_per_s))
    life, clock = Life(open_service(found, place=place), announce), SystemClock()
    door = key_door(life.running, clock, found.api_requests_per_s)
    handlers: list[ControllerRouterHandler] = []
    if found.shared:
        handlers.append(internal_router(life.running))
    if place is None or place.seat.has_api:
        handlers.append(api_router(life.running, door))
    return _application(life, door, handlers)


PLAIN: Final[Mapping[Role, Callable[[Settings, Place], AbstractAsyncContextManager[Process]]]] = {"jobs": open_jobs}
"""How processes begin that neither take calls nor have the REST API."""


def _application(life: Life[Any], door: KeyDoor, handlers: Sequence[ControllerRouterHandler] = ()) -> Litestar:
    health: ControllerRouterHandler = health_router(readiness(life.running, door))
    return Litestar(
        [health, *metrics_handlers(life.running), *handlers],
        lifespan=[life.lived],
        plugins=[problem_plugin()],
        before_send=[secured],
        compression_config=CompressionConfig(
            "gzip",
            minimum_size=1000,
            gzip_compress_level=4,  # the loop carries calls: 9 takes three times as long for a fifth less
            exclude_opt_key=UNCOMPRESSED,
        ),
        openapi_config=openapi_config(version("atende")),
        logging_config=LoggingConfig(configure_root_logger=False, log_exceptions="never"),
    )
