"""A tenant whose dialplan is written."""

from base.ids import TenantId
from control.dialplan.plan import Plan
from tenants.signing import new_key

KEYS = (new_key(),)


def plan(**parts: object) -> Plan:
    """Three odd numbers, a service in two places; `parts` replace what is given."""
    given = {
        "tenant_id": TenantId("6f1d2c0a-4b7e-4f7b-9a53-1c9e5d7a2b10"),
        "context": "sorriso.example.net",
        "numbers": ("1000", "*98", "+5511"),
        "service": "127.0.0.1:8084|10.77.0.2:8084",
    }
    return Plan(**{**given, **parts})  # type: ignore[arg-type]
