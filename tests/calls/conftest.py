"""Quiet: pipecat tells each step of each call, and here are many."""

from collections.abc import Iterator

import pytest
from loguru import logger


@pytest.fixture(autouse=True, scope="package")
def quiet() -> Iterator[None]:
    """Only in this folder."""
    logger.disable("pipecat")
    yield
    logger.enable("pipecat")
