"""The files of the spool: one per call, one line when it opens and one when it closes; one per event. Blocking.

While the process lives, it renews the time of each live call's file, which tells later how far a lost call came.

A line is its CRC-32 in hex, a space and JSON. A line that a crash cut short does not match and counts
for nothing, so the file of a call means the same wherever it was cut.
"""

import errno
import fcntl
import hashlib
import os
import re
import zlib
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

import msgspec
from msgspec import Struct

from base.ids import CallId
from pipelines.calls import Call, CallRecord
from pipelines.events import Event

SUFFIX = ".call"
EVENT_SUFFIX = ".event"
DRAFT_SUFFIX = ".draft"
"""Of an event's file that is being written: nothing looks at it."""
_PLAIN = re.compile(r"[A-Za-z0-9-]{1,64}")


class SpoolError(Exception):
    """The spool cannot be used; the message says why."""


class CallOpened(Struct, frozen=True, tag="opened"):
    call: Call


class CallClosed(Struct, frozen=True, tag="closed"):
    record: CallRecord


class EventTold(Struct, frozen=True, tag="event"):
    event: Event


Line = CallOpened | CallClosed | EventTold
_DECODER: msgspec.json.Decoder[Line] = msgspec.json.Decoder(Line)


def name_of(call_id: CallId) -> str:
    """A file name for a call, whatever its id is made of."""
    plain = call_id if _PLAIN.fullmatch(call_id) else hashlib.sha256(call_id.encode()).hexdigest()
    return plain + SUFFIX


def name_of_event(event: Event) -> str:
    """A file name for an event; sorted, they are in the order of their times."""
    return f"{event.at.timestamp():020.6f}-{event.key}{EVENT_SUFFIX}"


def lock(folder: Path) -> int:
    """Make the folder ours until the descriptor is closed, without what a process that died was writing.

    Raises SpoolError when another process has it.
    """
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for path in made:
        _sync_folder(path.parent)
    descriptor = os.open(folder / "lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise SpoolError(f"another process uses {folder}; each needs a folder of its own") from error
    for draft in folder.glob("*" + DRAFT_SUFFIX):
        draft.unlink(missing_ok=True)
    return descriptor


def adopt(left_by: Path, own: Path) -> int:
    """Take the files of spools that no process has, in `left_by` and below it, into our own; how many."""
    taken = 0
    for folder in [left_by, *sorted(path for path in left_by.glob("*") if path.is_dir())]:
        if folder == own or not _left(folder):
            continue
        try:
            descriptor = lock(folder)
        except SpoolError:
            continue  # its process lives
        try:
            for path in _left(folder):
                path.rename(own / path.name)
                taken += 1
            _sync_folder(own)
        finally:
            os.close(descriptor)
    return taken


def _left(folder: Path) -> list[Path]:
    return [path for suffix in (SUFFIX, EVENT_SUFFIX) for path in folder.glob("*" + suffix)]


def append(path: Path, line: Line, *, known: bool = False) -> None:
    """Add a line; it is on the disk when this returns. `known`: so is the file's name. Raises OSError."""
    _write(path, line, os.O_APPEND)
    if not known:
        _sync_folder(path.parent)


def put_event(folder: Path, event: Event) -> None:
    """An event's file; it is on the disk when this returns, and nobody sees it before it is whole. Raises OSError."""
    path = folder / name_of_event(event)
    draft = path.with_name(path.name + DRAFT_SUFFIX)
    try:
        _write(draft, EventTold(event), os.O_TRUNC)
    except OSError:
        draft.unlink(missing_ok=True)  # the disk is full
        raise
    draft.rename(path)
    _sync_folder(folder)


def _write(path: Path, line: Line, mode: int) -> None:
    body = msgspec.json.encode(line)
    descriptor = os.open(path, os.O_CREAT | mode | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    try:
        # The line break comes first too: it parts this line from one that was cut short.
        data = b"\n%08x %b\n" % (zlib.crc32(body), body)
        if os.write(descriptor, data) < len(data):
            # A disk that fills up takes a part and says nothing; only the next write would tell.
            raise OSError(errno.ENOSPC, "only a part of the line fits on the disk", str(path))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read(path: Path) -> CallRecord | Event | None:
    """What became of the call; one that never closed was lost with its process. Of an event's file the event.

    None when not even its opening is whole.
    """
    opened: Call | None = None
    for line in path.read_bytes().split(b"\n"):
        match _decode(line):
            case CallClosed(record=record):
                return record
            case EventTold(event=event):
                return event
            case CallOpened(call=call):
                opened = call
            case None:
                continue
    if opened is None:
        return None
    renewed_at = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    return CallRecord(
        call=opened,
        ended_at=max(renewed_at, opened.opened_at),  # a file's time is that of the kernel's last tick
        end_reason="lost",
        hangup_cause="",
        turns=(),
    )


def renew(paths: Iterable[Path]) -> None:
    """Their calls live now. Raises OSError for another reason than that one is not there."""
    for path in paths:
        with suppress(FileNotFoundError):
            os.utime(path)


def delete(path: Path) -> None:
    path.unlink(missing_ok=True)
    _sync_folder(path.parent)


def set_aside(path: Path) -> None:
    """Keep a file that nobody understands for a human; it is not looked at again."""
    path.rename(path.with_suffix(".unreadable"))


def waiting(folder: Path, limit: int) -> list[str]:
    """Names of events' and calls' files, at most so many, the events first and in their order."""
    with os.scandir(folder) as entries:
        ours = (entry.name for entry in entries if entry.name.endswith((SUFFIX, EVENT_SUFFIX)))
        return sorted(islice(ours, limit), key=lambda name: (name.endswith(SUFFIX), name))


def measure(folder: Path, live: frozenset[str]) -> tuple[int, int, float | None]:
    """How many files wait that are of no live call, the bytes of all, and when the oldest that waits was written."""
    waiting, used, oldest = 0, 0, None
    with os.scandir(folder) as entries:
        for entry in entries:
            try:
                facts = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue  # handed on just now
            used += facts.st_size
            if entry.name.endswith((SUFFIX, EVENT_SUFFIX)) and entry.name not in live:
                waiting += 1
                oldest = facts.st_mtime if oldest is None else min(oldest, facts.st_mtime)
    return waiting, used, oldest


def _decode(line: bytes) -> Line | None:
    checksum, _, body = line.partition(b" ")
    if checksum != b"%08x" % zlib.crc32(body):
        return None
    try:
        return _DECODER.decode(body)
    except msgspec.DecodeError:
        # Whole, but of another version: it cannot be understood, and must not stop the others.
        return None


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
