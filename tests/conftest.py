"""What every test folder shares."""

from pathlib import Path
from typing import Final

import pytest
from hypothesis import settings

from tenants.embedded import EmbeddedPostgres
from tests import clusters

# How long an example takes is the machine's affair.
settings.register_profile("atende", deadline=None)
settings.load_profile("atende")
EmbeddedPostgres._make_cluster = clusters.make_or_copy  # type: ignore[method-assign]

BY_THE_CLOCK: Final = {
    "calls": 2,
    "control/api": 1,
    "control/capacity": 1,
    "control/cli": 1,
    "control/peer": 1,
    "control/workers": 1,
    "processors/realtime": 1,
    "test_app.py": 1,
    "transports/freeswitch": 1,
}
"""What stands on sockets and processes, and how often it is run again when it fails: a machine that others use may stop
for longer than a caller waits. Nothing else is run again."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        place = item.path.relative_to(Path(__file__).parent).as_posix()
        for folder, reruns in BY_THE_CLOCK.items():
            if place == folder or place.startswith(f"{folder}/"):
                item.add_marker(pytest.mark.flaky(reruns=reruns, reruns_delay=1))


@pytest.fixture
def real_clusters(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clusters are made as the product makes them."""
    monkeypatch.setattr(EmbeddedPostgres, "_make_cluster", clusters.make)
