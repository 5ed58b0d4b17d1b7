"""Extensions, ring groups, queues and mailboxes of a domain, as destinations that calls can be passed to."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final, Literal

from msgspec import Struct, structs

from pipelines.spec_desk import DestinationSpec, FallbackSpec
from tenants.fusionpbx import facts
from tenants.fusionpbx.rows import DomainRows, ExtensionRow

MAX_DESTINATIONS: Final = 500
RING_S: Final = range(5, 121)
"""What a document may say; what is outside is left to its default."""
DEFAULT_RING_S: Final = 30
_VOICEMAIL: Final = FallbackSpec(do="voicemail")

Kind = Literal["extension", "ring_group", "queue", "external", "voicemail"]


class Place(Struct, frozen=True, kw_only=True):
    """Something that rings. `called` is its name as people say it, '' where it has none."""

    type: Kind
    number: str
    called: str = ""
    department: str = ""
    ring_s: int | None = None
    mailbox: bool = False


class Places(Struct, frozen=True, kw_only=True):
    destinations: tuple[DestinationSpec, ...]
    notes: tuple[str, ...]


def places(rows: DomainRows) -> Places:
    """Those that are enabled and have a number; a note for each that has none that a document may have.

    An extension that its owner keeps out of the PBX's directory is kept out here too.
    """
    boxes = [one.voicemail_id for one in rows.voicemails if facts.truth(one.voicemail_enabled)]
    found = [*_extensions(rows, boxes), *_groups(rows), *_queues(rows), *_mailboxes(rows, boxes)]
    notes: list[str] = []
    usable: list[Place] = []
    for place in found:
        if facts.number(place.number):
            usable.append(structs.replace(place, number=facts.number(place.number)))
        else:
            told = f"{facts.line(place.called)!r} ({facts.line(place.number, 40)})"
            notes.append(f"{place.type} {told} is not taken over: that is no number a document may have")
    if len(usable) > MAX_DESTINATIONS:
        notes.append(f"{len(usable)} destinations; the first {MAX_DESTINATIONS} are taken over, the most there may be")
    return Places(destinations=tuple(_named(usable[:MAX_DESTINATIONS])), notes=tuple(notes))


def _extensions(rows: DomainRows, boxes: Sequence[str]) -> Iterator[Place]:
    for one in rows.extensions:
        if not facts.truth(one.enabled) or not facts.truth(one.directory_visible, empty=True):
            continue
        yield Place(
            type="extension",
            number=one.extension,
            called=_person(one),
            department=facts.line(one.call_group.partition(",")[0]),
            ring_s=facts.whole(one.call_timeout),
            # FusionPBX keeps a mailbox under the alias where there is one.
            mailbox=(one.number_alias or one.extension) in boxes,
        )


def _person(one: ExtensionRow) -> str:
    name = facts.line(f"{one.directory_first_name} {one.directory_last_name}")
    for called in (name, facts.line(one.effective_caller_id_name), facts.line(one.description)):
        if called and called != one.extension:
            return called
    return ""


def _groups(rows: DomainRows) -> Iterator[Place]:
    for one in rows.ring_groups:
        if facts.truth(one.ring_group_enabled):
            yield Place(
                type="ring_group",
                number=one.ring_group_extension,
                called=facts.line(one.ring_group_name),
                ring_s=facts.whole(one.ring_group_call_timeout),
            )


def _queues(rows: DomainRows) -> Iterator[Place]:
    for one in rows.queues:
        yield Place(type="queue", number=one.queue_extension, called=facts.line(one.queue_name))


def _mailboxes(rows: DomainRows, boxes: Sequence[str]) -> Iterator[Place]:
    """Those that belong to no extension."""
    owned = {number for one in rows.extensions for number in (one.extension, one.number_alias)}
    yield from (Place(type="voicemail", number=box) for box in boxes if box not in owned)


def _named(found: list[Place]) -> Iterator[DestinationSpec]:
    """Each under a name of its own, which stays when others come: who shares one has the number behind it."""
    bases = [_base(place) for place in found]
    shared = Counter(bases)
    taken: set[str] = set()
    for place, base in zip(found, bases, strict=True):
        digits = facts.slug(place.number, "n")
        name = facts.unique(base if shared[base] == 1 else f"{base}-{digits.removeprefix('n-')}", taken)
        taken.add(name)
        yield DestinationSpec(
            name=name,
            number=place.number,
            type=place.type,
            aliases=(place.called,) if place.called else (),
            department=place.department or None,
            ring_s=DEFAULT_RING_S if place.ring_s is None or place.ring_s not in RING_S else place.ring_s,
            fallback=_VOICEMAIL if place.mailbox else FallbackSpec(),
        )


def _base(place: Place) -> str:
    kind = place.type.replace("_", "-")
    return facts.slug(place.called, kind) if place.called else facts.slug(place.number, kind)
