"""What the stages' tests lend to `prepare`."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from processors.compute import ComputeLanes
from processors.models.store import ModelStore


@pytest.fixture
def models() -> ModelStore:
    """The models of this checkout; a test that needs one fails with the command that fetches it."""
    root = os.environ.get("ATENDE_MODELS_DIR")
    return ModelStore(Path(os.environ.get("ATENDE_DATA_DIR", ".atende")), root=Path(root) if root else None)


@pytest.fixture
async def lanes() -> AsyncIterator[ComputeLanes]:
    """The machine's threads."""
    made = ComputeLanes()
    yield made
    made.close()
