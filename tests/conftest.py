"""What every test folder shares."""

import pytest
from hypothesis import settings

from tenants.embedded import EmbeddedPostgres
from tests import clusters

# How long an example takes is the machine's affair.
settings.register_profile("atende", deadline=None)
settings.load_profile("atende")
EmbeddedPostgres._make_cluster = clusters.make_or_copy  # type: ignore[method-assign]


@pytest.fixture
def real_clusters(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clusters are made as the product makes them."""
    monkeypatch.setattr(EmbeddedPostgres, "_make_cluster", clusters.make)
