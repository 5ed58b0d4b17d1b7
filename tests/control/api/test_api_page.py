"""docs/api.md names every problem that the API can answer with, and every route that it has, and no others."""

import inspect
import re
from pathlib import Path
from typing import Final

from control.api.problems import KINDS, TYPE_PREFIX
from pipelines.calls import END_REASONS, CallRecord
from tests.control.api.test_openapi import described

PAGE: Final = Path(__file__).parents[3] / "docs" / "api.md"
TEXT: Final = PAGE.read_text(encoding="utf-8")
METHODS: Final = ("GET", "PUT", "POST", "DELETE")


def section(heading: str) -> str:
    return TEXT.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def routes() -> set[tuple[str, str]]:
    """Method and path of every operation below `/api/v1`, with `{}` for each parameter."""
    found = set()
    for path, operations in described()["paths"].items():
        for method in operations:
            found.add((method.upper(), re.sub(r"\{[^}]*\}", "{}", path.removeprefix("/api/v1"))))
    return {(method, path) for method, path in found if not path.startswith(("/health", "/metrics", "/schema"))}


def told(row: str, known: set[str]) -> set[tuple[str, str]]:
    """What a row of the table names: `GET`, `PUT /tenants/{id}/document`. `…/x` follows the first path, or stands for
    its last part.
    """
    found, methods, fresh, base = set(), [], True, ""
    for span in re.findall(r"`([^`]+)`", row):
        word, _, rest = span.partition(" ")
        if word in METHODS:
            methods = [*([] if fresh else methods), word]
            fresh = False
        written = (rest if word in METHODS else span).partition("?")[0]
        if not written.startswith(("/", "…")):
            continue
        path = re.sub(r"\{[^}]*\}", "{}", written)
        if path.startswith("…"):
            below, beside = base + path[1:], base.rpartition("/")[0] + path[1:]
            path = below if below in known else beside
        else:
            base = path
        found |= {(method, path) for method in methods}
        fresh = True
    return found


def test_every_problem_is_documented_with_its_status() -> None:
    rows = re.findall(rf"^\| `{TYPE_PREFIX}([a-z-]+)` \| (\d+) \|", section("When something is wrong"), re.MULTILINE)
    assert [(slug, int(status)) for slug, status in rows] == [(kind.slug, kind.status) for kind in KINDS.values()]


def test_every_problem_that_is_named_anywhere_is_one() -> None:
    assert set(re.findall(rf"{TYPE_PREFIX}([a-z-]+)", TEXT)) == set(KINDS)


def test_every_status_of_the_description_is_one_of_a_problem_or_of_success() -> None:
    statuses = {kind.status for kind in KINDS.values()}
    for path, operations in described()["paths"].items():
        if path.startswith("/api/v1/"):
            for method, operation in operations.items():
                refused = {int(status) for status in operation["responses"] if int(status) >= 400}
                assert refused <= statuses, (method, path)


def test_every_route_is_documented_and_no_other() -> None:
    rows = re.findall(r"^\| (`.*?) \| ", section("What there is"), re.MULTILINE)
    known = routes()
    paths = {path for _, path in known}
    documented = [one for row in rows for one in told(row, paths)]
    assert sorted(documented) == sorted(known)


def test_every_end_of_a_call_can_be_asked_for() -> None:
    told = inspect.getsource(CallRecord).partition("end_reason: str")[2].partition("hangup_cause: str")[0]
    assert set(re.findall(r"`([a-z_]+)`", told)) - {"hangup_cause"} == set(END_REASONS)
    listed = TEXT.partition("and `end_reason` one of")[2].partition(". With")[0]
    assert tuple(re.findall(r"`([a-z_]+)`", listed)) == END_REASONS
