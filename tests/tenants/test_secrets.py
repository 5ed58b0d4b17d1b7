"""A tenant's secrets: kept for it alone, readable by us alone."""

from pathlib import Path

import pytest

from base.ids import TenantId
from base.secret import Secret
from processors.factory import PrepareError
from tenants.secrets import FileSecrets, SecretNameError

ONE = TenantId("6f1d2c0a-4b7e-4f7b-9a53-1c9e5d7a2b10")
OTHER = TenantId("c2a5b8e4-90d3-4c1f-8e26-7b3f4a6d5e21")


def test_what_is_kept_is_read_by_its_own_tenant_and_by_no_other(tmp_path: Path) -> None:
    secrets = FileSecrets(tmp_path)
    path = secrets.write(ONE, "openai", Secret("sk-first"))
    secrets.write(ONE, "openai", Secret("sk-second"))

    assert secrets.read(ONE, "openai") == Secret("sk-second")
    assert path.stat().st_mode & 0o777 == 0o600
    assert [file.name for file in path.parent.iterdir()] == ["openai"], "no draft is left"
    with pytest.raises(PrepareError, match="atende secret --tenant SLUG openai"):
        secrets.read(OTHER, "openai")


@pytest.mark.parametrize("name", ["../openai", "a/b", "", "Openai", ".hidden", "a\nb"])
def test_a_name_is_never_a_path(tmp_path: Path, name: str) -> None:
    secrets = FileSecrets(tmp_path)
    with pytest.raises(SecretNameError):
        secrets.write(ONE, name, Secret("x"))
    with pytest.raises(PrepareError):
        secrets.read(ONE, name)


def test_a_file_that_others_can_read_is_refused_without_its_value(tmp_path: Path) -> None:
    secrets = FileSecrets(tmp_path)
    secrets.write(ONE, "openai", Secret("sk-hush")).chmod(0o644)

    with pytest.raises(PrepareError, match="chmod 600") as caught:
        secrets.read(ONE, "openai")

    assert "sk-hush" not in str(caught.value)
