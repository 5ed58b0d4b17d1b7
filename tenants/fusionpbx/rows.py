"""Rows of FusionPBX's tables, as they are at 5.3 to 5.6, and what is SELECTed of each.

A field is a column of the same name, read as text. One without a default has to be there; one with a default may be
absent. No password, PIN or key is among them: what is not a field here is never asked for.
"""

from typing import Final

from msgspec import Struct, structs

TIME_CONDITION: Final = "4b821450-926b-175a-af93-a03c441818b1"
"""The `app_uuid` of time conditions, which are dialplans."""
MAX_CHARS: Final = 32_768
"""Of one value; what is longer is cut by the database."""


class Row(Struct, frozen=True, kw_only=True):
    domain_uuid: str


class DomainRow(Row, frozen=True, kw_only=True):
    domain_name: str
    domain_enabled: str = "true"
    domain_description: str = ""


class SettingRow(Row, frozen=True, kw_only=True):
    domain_setting_category: str
    domain_setting_subcategory: str
    domain_setting_value: str
    domain_setting_enabled: str


class InboundRow(Row, frozen=True, kw_only=True):
    """An inbound number. `destination_app` and `destination_data` may be stale where there is `destination_actions`."""

    destination_type: str
    destination_number: str
    destination_area_code: str = ""
    destination_actions: str = ""
    destination_app: str = ""
    destination_data: str = ""
    destination_type_voice: str = ""
    destination_type_fax: str = ""
    destination_enabled: str


class ExtensionRow(Row, frozen=True, kw_only=True):
    extension: str
    number_alias: str = ""
    effective_caller_id_name: str = ""
    directory_first_name: str = ""
    directory_last_name: str = ""
    directory_visible: str = ""
    call_timeout: str = ""
    call_group: str = ""
    description: str = ""
    enabled: str


class RingGroupRow(Row, frozen=True, kw_only=True):
    ring_group_name: str
    ring_group_extension: str
    ring_group_call_timeout: str = ""
    ring_group_enabled: str


class QueueRow(Row, frozen=True, kw_only=True):
    queue_name: str
    queue_extension: str


class VoicemailRow(Row, frozen=True, kw_only=True):
    voicemail_id: str
    voicemail_enabled: str


class TimeConditionRow(Row, frozen=True, kw_only=True):
    """A dialplan whose `app_uuid` is `TIME_CONDITION`."""

    dialplan_uuid: str
    app_uuid: str
    dialplan_name: str
    dialplan_number: str = ""
    dialplan_enabled: str


class DetailRow(Row, frozen=True, kw_only=True):
    """One line of a time condition."""

    dialplan_uuid: str
    dialplan_detail_tag: str
    dialplan_detail_type: str
    dialplan_detail_data: str
    dialplan_detail_group: str
    dialplan_detail_order: str = ""
    dialplan_detail_enabled: str = ""


class SecretaryRow(Row, frozen=True, kw_only=True):
    """An assistant of the application that several installations have had before; the flag has two names."""

    voice_secretary_uuid: str
    secretary_name: str
    company_name: str = ""
    extension: str = ""
    personality_prompt: str = ""
    greeting_message: str = ""
    farewell_message: str = ""
    fallback_message: str = ""
    transfer_message: str = ""
    language: str = ""
    max_turns: str = ""
    transfer_extension: str = ""
    business_info: str = ""
    enabled: str = ""
    is_enabled: str = ""


class Table(Struct, frozen=True):
    """What is read of one table. `place` is the field of DomainRows for it; `only` narrows it within the domains."""

    name: str
    place: str
    row: type[Row]
    order: str
    only: str = "true"

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(field.name for field in structs.fields(self.row))

    @property
    def needed(self) -> tuple[str, ...]:
        """Columns without which the table is another one than we know."""
        return tuple(field.name for field in structs.fields(self.row) if field.required)


_DOMAIN_SETTINGS: Final = (
    "domain_setting_category = 'domain' AND domain_setting_subcategory IN ('language', 'time_zone')"
)
_CONDITIONS: Final = (
    f"dialplan_uuid IN (SELECT dialplan_uuid FROM v_dialplans WHERE app_uuid = '{TIME_CONDITION}'"  # noqa: S608
    " AND domain_uuid = ANY($1::uuid[]))"
)

DOMAINS: Final = Table("v_domains", "domain", DomainRow, "domain_name, domain_uuid")
OF_DOMAINS: Final = (
    Table("v_domain_settings", "settings", SettingRow, "domain_setting_subcategory", _DOMAIN_SETTINGS),
    Table("v_destinations", "inbound", InboundRow, "destination_number", "destination_type = 'inbound'"),
    Table("v_extensions", "extensions", ExtensionRow, "extension"),
    Table("v_ring_groups", "ring_groups", RingGroupRow, "ring_group_extension"),
    Table("v_call_center_queues", "queues", QueueRow, "queue_extension"),
    Table("v_voicemails", "voicemails", VoicemailRow, "voicemail_id"),
    Table("v_dialplans", "time_conditions", TimeConditionRow, "dialplan_number", f"app_uuid = '{TIME_CONDITION}'"),
    Table("v_dialplan_details", "details", DetailRow, "dialplan_uuid", _CONDITIONS),
    Table("v_voice_secretaries", "secretaries", SecretaryRow, "voice_secretary_uuid"),
)
TABLES: Final = (DOMAINS, *OF_DOMAINS)


class DomainRows(Struct, frozen=True, kw_only=True):
    """All that is read of one domain."""

    domain: DomainRow
    settings: tuple[SettingRow, ...] = ()
    inbound: tuple[InboundRow, ...] = ()
    extensions: tuple[ExtensionRow, ...] = ()
    ring_groups: tuple[RingGroupRow, ...] = ()
    queues: tuple[QueueRow, ...] = ()
    voicemails: tuple[VoicemailRow, ...] = ()
    time_conditions: tuple[TimeConditionRow, ...] = ()
    details: tuple[DetailRow, ...] = ()
    secretaries: tuple[SecretaryRow, ...] = ()
