"""The directory answers for the tenant that asked, and changes one tenant at a time."""

import pytest
from msgspec import structs

from base.ids import AssistantName, TenantId
from pipelines.spec import AssistantSpec
from tenants.directory import (
    Directory,
    NumberConflictError,
    NumberUnknownError,
    TenantEntry,
    TenantUnknownError,
    numbers_of,
)

SORRISO, HARBOR = TenantId("6f1d2c0a-4b7e-4f7b-9a53-1c9e5d7a2b10"), TenantId("c2a5b8e4-90d3-4c1f-8e26-7b3f4a6d5e21")


def entry(
    tenant_id: TenantId, slug: str, *numbers: str, assistant: str = "ana", revision: int = 1, enabled: bool = True
) -> TenantEntry:
    return TenantEntry(
        tenant_id=tenant_id,
        slug=slug,
        domain=f"{slug}.example.net",
        revision=revision,
        enabled=enabled,
        numbers=dict.fromkeys(numbers, AssistantName(assistant)),
    )


def test_one_number_in_two_tenants_is_two_assistants() -> None:
    directory = Directory()
    directory.replace(entry(SORRISO, "sorriso", "1000", assistant="sofia"))
    directory.replace(entry(HARBOR, "harbor", "1000", assistant="grace"))
    assert directory.find(SORRISO, "1000").assistant == "sofia"
    assert directory.find(HARBOR, "1000").assistant == "grace"


def test_replacing_one_tenant_leaves_the_others_and_drops_its_old_numbers() -> None:
    directory = Directory()
    directory.replace(entry(SORRISO, "sorriso", "1000"))
    directory.replace(entry(HARBOR, "harbor", "2000"))
    directory.replace(entry(SORRISO, "sorriso", "1001", revision=2))
    assert directory.find(SORRISO, "1001").tenant.revision == 2
    assert directory.find(HARBOR, "2000").tenant.slug == "harbor"
    with pytest.raises(NumberUnknownError):
        directory.find(SORRISO, "1000")


def test_unknown_disabled_and_removed_tenants_do_not_answer() -> None:
    directory = Directory()
    with pytest.raises(TenantUnknownError):
        directory.find(SORRISO, "1000")
    directory.replace(entry(SORRISO, "sorriso", "1000", enabled=False))
    with pytest.raises(TenantUnknownError, match="disabled"):
        directory.find(SORRISO, "1000")
    directory.remove(SORRISO)
    directory.remove(SORRISO)
    assert directory.tenants() == []


def test_a_slug_belongs_to_one_tenant() -> None:
    directory = Directory()
    directory.replace(entry(SORRISO, "sorriso", "1000"))
    with pytest.raises(NumberConflictError, match="sorriso"):
        directory.replace(entry(HARBOR, "sorriso", "2000"))
    assert directory.by_slug("sorriso").tenant_id == SORRISO
    with pytest.raises(TenantUnknownError, match="there are: sorriso"):
        directory.by_slug("harbor")


def test_a_domain_belongs_to_one_tenant_whose_telephones_it_has() -> None:
    directory = Directory()
    directory.replace(entry(SORRISO, "sorriso", "1000"))
    with pytest.raises(NumberConflictError, match=r"the domain SORRISO\.example\.net belongs to tenant sorriso"):
        directory.admit(structs.replace(entry(HARBOR, "harbor", "2000"), domain="SORRISO.example.net"))
    directory.replace(entry(SORRISO, "sorriso", "1001", revision=2))


def test_two_assistants_cannot_claim_one_number() -> None:
    ana, bia = AssistantSpec(name="ana", numbers=("1000", "1001")), AssistantSpec(name="bia", numbers=("1001",))
    with pytest.raises(NumberConflictError, match="1001 is claimed by ana and bia"):
        numbers_of((ana, bia))
    assert numbers_of((ana,)) == {"1000": "ana", "1001": "ana"}
