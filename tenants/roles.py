"""What a process of the service does."""

from typing import Final, Literal

Role = Literal["all", "control", "media", "jobs", "models"]
"""What a process does: everything, the REST API and publishing, calls, the work that is nobody's call, or a node's
models (that one has no lease: it needs no database).
"""
TAKE_CALLS: Final[frozenset[Role]] = frozenset({"all", "media"})
HAVE_THE_API: Final[frozenset[Role]] = frozenset({"all", "control"})
DO_JOBS: Final[frozenset[Role]] = frozenset({"all", "jobs"})
