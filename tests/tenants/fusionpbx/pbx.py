"""The tables of a FusionPBX that are read, as they are until 5.4 (flags are text) and from 5.5 on (boolean)."""

import json
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final, Literal

from base.secret import Secret
from tenants.fusionpbx.rows import TIME_CONDITION
from tenants.migrate import connect

Dialect = Literal["text", "boolean"]
CLINIC, GARAGE, BAKERY = (uuid.UUID(int=n, version=4) for n in (1, 2, 3))

SCHEMA: Final = """
CREATE TABLE v_domains (domain_uuid uuid PRIMARY KEY, domain_name text, domain_enabled {flag}, domain_description text);
CREATE TABLE v_domain_settings (domain_setting_uuid uuid, domain_uuid uuid, domain_setting_category text,
  domain_setting_subcategory text, domain_setting_name text, domain_setting_value text, domain_setting_enabled {flag});
CREATE TABLE v_destinations (destination_uuid uuid, domain_uuid uuid, destination_type text, destination_number text,
  destination_area_code text, destination_actions json, destination_app text, destination_data text,
  destination_type_voice numeric, destination_type_fax numeric,
  destination_enabled {flag});
CREATE TABLE v_extensions (extension_uuid uuid, domain_uuid uuid, extension text, number_alias text, password text,
  effective_caller_id_name text, directory_first_name text, directory_last_name text, directory_visible {flag},
  call_timeout numeric, call_group text, description text, enabled {flag});
CREATE TABLE v_ring_groups (ring_group_uuid uuid, domain_uuid uuid, ring_group_name text, ring_group_extension text,
  ring_group_call_timeout numeric, ring_group_enabled {flag});
CREATE TABLE v_call_center_queues (call_center_queue_uuid uuid, domain_uuid uuid, queue_name text,
  queue_extension text);
CREATE TABLE v_voicemails (voicemail_uuid uuid, domain_uuid uuid, voicemail_id text, voicemail_password text,
  voicemail_enabled {flag});
CREATE TABLE v_dialplans (dialplan_uuid uuid, domain_uuid uuid, app_uuid uuid, dialplan_name text,
  dialplan_number text, dialplan_xml text, dialplan_enabled {flag});
CREATE TABLE v_dialplan_details (dialplan_detail_uuid uuid, domain_uuid uuid, dialplan_uuid uuid,
  dialplan_detail_tag text, dialplan_detail_type text, dialplan_detail_data text, dialplan_detail_group numeric,
  dialplan_detail_order numeric, dialplan_detail_enabled {flag});
"""
SECRETARIES: Final = """
CREATE TABLE v_voice_secretaries (voice_secretary_uuid uuid PRIMARY KEY, domain_uuid uuid NOT NULL,
  secretary_name varchar(100) NOT NULL, company_name varchar(200), extension varchar(20), personality_prompt text,
  greeting_message text, farewell_message text, fallback_message text, transfer_message text,
  language varchar(10) DEFAULT 'pt-BR', max_turns integer DEFAULT 20, transfer_extension varchar(20),
  business_info jsonb, enabled boolean DEFAULT true);
"""
TABLES: Final = tuple(part.split()[0] for part in SCHEMA.split("CREATE TABLE ")[1:])


class FusionPbx:
    """A database of its own on a server that runs, and the URL of its owner."""

    def __init__(self, url: Secret, connection: Any) -> None:
        self.url = url
        self._connection = connection

    async def execute(self, statement: str, *arguments: Any) -> None:
        await self._connection.execute(statement, *arguments)

    async def add(self, table: str, **values: Any) -> None:
        """A row; flags are written 'true', which both dialects take."""
        given = {name: value if value is None else _literal(value) for name, value in values.items()}
        columns, literals = ", ".join(given), ", ".join(value or "NULL" for value in given.values())
        await self.execute(f"INSERT INTO {table} ({columns}) VALUES ({literals})")


def _literal(value: Any) -> str:
    return "'" + str(value).replace("'", "''") + "'"


@asynccontextmanager
async def fusionpbx(server: Secret, dialect: Dialect, *, secretaries: bool = True) -> AsyncIterator[FusionPbx]:
    """Empty tables in a database of their own, which is gone afterwards."""
    name = f"fusionpbx_{uuid.uuid4().hex}"
    admin = await connect(server)
    try:
        await admin.execute(f"CREATE DATABASE {name}")
        url = Secret(server.reveal().replace("/postgres?", f"/{name}?"))
        connection = await connect(url)
        try:
            await connection.execute(SCHEMA.format(flag=dialect) + (SECRETARIES if secretaries else ""))
            yield FusionPbx(url, connection)
        finally:
            await connection.close(timeout=5)
    finally:
        await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
        await admin.close(timeout=5)


async def add_domain(pbx: FusionPbx, key: uuid.UUID, name: str, description: str = "", enabled: str = "true") -> None:
    await pbx.add(
        "v_domains", domain_uuid=key, domain_name=name, domain_enabled=enabled, domain_description=description
    )


async def add_inbound(pbx: FusionPbx, key: uuid.UUID, number: str, to: str) -> None:
    action = {"destination_app": "transfer", "destination_data": f"{to} XML x"}
    await pbx.add(
        "v_destinations",
        destination_uuid=uuid.uuid4(),
        domain_uuid=key,
        destination_type="inbound",
        destination_number=number,
        destination_actions=json.dumps([action]),
        destination_enabled="true",
    )


async def add_extension(pbx: FusionPbx, key: uuid.UUID, number: str, first: str, last: str, **values: Any) -> None:
    await pbx.add(
        "v_extensions",
        extension_uuid=uuid.uuid4(),
        domain_uuid=key,
        extension=number,
        password="sip-hush",
        directory_first_name=first,
        directory_last_name=last,
        enabled="true",
        **values,
    )


async def add_time_condition(pbx: FusionPbx, key: uuid.UUID, number: str, days: str, minutes: str) -> None:
    plan, app = uuid.uuid4(), {"domain_uuid": key}
    await pbx.add(
        "v_dialplans", dialplan_uuid=plan, app_uuid=TIME_CONDITION, dialplan_name="Horário comercial",
        dialplan_number=number, dialplan_enabled="true", **app,
    )  # fmt: skip
    lines: tuple[Mapping[str, Any], ...] = (
        {"tag": "condition", "type": "destination_number", "data": f"^{number}$", "group": 500, "order": 1},
        {"tag": "condition", "type": "wday", "data": days, "group": 500, "order": 2},
        {"tag": "condition", "type": "minute-of-day", "data": minutes, "group": 500, "order": 3},
        {"tag": "action", "type": "transfer", "data": "600 XML x", "group": 500, "order": 4},
        {"tag": "action", "type": "transfer", "data": "*99600 XML x", "group": 999, "order": 5},
    )
    for one in lines:
        columns = {f"dialplan_detail_{name}": value for name, value in one.items()}
        await pbx.add(
            "v_dialplan_details", dialplan_detail_uuid=uuid.uuid4(), dialplan_uuid=plan, **columns, **app
        )  # fmt: skip


async def fill(pbx: FusionPbx) -> None:
    """Three companies: a clinic with an assistant, a garage with numbers and hours, a bakery that nobody rings."""
    await add_domain(pbx, CLINIC, "sorriso.pbx.example.net", "Clínica Sorriso: São José")
    await pbx.add(
        "v_voice_secretaries", voice_secretary_uuid=uuid.UUID(int=9), domain_uuid=CLINIC, secretary_name="Sofia",
        company_name="Clínica Sorriso", extension="8000", personality_prompt="Você é a Sofia.\nFale: com calma.",
        greeting_message="Clínica Sorriso, olá!", transfer_extension="1001", business_info='{"vagas": "nos fundos"}',
    )  # fmt: skip
    await add_extension(pbx, CLINIC, "1001", "Ana", "Souza", call_timeout=25, directory_visible="true")
    await pbx.add(
        "v_voicemails", voicemail_uuid=uuid.uuid4(), domain_uuid=CLINIC, voicemail_id="1001",
        voicemail_password="2468", voicemail_enabled="true",
    )  # fmt: skip
    await add_domain(pbx, GARAGE, "oficina.pbx.example.net", "Oficina do Zé")
    await add_inbound(pbx, GARAGE, "551133334444", "5000")
    await add_time_condition(pbx, GARAGE, "5000", "2-6", "541-1080")
    await pbx.add(
        "v_ring_groups", ring_group_uuid=uuid.uuid4(), domain_uuid=GARAGE, ring_group_name="Balcão",
        ring_group_extension="600", ring_group_enabled="true",
    )  # fmt: skip
    await pbx.add(
        "v_call_center_queues", call_center_queue_uuid=uuid.uuid4(), domain_uuid=GARAGE, queue_name="Orçamentos",
        queue_extension="5100",
    )  # fmt: skip
    await pbx.add(
        "v_domain_settings", domain_setting_uuid=uuid.uuid4(), domain_uuid=GARAGE, domain_setting_category="domain",
        domain_setting_subcategory="time_zone", domain_setting_name="name",
        domain_setting_value="America/Manaus", domain_setting_enabled="true",
    )  # fmt: skip
    await add_domain(pbx, BAKERY, "padaria.pbx.example.net", "Padaria")
    await add_extension(pbx, BAKERY, "1001", "Balcão", "")
