"""What `atende doctor` makes of what it sees. Pure: facts in, one line each out, with the fix."""

import re
from collections.abc import Collection, Sequence
from typing import Final, Literal

from msgspec import Struct

from control.dialplan.switch_files import PLACEHOLDER_PASSWORD
from transports.freeswitch.peers import Network

Level = Literal["ok", "warn", "fail", "skip"]
Version = tuple[int, int, int]

DEFAULT_PASSWORD: Final = "ClueCon"  # noqa: S105 - the one that everybody knows
NEWEST_KNOWN_FIX: Final[Version] = (1, 11, 2)
_VERSION: Final = re.compile(r"FreeSWITCH Version (\d+)\.(\d+)\.(\d+)")
SLOW_SOCKET_MS: Final = 20.0
LATE_CLOCK_MS: Final = 10.0
SLOW_DISK_MS: Final = 50.0
LITTLE_DISK_BYTES: Final = 2 << 30
NEEDED_CODECS: Final = {"PCMU": "G.711 ULAW", "PCMA": "G.711 ALAW"}
"""By the names that `show codec` lists them under."""
WIDEBAND_CODECS: Final = {"G722": "G.722", "opus": "OPUS"}
"""Taken when they are there; a call of theirs is carried at 16 kHz."""


class Weakness(Struct, frozen=True):
    """A published vulnerability of FreeSWITCH, mended in `fixed`; `module` is what it is in, when it can be absent."""

    cve: str
    what: str
    fixed: Version
    module: str = ""


WEAKNESSES: Final = (
    Weakness("CVE-2026-49840", "libesl, before any login", (1, 11, 1)),
    Weakness("CVE-2026-49841", "mod_verto, before any login", (1, 11, 1), "mod_verto"),
    Weakness("CVE-2026-116779", "a SIP MESSAGE runs API commands", (1, 11, 2), "mod_sofia"),
    Weakness("CVE-2026-116785", "mod_xml_rpc", (1, 11, 2), "mod_xml_rpc"),
    Weakness("CVE-2026-116790", "ICE", (1, 11, 2)),
)


class Finding(Struct, frozen=True, kw_only=True):
    """One line of the doctor's: what was looked at, how it is, and what to do about it."""

    name: str
    level: Level
    text: str
    fix: str = ""
    switch: str = ""
    """The one that it is about, where there are several."""


def of_version(text: str, modules: Collection[str]) -> Finding:
    """What the switch says of its version, and which of the known vulnerabilities apply with these modules loaded."""
    name = "switch version"
    found = _VERSION.search(text)
    if found is None:
        return Finding(name=name, level="warn", text=f"not understood: {text[:60]!r}", fix="is this a FreeSWITCH?")
    version = (int(found[1]), int(found[2]), int(found[3]))
    shown = ".".join(map(str, version))
    open_ = [w for w in WEAKNESSES if version < w.fixed and (not w.module or w.module in modules)]
    if not open_:
        return Finding(name=name, level="ok", text=f"FreeSWITCH {shown}")
    newest = ".".join(map(str, NEWEST_KNOWN_FIX))
    named = ", ".join(f"{weakness.cve} ({weakness.what})" for weakness in open_)
    fix = f"upgrade FreeSWITCH to {newest} or newer"
    return Finding(name=name, level="fail", text=f"FreeSWITCH {shown} has {named}", fix=fix)


def of_password(password: str, variable: str = "ATENDE_SWITCH_PASSWORD") -> Finding:
    """Whether the event socket's password, as `variable` has it, is one that everybody knows."""
    name = "event socket password"
    if password in {DEFAULT_PASSWORD, PLACEHOLDER_PASSWORD}:
        fix = (
            "change `password` in event_socket.conf.xml and, with FusionPBX, switch.event_socket.password in "
            f"/etc/fusionpbx/config.conf to the same; restart FreeSWITCH when no call is up; set {variable}"
        )
        text = "the well-known default" if password == DEFAULT_PASSWORD else "the one that stands for yours"
        return Finding(name=name, level="fail", text=text, fix=fix)
    if len(password) < 16:
        return Finding(name=name, level="warn", text="short", fix="use 16 characters or more, at random")
    return Finding(name=name, level="ok", text="not the default")


def of_modules(loaded: Collection[str], wanted: Collection[str] = (), variable: str = "ATENDE_WIRES") -> Finding:
    """Which wires the switch offers, and whether those are among them that `variable` wants.

    Unicast needs nothing but mod_event_socket, which has just answered.
    """
    offered = ["unicast", *(wire for wire in ("audio_fork", "audio_stream") if f"mod_{wire}" in loaded)]
    missing = [wire for wire in wanted if wire not in offered]
    if missing:
        fix = f"load {', '.join(f'mod_{wire}' for wire in missing)}, or change {variable}"
        return Finding(name="wires", level="fail", text=f"no {', '.join(missing)} on this switch", fix=fix)
    return Finding(name="wires", level="ok", text=", ".join(offered))


def of_codecs(listed: str) -> Finding:
    """Whether the telephone's own codecs are loaded, and which of those that carry more than it."""
    found = listed.upper()
    missing = [codec for codec, name in NEEDED_CODECS.items() if name not in found]
    if missing:
        return Finding(
            name="codecs",
            level="fail",
            text=f"no {', '.join(missing)}",
            fix="G.711 is in FreeSWITCH's core: is this the whole of `show codec`?",
        )
    wideband = [codec for codec, name in WIDEBAND_CODECS.items() if name in found]
    return Finding(name="codecs", level="ok", text=", ".join((*NEEDED_CODECS, *wideband)))


def of_latency(each_ms: Sequence[float]) -> Finding:
    """How soon the event socket answers."""
    worst, middle = max(each_ms), sorted(each_ms)[len(each_ms) // 2]
    text = f"{middle:.1f} ms, at worst {worst:.1f} ms of {len(each_ms)}"
    if worst > SLOW_SOCKET_MS:
        fix = "put Atende nearer to the switch, or find out what holds the switch up"
        return Finding(name="event socket latency", level="warn", text=text, fix=fix)
    return Finding(name="event socket latency", level="ok", text=text)


def of_media_network(
    networks: Sequence[Network], host: str, *, here: bool, variable: str = "ATENDE_MEDIA_HOST (or ATENDE_ESL_HOST)"
) -> Finding:
    """Where unicast's audio goes; `here` tells whether this machine has the address `host`, at which it comes in."""
    name = "media network"
    if not here:
        fix = f"bring the network up, or give {variable} an address of this machine"
        return Finding(name=name, level="fail", text=f"this machine has no address {host}", fix=fix)
    if not networks:
        return Finding(name=name, level="ok", text="loopback alone")
    text = ", ".join(map(str, networks))
    if not all(network.is_private for network in networks):
        fix = "callers can be listened to on the way: put a WireGuard between, and name its network"
        return Finding(name=name, level="warn", text=f"{text} is public, and unicast is not encrypted", fix=fix)
    return Finding(name=name, level="ok", text=text)


def of_clock(late_ms: Sequence[float]) -> Finding:
    """Whether this machine can keep the 20 ms beat of a telephone."""
    ordered = sorted(late_ms)
    p99 = ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]
    text = f"p99 {p99:.1f} ms late of {len(ordered)} beats"
    if p99 > LATE_CLOCK_MS:
        fix = "give the machine more CPU or fewer neighbours: callers hear this as stutter"
        return Finding(name="clock", level="fail", text=text, fix=fix)
    return Finding(name="clock", level="ok", text=text)


def of_disk(free_bytes: int, sync_ms: float) -> list[Finding]:
    """Room and speed where records and recordings are kept."""
    free = f"{free_bytes / (1 << 30):.1f} GiB free"
    room = Finding(name="disk", level="ok", text=free)
    if free_bytes < LITTLE_DISK_BYTES:
        room = Finding(name="disk", level="warn", text=free, fix="make room: an hour of stereo recording is 115 MB")
    speed = Finding(name="disk speed", level="ok", text=f"{sync_ms:.1f} ms to keep a record")
    if sync_ms > SLOW_DISK_MS:
        speed = Finding(
            name="disk speed",
            level="warn",
            text=f"{sync_ms:.0f} ms to keep a record",
            fix="put ATENDE_DATA_DIR on a local disk",
        )
    return [room, speed]


def of_port(name: str, host: str, port: int, *, free: bool, ours: bool) -> Finding:
    """Whether an address can be listened at, or is by us: `ours` when a service of ours runs."""
    where = f"{host}:{port}"
    if ours and free:
        fix = "look at the service's log, or restart it: its settings are other than these"
        return Finding(name=name, level="fail", text=f"Atende is running, but not at {where}", fix=fix)
    if ours:
        return Finding(name=name, level="ok", text=f"{where}, Atende is running")
    if free:
        return Finding(name=name, level="ok", text=f"{where} is free: Atende is not running")
    fix = f"stop what listens at {where}, or set another port"
    return Finding(name=name, level="fail", text=f"{where} is taken by another program", fix=fix)


def exit_code(findings: Sequence[Finding]) -> int:
    """1 when anything failed; a warning is none."""
    return int(any(finding.level == "fail" for finding in findings))
