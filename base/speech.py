"""Words about speech that both the wires and the detectors use."""

from enum import Enum


class VadEdge(Enum):
    """A change in whether the caller speaks."""

    STARTED = "started"
    STOPPED = "stopped"
