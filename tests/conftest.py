"""What every test folder shares."""

from pathlib import Path
from typing import Final

import pytest
from hypothesis import settings

from tenants.embedded import EmbeddedPostgres
from tests import clusters
from tests.reruns import rerun

# How long an example takes is the machine's affair.
settings.register_profile("atende", deadline=None)
settings.load_profile("atende")
EmbeddedPostgres._make_cluster = clusters.make_or_copy  # type: ignore[method-assign]

LONG: Final = ("test_app.py", "control/workers/test_workers.py", "processors/stt/test_whisper.py")
"""Files that take a minute: they come first, so that no process of several is left alone with one at the end
(`--no-loadscope-reorder`: pytest-xdist would begin with what has the most tests)."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if (marker := rerun(_place(item))) is not None:
            item.add_marker(marker)
    items.sort(key=lambda item: _place(item) not in LONG)


def _place(item: pytest.Item) -> str:
    return item.path.relative_to(Path(__file__).parent).as_posix()


@pytest.fixture
def real_clusters(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clusters are made as the product makes them."""
    monkeypatch.setattr(EmbeddedPostgres, "_make_cluster", clusters.make)
