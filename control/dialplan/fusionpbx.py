"""Extensions as rows of FusionPBX's database, where its dialplans live.

Read in FusionPBX 5.3 to 5.6: one row of `v_dialplans` is one extension, and its `dialplan_xml` is what runs. Flags are
`text` until 5.4 and `boolean` from 5.5; an untyped `'true'` is taken by both. What FreeSWITCH is given comes from a
cache that never expires.
"""

import uuid
from pathlib import Path
from string import Template
from typing import Final

from control.dialplan.plan import ANY_DOOR, Extension, Plan, PlanError, extensions
from control.dialplan.xml import extension_xml
from tenants.signing import KeyRing

APP_UUID: Final = uuid.UUID("a5e7d1c2-6b0f-4d3e-9c84-2f1b7a90e6d5")
"""Marks our rows among all others: FusionPBX's `app_uuid`."""
ORDER: Final = 101
"""That of ring groups and menus: before outbound routes, feature codes and extensions."""


def dialplan_sql(plan: Plan, keys: KeyRing) -> str:
    """One transaction that puts a tenant's dialplan in the place of its former one. Raises PlanError.

    It changes nothing when the domain is another one, or when somebody else has one of the numbers.
    """
    if plan.pbx != "fusionpbx":
        raise PlanError(["only FusionPBX keeps its dialplans in a database"])
    if plan.only is not None:
        raise PlanError(["the SQL replaces all of the tenant's entries: leave the single number out"])
    rows = ",\n".join(_row(plan, extension) for extension in extensions(plan, keys))
    template = Template(Path(__file__).with_suffix(".sql").read_text(encoding="utf-8"))
    return template.substitute(
        app=APP_UUID,
        tenant=plan.tenant_id,
        context=plan.context,
        numbers=", ".join(_quoted(number) for number in plan.numbers),
        rows=rows,
    ).rstrip("\n")


def dialplan_uuid(plan: Plan, extension: Extension) -> uuid.UUID:
    """The same for the same extension of the same tenant, so that printing anew changes no key."""
    return uuid.uuid5(APP_UUID, f"{plan.tenant_id}/{extension.name}")


def _row(plan: Plan, extension: Extension) -> str:
    key, is_number = str(dialplan_uuid(plan, extension)), extension.number is not None
    values = (
        plan.tenant_id,
        str(APP_UUID),
        "false",
        "true",
        key,
        plan.context,
        extension.name,
        extension.number or extension.name,
        # What the list of an inbound route's destinations offers.
        "true" if is_number else "false",
        # The last one takes every door that has no extension of its own.
        str(ORDER + 1 if extension.name == ANY_DOOR else ORDER),
        "Atende answers" if is_number else "Atende: where a call goes on",
        extension_xml(extension, [("uuid", key)]),
    )
    return f"  ({', '.join(map(_quoted, values))})"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
