"""Looks at the machine, each switch and our own parts, and judges nothing itself: see `control.findings`.

Every look has a limit and a failure of its own: one part that hangs or raises is one line, not the end.
"""

import asyncio
import os
import shutil
import socket
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import httpx
from msgspec import structs

from base.secret import Secret
from control import findings
from control.doctor_database import database
from control.event_socket import STRANGERS, of_access, read_event_socket
from control.findings import Finding
from control.secret_access import NOT_TOLD, visited_secrets
from control.settings import Settings
from control.switches import Switch
from control.vector_stores import vectors
from processors.models.store import ModelState, ModelStore
from tenants.embedded import EmbeddedPostgres
from transports.freeswitch.errors import LocalProtocolError, PhoneTimeoutError
from transports.freeswitch.esl_client import SwitchAddress, SwitchClient, SwitchUnreachableError
from transports.freeswitch.esl_switch_commands import (
    Auth,
    CodecList,
    CountChannels,
    EventSocketConfig,
    HasModule,
    IsLetIn,
    Module,
    UserAuth,
    Version,
)
from transports.freeswitch.peers import DEFAULT_SWITCH

EVENT_SOCKET: Final = "event socket"
LOOK_TIMEOUT_S: Final = 20.0
LATENCY_TRIES: Final = 20
BEATS: Final = 100
BEAT_S: Final = 0.02

Look = Callable[[Settings], Awaitable[list[Finding]]]


async def examine(found: Settings, only: Switch | None = None) -> AsyncIterator[Finding]:
    """Each finding as soon as it is there: of every switch and then of all else, or of one switch `only`."""
    for switch in _switches(found) if only is None else [only]:
        label = switch.name if found.switches else ""
        for finding in await _looked(EVENT_SOCKET, partial(_switch, switch), found):
            yield structs.replace(finding, switch=label)
    if only is None:
        for name, look in LOOKS.items():
            for finding in await _looked(name, look, found):
                yield finding


async def _looked(name: str, look: Look, found: Settings) -> list[Finding]:
    """What a look finds, or that it found nothing."""
    try:
        async with asyncio.timeout(LOOK_TIMEOUT_S):
            return await look(found)
    except TimeoutError:
        return [Finding(name=name, level="fail", text=f"no answer in {LOOK_TIMEOUT_S:.0f} s")]
    except Exception as error:
        # The boundary of one look: the others go on.
        return [Finding(name=name, level="fail", text=f"could not be looked at: {error!r}")]


def _switches(found: Settings) -> list[Switch]:
    """All that there are; the one without a name when it is the only one, or has a password."""
    return [one for one in found.all_switches if one in found.switches or one.password or not found.switches]


async def _switch(switch: Switch, found: Settings) -> list[Finding]:
    password = switch.password
    where = f"{switch.host}:{switch.port}"
    if password is None:
        fix = f"set {switch.variable('password')} (and {switch.variable('host')}, _PORT) to have the switch looked at"
        return [Finding(name=EVENT_SOCKET, level="skip", text="no password is set", fix=fix)]
    login = Auth(password) if switch.user is None else UserAuth(switch.user, password)
    address = SwitchAddress(host=switch.host, port=switch.port, login=login)
    try:
        client = await SwitchClient.connect(address)
    except (SwitchUnreachableError, LocalProtocolError) as error:
        fix = _reaching(switch, error)
        return [Finding(name=EVENT_SOCKET, level="fail", text=f"{where}: {error}", fix=fix)]
    try:
        return [
            Finding(name=EVENT_SOCKET, level="ok", text=where),
            *await _switch_parts(client, switch, password, found.wires),
        ]
    except (SwitchUnreachableError, PhoneTimeoutError) as error:
        return [Finding(name=EVENT_SOCKET, level="fail", text=f"{where}: {error}", fix="is the switch overloaded?")]
    finally:
        await client.close()


def _reaching(switch: Switch, error: Exception) -> str:
    """What to do about a switch with which no conversation began."""
    if isinstance(error, SwitchUnreachableError) and error.refused and "login" in str(error):
        where = "in event_socket.conf.xml" if switch.user is None else f"for the user {switch.user}"
        return f"{switch.variable('password')} is not the password that the switch has {where}"
    where = f"{switch.variable('host')}, _PORT"
    return f"is FreeSWITCH running? Then compare {where} with listen-ip, listen-port and apply-inbound-acl of its own"


async def _switch_parts(client: SwitchClient, switch: Switch, password: Secret, wires: Sequence[str]) -> list[Finding]:
    wanted = (wires, "ATENDE_WIRES")
    if switch.name != DEFAULT_SWITCH:
        # Of several, each has to have what its own calls come by.
        wanted = ((switch.wire or wires[0],), switch.variable("wire"))
    loaded = {module.value for module in Module if (await client.ask(HasModule(module))).text == "true"}
    version = (await client.ask(Version())).text
    codecs = (await client.ask(CodecList())).text
    each_ms = []
    for _ in range(LATENCY_TRIES):
        began = time.perf_counter()
        await client.ask(CountChannels())
        each_ms.append((time.perf_counter() - began) * 1000)
    return [
        findings.of_version(version, loaded),
        findings.of_password(password.reveal(), switch.variable("password")),
        await _access(client),
        findings.of_modules(loaded, *wanted),
        findings.of_codecs(codecs),
        findings.of_latency(each_ms),
    ]


async def _access(client: SwitchClient) -> Finding:
    """Whether strangers may command the switch, by what it tells of itself."""
    configured = read_event_socket((await client.ask(EventSocketConfig())).text)
    if configured is None:
        return of_access(None, ())
    try:
        asked = {one: [await client.ask(IsLetIn(one, name)) for name in configured.lists] for one in STRANGERS}
    except LocalProtocolError:
        # A list whose name we do not say.
        return of_access(None, ())
    told = {one: {answer.text.strip() for answer in answers} for one, answers in asked.items()}
    if any(answers - {"true", "false"} for answers in told.values()):
        return of_access(None, ())
    return of_access(configured, [one for one, answers in told.items() if answers == {"true"}])


async def _ports(found: Settings) -> list[Finding]:
    ours = await _we_run(found)
    doors = [("phone door", found.esl_host, found.esl_port), ("HTTP door", found.http_host, found.http_port)]
    if found.media_sockets:
        doors.append(("media door", found.esl_host, found.media_socket_port))
    return [findings.of_port(name, host, port, free=_is_free(host, port), ours=ours) for name, host, port in doors]


async def _we_run(found: Settings) -> bool:
    """Whether a service of ours answers at the HTTP door."""
    try:
        async with httpx.AsyncClient(timeout=2.0, trust_env=False) as client:
            answer = await client.get(f"http://{found.http_host}:{found.http_port}/health/live")
            return answer.is_success and answer.json() == {"live": True}
    except (httpx.HTTPError, ValueError):
        return False


def _is_free(host: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


async def _media_network(found: Settings) -> list[Finding]:
    if "unicast" not in found.wires:
        return []
    host, networks = found.media_host or found.esl_host, found.media_network
    seen = [findings.of_media_network(networks, host, here=_is_here(host))]
    for switch in found.switches:
        if (own := switch.media_host) is not None:
            variable = switch.variable("media_host")
            finding = findings.of_media_network(networks, own, here=_is_here(own), variable=variable)
            seen.append(structs.replace(finding, switch=switch.name))
    return seen


def _is_here(host: str) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((host, 0))
        except OSError:
            return False
    return True


async def _clock(_found: Settings) -> list[Finding]:
    late_ms, loop = [], asyncio.get_running_loop()
    began = loop.time()
    for beat in range(1, BEATS + 1):
        due = began + beat * BEAT_S
        await asyncio.sleep(max(0.0, due - loop.time()))
        late_ms.append((loop.time() - due) * 1000)
    return [findings.of_clock(late_ms)]


async def _disk(found: Settings) -> list[Finding]:
    folder = next(path for path in (found.data_dir, *found.data_dir.absolute().parents) if path.is_dir())
    return await asyncio.to_thread(lambda: findings.of_disk(shutil.disk_usage(folder).free, _sync_ms(folder)))


def _sync_ms(folder: Path) -> float:
    """How long it takes until a small file is safe."""
    with tempfile.NamedTemporaryFile(dir=folder) as file:
        began = time.perf_counter()
        file.write(b"x" * 4096)
        file.flush()
        os.fsync(file.fileno())
        return (time.perf_counter() - began) * 1000


async def _models(found: Settings) -> list[Finding]:
    store = ModelStore(found.data_dir, root=found.models_dir)
    wanted = [model for model in store.manifest.models if not model.optional]
    bad = [model.name for model in wanted if store.state(model) is not ModelState.INSTALLED]
    if bad:
        return [Finding(name="models", level="fail", text=f"missing: {', '.join(bad)}", fix="run `atende models pull`")]
    return [Finding(name="models", level="ok", text=", ".join(model.name for model in wanted))]


async def _documents(found: Settings) -> list[Finding]:
    from control.checking import check_files, secrets_for
    from processors.plugins import PluginError
    from tenants.files import files_of

    if found.tenants == "database":
        return [Finding(name="tenants", level="ok", text="kept in the database, checked when they are put")]
    files = tuple(files_of(found.tenants_dir))
    if not files:
        fix = "put one YAML file for each company there"
        return [Finding(name="tenants", level="warn", text=f"no document in {found.tenants_dir}", fix=fix)]
    try:
        checked = await asyncio.to_thread(check_files, files, found, await secrets_for(files, found))
    except PluginError as error:
        fix = "install it where Atende runs, or take it out of ATENDE_PLUGINS"
        return [Finding(name="tenants", level="fail", text=f"ATENDE_PLUGINS: {error}", fix=fix)]
    faults = [problem for one in checked for problem in one.problems]
    if faults:
        text = f"{_counted(len(faults), 'mistake')}, the first: {faults[0]}"
        return [Finding(name="tenants", level="fail", text=text, fix="run `atende check`")]
    return [Finding(name="tenants", level="ok", text=f"{_counted(len(files), 'good document')}")]


def _counted(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


async def _secrets(found: Settings) -> list[Finding]:
    """Whether the master keys open what is kept."""
    name = "secrets"
    if found.database_url is None and not EmbeddedPostgres(found.data_dir).is_made:
        return []
    try:
        async with visited_secrets(found) as secrets:
            kept, ring = await secrets.store.by_key(), secrets.keys
    except NOT_TOLD as error:
        fix = "see docs/secrets.md for where the master keys are"
        return [Finding(name=name, level="fail", text=f"cannot be decrypted: {error}", fix=fix)]
    if lost := sorted(key_id for key_id in kept if key_id not in ring.ids):
        text = f"{sum(kept[one] for one in lost)} cannot be decrypted: no master key {', '.join(lost)} in the ring"
        return [Finding(name=name, level="fail", text=text, fix="put it back into the ring, or set them anew")]
    old = sum(count for key_id, count in kept.items() if key_id != ring.first)
    if old:
        text = f"{old} of {sum(kept.values())} are under an older master key"
        return [Finding(name=name, level="warn", text=text, fix="run `atende secret rotate`")]
    return [Finding(name=name, level="ok", text=f"{sum(kept.values())}, encrypted with the master key {ring.first}")]


LOOKS: Final[dict[str, Look]] = {
    "ports": _ports,
    "media network": _media_network,
    "clock": _clock,
    "disk": _disk,
    "models": _models,
    "database": database,
    "vectors": vectors,
    "secrets": _secrets,
    "tenants": _documents,
}
