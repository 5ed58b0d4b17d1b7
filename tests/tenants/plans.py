"""How PostgreSQL goes about a query, as `EXPLAIN (FORMAT JSON)` tells it."""

import json
from collections.abc import Iterator
from typing import Any


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """All steps but those that are never taken: PostgreSQL 16 plans the second half even without a revision."""
    if plan.get("One-Time Filter") == "false":
        return
    yield plan
    for below in plan.get("Plans", ()):
        yield from _nodes(below)


def scans(explained: str) -> list[dict[str, Any]]:
    """The steps that read a table or an index, but for those on a bitmap, whose index is a step of its own."""
    plan = json.loads(explained)[0]["Plan"]
    reading = [node for node in _nodes(plan) if "Relation Name" in node or "Index Name" in node]
    return [node for node in reading if node["Node Type"] != "Bitmap Heap Scan"]
