"""Who answers in a domain: the assistants that it has had before, else one for its inbound numbers."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Final

import msgspec
from msgspec import Struct

from base.languages import LanguageUnknownError, language, primary, tag
from pipelines.spec import EXTENSION, AssistantSpec, LimitsSpec, TextsSpec, TransferSpec
from tenants.fusionpbx import facts
from tenants.fusionpbx.rows import MAX_CHARS, DomainRows, InboundRow, SecretaryRow

MAX_ASSISTANTS: Final = 100
MAX_FACTS: Final = 50
FACT_CHARS: Final = 2000
MAX_TURNS: Final = range(1, 1001)
_RECEPTION: Final[Mapping[str, str]] = {"pt": "recepcao", "en": "reception", "es": "recepcion"}
_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_TRANSFER: Final = re.compile(r"(\S+)(?: XML \S+)?")


class Staff(Struct, frozen=True, kw_only=True):
    assistants: tuple[AssistantSpec, ...] = ()
    notes: tuple[str, ...] = ()


def staff(rows: DomainRows, tenant_language: str, hours: Mapping[str, str]) -> Staff:
    """The assistants of a domain; none where nothing of it is to be answered.

    `hours` are the names of those that a dialled number stands for.
    """
    notes: list[str] = []
    assistants = list(_former(rows, tenant_language, notes))
    inbound = list(_inbound(rows, notes))
    answered = {number for one in assistants for number in one.numbers}
    if assistants:
        for number, goes_to in inbound:
            whose = "an assistant" if goes_to in answered else "none of the assistants"
            notes.append(f"inbound number {number} goes to {goes_to or 'nothing we know'} in the PBX: {whose}")
    elif inbound:
        assistants = [_reception(inbound, tenant_language, hours)]
        notes += [f"inbound number {number} goes to {to or 'nothing we know'} in the PBX" for number, to in inbound]
    return Staff(assistants=tuple(assistants), notes=tuple(notes))


def _reception(inbound: list[tuple[str, str]], tenant_language: str, hours: Mapping[str, str]) -> AssistantSpec:
    leads = {goes_to for _, goes_to in inbound}
    return AssistantSpec(
        name=_RECEPTION[primary(tenant_language)],
        numbers=tuple(number for number, _ in inbound),
        hours=hours.get(leads.pop()) if len(leads) == 1 else None,
    )


def _inbound(rows: DomainRows, notes: list[str]) -> Iterator[tuple[str, str]]:
    """Each inbound number once, and the number where the PBX sends its calls, '' where that is no transfer."""
    seen: set[str] = set()
    for one in rows.inbound:
        if one.destination_type != "inbound" or not facts.truth(one.destination_enabled):
            continue
        number = facts.number(one.destination_area_code + one.destination_number)
        if not number:
            told = facts.line(one.destination_number, 60)
            notes.append(f"inbound number {told!r} is not taken over: it is no number a document may have")
        elif facts.truth(one.destination_type_fax) and not facts.truth(one.destination_type_voice):
            notes.append(f"inbound number {number} is not taken over: it is for fax alone")
        elif number not in seen:
            seen.add(number)
            yield number, _goes_to(one)


class _Action(Struct, frozen=True):
    destination_app: str | None = None
    destination_data: str | None = None


def _goes_to(one: InboundRow) -> str:
    try:
        actions = msgspec.json.decode(one.destination_actions, type=list[_Action])
    except (msgspec.DecodeError, RecursionError):
        actions = []
    for action in actions or [_Action(one.destination_app, one.destination_data)]:
        if (action.destination_app or "").strip() == "transfer":
            found = _TRANSFER.match(facts.line(action.destination_data or ""))
            return facts.number(found[1]) if found else ""
    return ""


def _former(rows: DomainRows, tenant_language: str, notes: list[str]) -> Iterator[AssistantSpec]:
    extensions = {one.extension for one in rows.extensions if facts.truth(one.enabled)}
    names: set[str] = set()
    numbers: set[str] = set()
    for one in rows.secretaries:
        called = f"assistant {facts.line(one.secretary_name)!r}"
        number = facts.number(one.extension)
        if why := _not_taken(one, number, numbers):
            notes.append(f"{called} is not taken over: {why}")
            continue
        if len(names) == MAX_ASSISTANTS:
            notes.append(f"{called} is not taken over: a document has {MAX_ASSISTANTS} at most")
            continue
        numbers.add(number)
        name = facts.unique(facts.slug(one.secretary_name, "assistant"), names)
        names.add(name)
        yield AssistantSpec(
            name=name,
            numbers=(number,),
            id=one.voice_secretary_uuid if _UUID.fullmatch(one.voice_secretary_uuid.lower()) else None,
            language=_language(one, tenant_language, called, notes),
            instructions=_long(one.personality_prompt, f"{called}: personality_prompt", notes),
            business_info=_business_info(one, called, notes),
            texts=TextsSpec(
                greeting=_long(one.greeting_message, f"{called}: greeting_message", notes) or None,
                farewell=_long(one.farewell_message, f"{called}: farewell_message", notes) or None,
                not_understood=_long(one.fallback_message, f"{called}: fallback_message", notes) or None,
                operator=_long(one.transfer_message, f"{called}: transfer_message", notes) or None,
            ),
            limits=_limits(one),
            transfer=_transfer(one, number, extensions, called, notes),
        )


def _not_taken(one: SecretaryRow, number: str, numbers: set[str]) -> str:
    if not facts.truth(one.enabled or one.is_enabled):
        return "it is disabled in the PBX"
    if not number:
        return "it has no extension that is a number"
    return f"{number} is answered by another one" if number in numbers else ""


def _long(text: str, what: str, notes: list[str]) -> str:
    if len(text) >= MAX_CHARS:
        notes.append(f"{what} is longer than {MAX_CHARS} characters, and cut")
    return facts.cleaned(text)


def _language(one: SecretaryRow, tenant_language: str, called: str, notes: list[str]) -> str | None:
    if not one.language.strip():
        return None
    try:
        language(one.language)
    except LanguageUnknownError:
        notes.append(f"{called}: there are no texts for the language {facts.line(one.language, 20)!r}")
        return None
    return tag(one.language) if tag(one.language) != tenant_language else None


def _limits(one: SecretaryRow) -> LimitsSpec:
    turns = facts.whole(one.max_turns)
    return LimitsSpec(max_turns=turns) if turns is not None and turns in MAX_TURNS else LimitsSpec()


def _business_info(one: SecretaryRow, called: str, notes: list[str]) -> dict[str, str]:
    try:
        found = json.loads(one.business_info or "{}")
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        notes.append(f"{called}: business_info is not taken over: it is no JSON object")
        return {}
    taken: dict[str, str] = {}
    for key, value in found.items():
        name, text = facts.line(key), facts.cleaned(value if isinstance(value, str) else json.dumps(value))
        if value is None or not name or not text:
            continue
        if len(text) > FACT_CHARS or len(taken) == MAX_FACTS or isinstance(value, dict | list):
            notes.append(f"{called}: business_info {name!r} is not taken over: too long, too many, or no text")
        else:
            taken.setdefault(name, text)
    return taken


def _transfer(one: SecretaryRow, own: str, extensions: set[str], called: str, notes: list[str]) -> TransferSpec | None:
    """`ring` for an extension, which an assistant can wait for; the dialplan's way for everything else."""
    to = facts.number(one.transfer_extension)
    if to == own or (not to and one.transfer_extension.strip()):
        notes.append(f"{called}: its transfer to {facts.line(one.transfer_extension, 40)!r} leads nowhere else")
        return None
    if not to:
        return None
    rings = to in extensions and re.fullmatch(EXTENSION, to)
    return TransferSpec(to=to) if rings else TransferSpec(to=to, mode="blind")
