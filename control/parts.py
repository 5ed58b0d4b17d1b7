"""The parts of a service, each made from the settings; `app.py` joins them."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Final

import structlog
from msgspec import structs

from base.clock import Clock, SystemClock
from base.http import OutboundPolicy
from base.ids import TenantId
from base.secret import Secret
from control.daily_use import DailyUse, counted
from control.dependencies import MB, StorageBounds
from control.dependency_watch import DependencyWatch, free_bytes
from control.headroom import Bounds
from control.jobs.counts import JobCounts
from control.jobs.desk import JobDesk
from control.jobs.watch import JobWatch
from control.phone import PhoneDoor, PhoneOptions
from control.provider_rates import ProviderRates
from control.recordings import FOLDER, LostRecordings
from control.secret_access import ring_source
from control.service import ApiKeys
from control.setting_values import endpoint_of
from control.settings import Settings
from control.sink import Sink
from control.tenant_limits import TenantLimits
from control.vector_stores import OfTenant, vector_store
from control.workers.joining import shared_door
from control.workers.presence import Presence
from control.workers.seat import Place, Seat
from knowledge.embedder import UseEmbedder
from knowledge.retrieval import TenantLibrary
from pipelines import hold_music
from pipelines.spool import Spool
from processors.compute import ComputeLanes
from processors.factory import Workshop
from processors.models.store import ModelStore
from processors.served.client import ServedModels, open_models
from processors.served.embedding import ServedEmbedder
from tenants.api_key_store import PostgresApiKeys
from tenants.audit_store import PostgresAuditLog
from tenants.conversations import PostgresConversations
from tenants.database import Database, derived_password, open_database
from tenants.directory import Directory
from tenants.job_store import PostgresJobs
from tenants.key_checker import KeyChecker
from tenants.keys import api_key_pepper
from tenants.master_keys import read_ring
from tenants.sealing import MasterKeys
from tenants.secret_files import take_over
from tenants.secret_store import PostgresSecrets
from tenants.secrets import TenantSecrets
from transports.freeswitch.call_unicast import UnicastOptions
from transports.freeswitch.esl_server import DoorServer
from transports.freeswitch.media_server import MediaServer
from transports.freeswitch.peers import LOOPBACK, PeerSwitch
from transports.freeswitch.unicast_ports import UnicastPorts

log = structlog.get_logger()

DRAIN_TIMEOUT_S: Final = 5.0
"""Calls that were given back to their dialplans have this long to be written down."""


def dependency_watch(
    found: Settings, seat: Seat, database: Database, call_log: Spool, clock: SystemClock
) -> DependencyWatch:
    return DependencyWatch(
        answers=database.ping,
        load=call_log.load,
        free=lambda: free_bytes(found.data_dir),
        bounds=StorageBounds(spool_bytes=found.spool_max_mb * MB, free_bytes=found.disk_min_free_mb * MB),
        clock=clock,
        tell=call_log.tell,
        back=call_log.hurry,
        whole_node=seat.has_api,
    )


def service_database(found: Settings) -> AbstractAsyncContextManager[Database]:
    """Nodes that share a database share its role's password, too, where they share a secret to make it of."""
    password = derived_password(found.api_key_secret)
    return open_database(found.data_dir, found.database_url, vectors=found.vectors == "pgvector", password=password)


def spool(found: Settings, seat: Seat, sink: Sink, clock: SystemClock) -> Spool:
    """What dead processes of the node have left is handed on by the one that has the REST API, too."""
    return Spool(
        seat.spool(found.data_dir),
        LostRecordings(found.data_dir, sink.store).store,
        clock,
        begun=sink.begun,
        keep=sink.keep,
        left_by=found.data_dir / "spool" if seat.has_api else None,
        lock_timeout_s=15.0 if found.workers else 0,
    )


async def open_secrets(
    found: Settings, seat: Seat, ring: MasterKeys, database: Database, audit: PostgresAuditLog, clock: SystemClock
) -> TenantSecrets:
    """Known, and taken over from former files. A master key that is missing is told, and stops nothing."""
    source = ring_source(found)
    secrets = TenantSecrets(PostgresSecrets(database), ring, partial(read_ring, source, make=False))
    await secrets.open()
    if seat.has_api:
        await take_over(found.data_dir, secrets, audit, clock)
    lost = {key_id: count for key_id, count in (await secrets.store.by_key()).items() if key_id not in ring.ids}
    if lost:
        log.error("secrets cannot be decrypted: their master keys are not in the ring", ring=source.told, secrets=lost)
    return secrets


def api_keys(found: Settings, database: Database, clock: SystemClock) -> ApiKeys:
    store, pepper = PostgresApiKeys(database), api_key_pepper(found.data_dir, found.api_key_secret)
    return ApiKeys(store=store, pepper=pepper, checker=KeyChecker(store, pepper, clock))


async def phone_options(found: Settings) -> PhoneOptions:
    music = None if found.hold_music is None else await asyncio.to_thread(hold_music.read, found.hold_music)
    return PhoneOptions(
        hold_music=music,
        bounds=Bounds(
            max_calls=found.max_calls,
            max_lateness_ms=found.max_lateness_ms,
            max_loop_load=found.max_loop_load / 100,
            max_wait_ms=found.max_stage_wait_ms,
            max_load=found.max_stage_load / 100,
        ),
        recordings_dir=found.data_dir / FOLDER if found.recordings else None,
        wire=found.wires[0],
        switch_wires={switch.name: switch.wire for switch in found.switches if switch.wire is not None},
    )


async def open_library(
    found: Settings, own: Path, stack: AsyncExitStack, of_tenant: OfTenant | None = None
) -> TenantLibrary:
    """`own` is no other process's: Chroma's files have one owner."""
    embedder = UseEmbedder() if found.model_server is None else _served_embedder(found, stack)
    vectors = vector_store(structs.replace(found, data_dir=own), embedder, of_tenant)
    stack.push_async_callback(vectors.close)
    library = TenantLibrary(vectors, embedder)
    stack.push_async_callback(library.close)
    return library


def _served_embedder(found: Settings, stack: AsyncExitStack) -> ServedEmbedder:
    assert found.model_server is not None
    embedder = ServedEmbedder(found.model_server, found.models_key)
    stack.callback(embedder.close)
    return embedder


async def served_models(found: Settings, stack: AsyncExitStack) -> ServedModels | None:
    """The server that has the models; None: this process loads those that it needs."""
    if found.model_server is None:
        return None
    return await stack.enter_async_context(open_models(found.model_server, found.models_key))


def compute_lanes(stack: AsyncExitStack) -> ComputeLanes:
    compute = ComputeLanes()
    stack.callback(compute.close)
    return compute


def workshop(
    found: Settings,
    compute: ComputeLanes,
    clock: SystemClock,
    library: TenantLibrary,
    served: ServedModels | None,
    secret: Callable[[TenantId, str], Awaitable[Secret]],
    secret_version: Callable[[TenantId, str], int] = lambda _tenant, _name: 0,
) -> Workshop:
    return Workshop(
        clock=clock,
        models=ModelStore(found.data_dir, root=found.models_dir),
        library=library,
        data_dir=found.data_dir,
        secret=secret,
        secret_version=secret_version,
        compute=compute,
        served=served,
        outbound=OutboundPolicy(allow=frozenset((*found.outbound_allow, *map(endpoint_of, found.endpoints.values())))),
    )


async def tenant_limits(
    found: Settings,
    seat: Seat,
    conversations: PostgresConversations,
    presence: Presence | None,
    directory: Directory,
    clock: SystemClock,
    stack: AsyncExitStack,
) -> TenantLimits:
    daily_use = DailyUse(conversations, clock, shared=found.shared)
    rates = ProviderRates(clock.monotonic, lambda: 1 if presence is None else presence.processes)
    if seat.takes_calls:
        await stack.enter_async_context(counted(daily_use, directory.tenants))
    return TenantLimits(rates, daily_use)


async def open_media_server(found: Settings, seat: Seat, stack: AsyncExitStack) -> MediaServer | None:
    """Where media modules connect; None where no wire needs it."""
    if not (found.media_sockets and seat.takes_calls):
        return None
    server = MediaServer(
        found.esl_host,
        found.media_socket_port,
        allowed_peers=[peer for switch in found.all_switches for peer in switch.peers],
        max_sockets=found.max_calls + 50,
    )
    await server.start()
    stack.push_async_callback(server.close)
    return server


def job_desk(seat: Seat, database: Database, clock: Clock) -> JobDesk:
    store = PostgresJobs(database)
    return JobDesk(store=store, watch=JobWatch(store, clock), counts=JobCounts() if seat.does_jobs else None)


async def jobs(found: Settings, database: Database, clock: Clock, desk: JobDesk) -> AbstractAsyncContextManager[object]:
    """They are done while it is open. pgqueuer is loaded where they are done, and nowhere else."""
    from control.jobs.making import made

    return await made(found, database, clock, desk)


async def open_door(
    found: Settings, place: Place, presence: Presence | None, stack: AsyncExitStack, phone: PhoneDoor
) -> DoorServer:
    door = DoorServer(
        found.esl_host,
        found.esl_port,
        phone.on_call,
        switches=[
            PeerSwitch(name=switch.name, networks=switch.peers, our_host=switch.media_host)
            for switch in found.all_switches
        ],
        max_connections=found.max_calls + 50,
        ports=UnicastPorts(found.media_ports.first, found.media_ports.last),
        unicast=UnicastOptions(
            our_host=found.media_host,
            native=found.unicast_native,
            networks=(*LOOPBACK, *found.media_network),
        ),
        shared=None if presence is None else shared_door(place, presence, phone),
    )
    await door.start()
    stack.push_async_callback(phone.settled, DRAIN_TIMEOUT_S)
    stack.push_async_callback(door.close, DRAIN_TIMEOUT_S)
    stack.callback(phone.shut)
    return door
