"""Whether a chain of the audit log holds, told in words; also against what was kept of it in another place."""

from tenants.audit import Link, Verdict
from tenants.audit_store import AuditLog


async def fault_of(audit: AuditLog, verdict: Verdict, behind: int, kept: Link | None) -> str:
    """What is wrong with a chain that was verified behind that number; empty: nothing.

    `kept` is what verifying told earlier, and is looked at where this verdict reaches it. Raises as AuditLog.
    """
    if (at := verdict.broken_at) is not None:
        return f"the chain does not hold at entry {at}: it, or what was before it, was altered or removed"
    if kept is None or kept.number <= behind:
        return ""
    if verdict.held_to < kept.number:
        lacks = f"entries are lacking behind {verdict.held_to}: there were {kept.number}"
        return lacks if verdict.whole else ""
    [entry] = await audit.page(verdict.tenant_id, kept.number - 1, 1)
    if entry.digest == kept.digest:
        return ""
    return f"the chain was written anew, at entry {kept.number} or before it"
