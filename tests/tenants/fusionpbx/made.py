"""Rows of a FusionPBX, made without one."""

from typing import Any

from msgspec import structs

from tenants.fusionpbx.rows import DomainRow, ExtensionRow, InboundRow, SecretaryRow

ID = "6f1d2c0a-4b7e-4f7b-9a53-1c9e5d7a2b10"
OTHER = "0b9c7a52-1f3e-4c55-8d4a-2a6f0e9d7c31"


def row(kind: type[Any], **values: str) -> Any:
    """With '' in every column that is needed and not given."""
    return kind(**{field.name: "" for field in structs.fields(kind) if field.required} | {"domain_uuid": ID} | values)


def domain(**values: str) -> DomainRow:
    made: DomainRow = row(DomainRow, **{"domain_name": "sorriso.example.net"} | values)
    return made


def inbound(number: str, **values: str) -> InboundRow:
    given = {"destination_type": "inbound", "destination_number": number, "destination_enabled": "true"}
    made: InboundRow = row(InboundRow, **given | values)
    return made


def secretary(name: str, extension: str, **values: str) -> SecretaryRow:
    given = {"voice_secretary_uuid": OTHER, "secretary_name": name, "extension": extension, "enabled": "true"}
    made: SecretaryRow = row(SecretaryRow, **given | values)
    return made


def extension(number: str, **values: str) -> ExtensionRow:
    made: ExtensionRow = row(ExtensionRow, **{"extension": number, "enabled": "true"} | values)
    return made
