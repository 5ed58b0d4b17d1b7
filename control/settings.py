"""How the operator runs this process: `ATENDE_…` variables and a `.env` file, read once and passed in.

Precedence: the environment, then `.env` in the working directory, then the defaults below. Nothing else in the program
reads the environment; OpenTelemetry's SDK has `OTEL_…` of its own. A wrong value stops the start with *all* faults at
once, each with the variable and the fix; an unknown `ATENDE_…` variable is only warned about.
"""

import difflib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import urlsplit

from dotenv import dotenv_values
from msgspec import Struct, structs

from base.http import Endpoint
from base.secret import Secret
from control import places, switches
from control.setting_values import (
    OWN_MODELS,
    base_url,
    database_url,
    directory_user,
    endpoint,
    host,
    long_secret,
    many,
    model_server,
    named_urls,
    network,
    node_name,
    on_off,
    one_of,
    port,
    read_values,
    server_url,
    token,
    whole,
    wires,
)
from control.switches import Switch
from transports.freeswitch.peers import LOOPBACK, Network, is_within
from transports.freeswitch.unicast_ports import SWITCH_RTP_RANGE
from transports.freeswitch.words import Wire

PREFIX: Final = "ATENDE_"
_EVERYWHERE: Final = ("0.0.0.0", "::")  # noqa: S104 - each call's own address is looked at then


class SettingsError(Exception):
    """The settings cannot be used. `problems`: one line per fault, without any secret."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("the settings cannot be used:\n" + "\n".join(f"  {problem}" for problem in problems))
        self.problems = tuple(problems)


class PortRange(Struct, frozen=True):
    """UDP ports, both ends included."""

    first: int
    last: int

    def __str__(self) -> str:
        return f"{self.first}-{self.last}"


class Settings(Struct, frozen=True, kw_only=True):
    """Everything that is decided outside. Field `data_dir` is the variable `ATENDE_DATA_DIR`, and so on."""

    data_dir: Path = Path(".atende")
    """Database, recordings, spool, keys and vectors; made with mode 0700."""
    database_url: Secret | None = None
    """`postgresql://owner:password@host/database` of the *owner*; absent: the embedded PostgreSQL."""
    http_host: str = "127.0.0.1"
    http_port: int = 8080
    esl_host: str = "127.0.0.1"
    esl_port: int = 8084
    """Where FreeSWITCH's `socket` action finds us."""
    esl_allowed_cidrs: tuple[Network, ...] = ()
    """Who may connect to the phone door beside the `switches`; without them it must be given when `esl_host` is not
    loopback."""
    switch_host: str = "127.0.0.1"
    switch_port: int = 8021
    """FreeSWITCH's event socket, for `atende doctor`."""
    switch_user: str | None = None
    """`user@domain` of FreeSWITCH's directory, with its own password; absent: the event socket's password."""
    switch_password: Secret | None = None
    switches: tuple[Switch, ...] = ()
    """Several PBXs, each by its name; see `control.switches`."""
    media_host: str | None = None
    """Our address for audio, as FreeSWITCH reaches it; absent: the one that each call's event socket came in on."""
    media_network: tuple[Network, ...] = ()
    """Where both ends of unicast may lie beside loopback. Nothing encrypts it there: best a WireGuard's network."""
    wires: tuple[Wire, ...] = ("unicast",)
    """How a call's audio may come; the first is taken where the dialplan does not set `atende_wire`."""
    unicast_native: bool = False
    """Take G.711 calls over unicast undecoded: half the octets between FreeSWITCH and us, and more of our CPU."""
    media_socket_port: int = 8085
    """Where the media modules connect, at `esl_host`; only with `audio_fork` or `audio_stream` among the wires."""
    media_ports: PortRange = PortRange(40000, 49999)
    """Keep clear of FreeSWITCH's own RTP range (16384-32768 by default)."""
    tenants: Literal["folder", "database"] = "folder"
    """Where tenants' documents are kept: in the files of `tenants_dir`, which one node has, or in the database alone,
    for several nodes."""
    tenants_dir: Path = Path("configs/tenants")
    watch: bool = True
    """Publish a tenant's file when it is saved."""
    swap: Literal["turn", "drain"] = "turn"
    """Live calls of a tenant whose file is saved change over at the end of a turn, or end on what they began with."""
    eager_tenants: int = 100
    """So many are loaded before calls are taken; the others behind it, or with their first call."""
    models_budget_mb: int = 0
    """Above so much memory for models, tenants that nobody has rung for longest are unloaded; 0: no limit."""
    knowledge_dir: Path = Path("configs/knowledge")
    models_dir: Path | None = None
    """Model files; absent: `models` in the data directory."""
    models_url: str | None = None
    """Who has the embedded recogniser, voice and embedder: `unix:///path` or `http(s)://host:port` of a server with
    OpenAI's endpoints, or `own`: each process itself. Absent: with `workers` one process of the node, else this one."""
    models_key: Secret | None = None
    """What that server lets in, as `Authorization: Bearer …`."""
    signing_keys: Secret | None = None
    """`keyid:base64secret,…`: the first signs, all verify; absent: one is made in the data directory."""
    api_key_secret: Secret | None = None
    """What API keys are digested with, 32 characters and more; several machines must share it, and with another one no
    key is good any more. Absent: one is made in the data directory."""
    api_url: str | None = None
    """Of the service that `atende tenants` and `atende calls` ask; absent: the one of these settings."""
    api_key: Secret | None = None
    """Their key, as `atende keys create` printed it."""
    secrets_keys: Secret | None = None
    """`id:base64,…` of 32 bytes each: tenants' secrets are encrypted with the first, all decrypt; absent, with the two
    below: `secrets.keys` in the data directory, made at the first start."""
    secrets_keys_file: Path | None = None
    """A file with such a ring, which not everybody may read."""
    secrets_keys_command: str | None = None
    """A program with its arguments that prints such a ring, as one that asks a KMS; no shell reads it."""
    fusionpbx_database_url: Secret | None = None
    """`postgresql://role:password@host/fusionpbx`, for `atende import fusionpbx`: of a role that may only read."""
    log_format: Literal["console", "json"] = "console"
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    max_calls: int = 200
    """Calls at the same time in this process; more are told that we are busy, as are those for which what is measured
    leaves no room."""
    tenant_max_calls: int = 0
    """Of one company at the same time, in all processes and whatever its document says; 0: as many as that says."""
    max_lateness_ms: int = 15
    """No call more is taken while the media clock is later: 99th percentile of each half second, for seconds."""
    max_loop_load: int = 90
    """Nor while the event loop works more than so many percent of its time: then answers come late."""
    max_stage_wait_ms: int = 500
    """No call more is taken while sentences wait longer for a thread of the embedded recogniser or voice."""
    max_stage_load: int = 80
    """Nor one with which the embedded recogniser or voice would have to work so many percent of its time."""
    api_requests_per_s: int = 20
    """With one key of the REST API, in the long run; five seconds' worth may come at once."""
    drain_s: int = 30
    """When the service is told to end, live calls have so long; what still lives then goes back to its dialplan."""
    relief_drain_s: int = 3600
    """With `workers`, the live calls of a process that is relieved have so long: it ends when they are over, and nobody
    waits for its end."""
    spool_max_mb: int = 1024
    """Of records and events that wait for the database: from 80 % on calls are not recorded, and at the bound no
    further call is taken, so that no record is lost."""
    disk_min_free_mb: int = 500
    """On the disk of `data_dir`: with less no further call is taken, with less than twice as much none is recorded; 0:
    whatever is free."""
    events_days: int = 90
    """Events are kept for so many days (UTC), and a million of them at the most."""
    workers: int = 0
    """So many processes take calls, beside one for the REST API; 0: one process does everything."""
    node: str | None = None
    """This machine's name among those that share the database; absent: the host's, with a number that is kept in the
    data directory."""
    internal_host: str = "127.0.0.1"
    """Where the processes of other nodes, and Prometheus, reach those of this one. Without `workers` it is `http_host`
    that listens: give this where that is every address, or the same."""
    internal_port: int = 0
    """The first of the ports for that: the process in place n has the n-th after it; 0: any free port."""
    again_port: int = 0
    """With `workers`, the first of the ports by which a call that was here comes back to its own process, as
    `internal_port`; 0: any free port."""
    recordings: bool = True
    hold_music: Path | None = None
    """A WAV (16-bit PCM, mono or stereo, 5 minutes at most) that callers hear in a loop while a person is called for
    them; absent: a ringing tone."""
    vectors: Literal["chroma", "pgvector", "chroma-server"] = "chroma"
    """Where the vectors of tenants' documents are: in the data directory, for one process; in the database, where
    nothing else is said and several processes share it; or on a Chroma server."""
    chroma_url: str | None = None
    """`http://host:port` of a Chroma server on this machine, or `https://…` of the proxy before one elsewhere."""
    chroma_token: Secret | None = None
    """What that proxy lets in, as `Authorization: Bearer …`."""
    otlp_endpoint: str | None = None
    """Where a collector takes traces (OTLP over HTTP), such as `http://127.0.0.1:4318`; absent: none are made."""
    plugins: tuple[str, ...] = ()
    """Distributions or stages of others, by name, that tenants' documents may use; see docs/plugins.md."""
    outbound_allow: tuple[Endpoint, ...] = ()
    """`host:port,…` that outbound requests may reach although they are not on the public internet."""
    endpoints: Mapping[str, str] = {}
    """`name=URL,…` that tenants' documents may name as `{endpoint: name}`: the only way to one that is not public."""

    @property
    def shared(self) -> bool:
        """Whether other processes work with this one on the same tenants."""
        return self.workers > 0 or self.tenants == "database"

    @property
    def model_server(self) -> str | None:
        """The URL of the server that has the models; None: this process has them."""
        return None if self.models_url == OWN_MODELS else self.models_url

    @property
    def slots(self) -> int:
        """Places for processes that take calls: one that is relieved keeps its own until its calls are over."""
        return 2 * self.workers

    @property
    def media_sockets(self) -> bool:
        """Whether a wire is served whose module connects to us."""
        return bool({"audio_fork", "audio_stream"} & set(self.wires))

    @property
    def all_switches(self) -> tuple[Switch, ...]:
        """Those that have names, which are looked at first, and `default`."""
        default = Switch(
            host=self.switch_host,
            port=self.switch_port,
            user=self.switch_user,
            password=self.switch_password,
            peers=self.esl_allowed_cidrs or LOOPBACK,
        )
        return (*self.switches, default)

    @property
    def switch_names(self) -> tuple[str, ...]:
        """What a tenant's document may name."""
        return tuple(switch.name for switch in self.all_switches)

    @property
    def models(self) -> Path:
        """Where model files are."""
        return self.models_dir or self.data_dir / "models"


def load(environ: Mapping[str, str], dotenv: Path | None = None) -> tuple[Settings, list[str]]:
    """Settings and warnings. `dotenv` is read when it is there. Raises SettingsError with every fault."""
    from_file = dotenv_values(dotenv, interpolate=False) if dotenv is not None and dotenv.is_file() else {}
    written = {name: value or "" for name, value in (from_file | dict(environ)).items() if name.startswith(PREFIX)}
    values, problems = read_values(_PARSERS, written, lambda field: PREFIX + field.upper())
    named = values.pop("switches", ())
    values["switches"], faults = switches.read(named, written)
    problems += faults
    if problems:
        raise SettingsError(problems)
    settings = Settings(**values)
    if settings.shared and "vectors" not in values:
        settings = structs.replace(settings, vectors="pgvector")  # a folder of Chroma's has one owner
    return checked(settings), _warnings(written, named)


def checked(settings: Settings) -> Settings:
    """The settings, whose values go together. Raises SettingsError with every fault."""
    if problems := _contradictions(settings):
        raise SettingsError(problems)
    return settings


def _contradictions(settings: Settings) -> list[str]:
    problems = switches.contradictions(
        settings.switches, wires=settings.wires, media_network=settings.media_network, door_host=settings.esl_host
    )
    if not _is_loopback(settings.esl_host) and not settings.esl_allowed_cidrs and not settings.switches:
        problems.append(
            f"ATENDE_ESL_ALLOWED_CIDRS: must be given because ATENDE_ESL_HOST is {settings.esl_host}, "
            "e.g. 10.0.0.5/32 for the one FreeSWITCH that may connect"
        )
    problems += _media_problems(settings) + _chroma_problems(settings)
    rings = [name for name in ("secrets_keys", "secrets_keys_file", "secrets_keys_command") if getattr(settings, name)]
    if len(rings) > 1:
        problems.append(f"{', '.join(f'ATENDE_{name.upper()}' for name in rings)}: give one of them")
    if ":" in settings.esl_host:
        problems.append("ATENDE_ESL_HOST: the audio of unicast needs IPv4; give an IPv4 address")
    ports = {"ATENDE_ESL_PORT": settings.esl_port, "ATENDE_HTTP_PORT": settings.http_port}
    if settings.media_sockets and settings.media_socket_port:
        taken = [name for name, port in ports.items() if port == settings.media_socket_port]
        problems += [
            f"ATENDE_MEDIA_SOCKET_PORT: {settings.media_socket_port} is also {n}; choose another" for n in taken
        ]
    if settings.workers:
        problems += places.contradictions(
            settings.slots,
            pairs=(settings.media_ports.last + 1 - settings.media_ports.first) // 2,
            calls=settings.max_calls if "unicast" in settings.wires else 0,
            internal_host=settings.internal_host,
            taken={"HTTP_PORT": settings.http_port, "ESL_PORT": settings.esl_port},
            firsts={
                "INTERNAL_PORT": settings.internal_port,
                "AGAIN_PORT": settings.again_port,
                "MEDIA_SOCKET_PORT": settings.media_socket_port if settings.media_sockets else 0,
            },
        )
    problems += _internal_problems(settings)
    if settings.http_port == settings.esl_port != 0 and settings.http_host == settings.esl_host:
        problems.append(f"ATENDE_HTTP_PORT: {settings.http_port} is also ATENDE_ESL_PORT; choose another")
    return problems


def _internal_problems(settings: Settings) -> list[str]:
    """A node of one process answers the others where its HTTP door listens."""
    http, internal = settings.http_host, settings.internal_host
    if settings.workers or settings.tenants == "folder":
        return []
    if http in _EVERYWHERE and internal in _EVERYWHERE:
        return [f"ATENDE_INTERNAL_HOST: {internal} is no address that others could ask; give one of this machine's"]
    if _is_loopback(http) and not _is_loopback(internal):
        told = f"nothing listens at {internal} without ATENDE_WORKERS while ATENDE_HTTP_HOST is {http}"
        return [f"ATENDE_INTERNAL_HOST: {told}; set that to {internal}, too, or to 0.0.0.0"]
    return []


def _media_problems(settings: Settings) -> list[str]:
    """Unicast that leaves this machine goes where its operator said, and nowhere else."""
    name, host = "ATENDE_ESL_HOST", settings.esl_host
    if settings.media_host is not None:
        name, host = "ATENDE_MEDIA_HOST", settings.media_host
    if settings.media_host in _EVERYWHERE:
        return [f"{name}: {host} is no address that a switch could send to; give one of this machine's"]
    if "unicast" not in settings.wires or (_is_loopback(settings.esl_host) and _is_loopback(host)):
        return []
    if not settings.media_network:
        problem = f"ATENDE_MEDIA_NETWORK: must be given because {name} is {host} and nothing encrypts unicast's audio, "
        return [problem + "e.g. 10.77.0.0/24 for a WireGuard in which this machine and the switch have addresses"]
    if host not in _EVERYWHERE and not is_within(host, settings.media_network):
        return [f"{name}: {host} is no address in ATENDE_MEDIA_NETWORK; give the one that this machine has there"]
    return []


def _chroma_problems(settings: Settings) -> list[str]:
    """A server elsewhere is spoken to where nobody listens, and tells who asks: Chroma's own does neither."""
    url = settings.chroma_url
    if settings.vectors != "chroma-server":
        return []
    if url is None:
        return ["ATENDE_CHROMA_URL: must be given because ATENDE_VECTORS is chroma-server, e.g. http://127.0.0.1:8000"]
    if _is_loopback(urlsplit(url).hostname or ""):
        return []
    problems = []
    if not url.startswith("https://"):
        problems.append(
            "ATENDE_CHROMA_URL: must be https://… of a proxy that asks for a token, being another machine's"
        )
    if settings.chroma_token is None:
        problems.append("ATENDE_CHROMA_TOKEN: must be given because ATENDE_CHROMA_URL is another machine's")
    return problems


def _warnings(written: Mapping[str, str], named: Sequence[str]) -> list[str]:
    known = [PREFIX + name.upper() for name in _PARSERS] + switches.variables(named)
    warnings = []
    for name in sorted(set(written) - set(known)):
        near = difflib.get_close_matches(name, known, n=1)
        hint = switches.unknown(name, named) or (f"did you mean {near[0]}?" if near else "")
        warnings.append(f"{name} is unknown and ignored" + (f"; {hint}" if hint else ""))
    return warnings


def _is_loopback(host: str) -> bool:
    return is_within(host, LOOPBACK)


def _music(text: str) -> Path:
    from pipelines import hold_music  # brings pipecat

    return hold_music.checked(Path(text))


def _ports(text: str) -> PortRange:
    first, dash, last = text.partition("-")
    if not dash:
        raise ValueError(f"{text!r} is not a range such as 40000-49999")
    ports = PortRange(whole(1024, 65535)(first.strip()), whole(1024, 65535)(last.strip()))
    if ports.last < ports.first + 1:
        raise ValueError(f"{text!r} ends before it begins; write the lower port first")
    if ports.first < SWITCH_RTP_RANGE.stop and ports.last >= SWITCH_RTP_RANGE.start:
        raise ValueError(f"{text!r} overlaps FreeSWITCH's own RTP ports, 16384-32768; choose others")
    return ports


_PARSERS: Final[Mapping[str, Callable[[str], Any]]] = {
    "data_dir": Path,
    "database_url": database_url,
    "http_host": host,
    "http_port": port,
    "esl_host": host,
    "esl_port": port,
    "esl_allowed_cidrs": many(network),
    "switch_host": host,
    "switch_port": port,
    "switch_user": directory_user,
    "switch_password": Secret,
    "switches": switches.names,
    "media_host": host,
    "media_network": many(network),
    "wires": wires,
    "unicast_native": on_off,
    "media_socket_port": port,
    "media_ports": _ports,
    "tenants": one_of("folder", "database"),
    "tenants_dir": Path,
    "watch": on_off,
    "swap": one_of("turn", "drain"),
    "eager_tenants": whole(0, 100_000),
    "models_budget_mb": whole(0, 10_000_000),
    "knowledge_dir": Path,
    "models_dir": Path,
    "models_url": model_server,
    "models_key": token,
    "signing_keys": Secret,
    "api_key_secret": long_secret,
    "api_url": server_url,
    "api_key": token,
    "secrets_keys": Secret,
    "secrets_keys_file": Path,
    "secrets_keys_command": str,
    "fusionpbx_database_url": database_url,
    "log_format": one_of("console", "json"),
    "log_level": one_of("debug", "info", "warning", "error"),
    "max_calls": whole(1, 100_000),
    "tenant_max_calls": whole(0, 100_000),
    "max_lateness_ms": whole(1, 1000),
    "max_loop_load": whole(1, 1000),
    "max_stage_wait_ms": whole(10, 60_000),
    "max_stage_load": whole(1, 1000),
    "api_requests_per_s": whole(1, 10_000),
    "drain_s": whole(0, 86_400),
    "relief_drain_s": whole(0, 86_400),
    "spool_max_mb": whole(1, 10_000_000),
    "disk_min_free_mb": whole(0, 10_000_000),
    "events_days": whole(1, 3650),
    "workers": whole(0, 64),
    "node": node_name,
    "internal_host": host,
    "internal_port": port,
    "again_port": port,
    "recordings": on_off,
    "hold_music": _music,
    "vectors": one_of("chroma", "pgvector", "chroma-server"),
    "chroma_url": server_url,
    "chroma_token": token,
    "otlp_endpoint": base_url,
    "plugins": many(str),
    "outbound_allow": many(endpoint),
    "endpoints": named_urls,
}
