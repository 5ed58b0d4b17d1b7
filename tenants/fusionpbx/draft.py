"""One domain of FusionPBX as a tenant's document: pure, and the same for the same rows."""

from collections.abc import Mapping
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from msgspec import Struct, structs

from base.languages import LanguageUnknownError, language, tag
from pipelines.spec import AssistantSpec
from pipelines.spec_desk import DestinationSpec
from tenants.fusionpbx import facts
from tenants.fusionpbx.assistants import Staff, staff
from tenants.fusionpbx.hours import understood
from tenants.fusionpbx.places import Places, places
from tenants.fusionpbx.rows import DomainRows
from tenants.fusionpbx.yaml_text import yaml_text
from tenants.spec import TenantSpec

LANGUAGE: Final = "pt-BR"
TIME_ZONE: Final = "America/Sao_Paulo"


class Draft(Struct, frozen=True, kw_only=True):
    """A document of a domain. `notes` are in its text too, as comments above the part that they are about."""

    spec: TenantSpec
    text: str
    notes: tuple[str, ...]


class NothingToAnswerError(Exception):
    """The domain has no number that an assistant could answer."""


def draft(rows: DomainRows, slug: str) -> Draft:
    """The document of a domain under this slug. Raises NothingToAnswerError.

    Whether the whole can be published `parse_document` tells: a domain may have a name that is none, or more text
    than a document holds.
    """
    settings = {
        one.domain_setting_subcategory: one.domain_setting_value
        for one in rows.settings
        if facts.truth(one.domain_setting_enabled)
    }
    head: list[str] = []
    spoken, zone = _language(settings, head), _time_zone(settings, head)
    hours = understood(rows.time_conditions, rows.details, zone)
    found = places(rows)
    people = staff(rows, spoken, hours.by_number)
    if not people.assistants:
        raise NothingToAnswerError("it has no inbound number, and no assistant with an extension")
    spec = TenantSpec(
        slug=slug,
        id=rows.domain.domain_uuid.lower(),
        domain=rows.domain.domain_name,
        name=_name(rows),
        language=spoken,
        time_zone=zone,
        enabled=facts.truth(rows.domain.domain_enabled),
        assistants=people.assistants,
        destinations=_with_default(found.destinations, people.assistants),
        hours=hours.hours,
    )
    notes = _notes(head, people, found, hours.notes)
    return Draft(spec=spec, text=yaml_text(spec, notes), notes=tuple(note for of in notes.values() for note in of))


def _notes(head: list[str], people: Staff, found: Places, hours: tuple[str, ...]) -> Mapping[str, tuple[str, ...]]:
    """By the part of the document that they stand above."""
    return {"language": tuple(head), "assistants": people.notes, "destinations": found.notes, "hours": hours}


def _name(rows: DomainRows) -> str:
    """As the company calls itself, where somebody wrote that down."""
    companies = (one.company_name for one in rows.secretaries if facts.truth(one.enabled or one.is_enabled))
    for written in (*companies, rows.domain.domain_description, rows.domain.domain_name):
        if name := facts.line(written):
            return name
    return "?"


def _language(settings: Mapping[str, str], notes: list[str]) -> str:
    written = settings.get("language", "")
    try:
        language(written or LANGUAGE)
        return tag(written or LANGUAGE)
    except LanguageUnknownError:
        notes.append(f"the domain's language is {facts.line(written, 20)!r}, for which there are no texts")
        return LANGUAGE


def _time_zone(settings: Mapping[str, str], notes: list[str]) -> str:
    written = settings.get("time_zone", "")
    try:
        return ZoneInfo(written).key if written else TIME_ZONE
    except (ZoneInfoNotFoundError, ValueError, OSError):
        notes.append(f"the domain's time zone is {facts.line(written, 60)!r}, which is no IANA zone")
        return TIME_ZONE


def _with_default(
    destinations: tuple[DestinationSpec, ...], assistants: tuple[AssistantSpec, ...]
) -> tuple[DestinationSpec, ...]:
    """Whom all assistants that transfer do transfer to is whom a caller gets who wants somebody."""
    wanted = {one.transfer.to for one in assistants if one.transfer is not None}
    if len(wanted) != 1:
        return destinations
    [to] = wanted
    named = next((one.name for one in destinations if one.number == to and one.type != "voicemail"), None)
    return tuple(structs.replace(one, default=True) if one.name == named else one for one in destinations)
