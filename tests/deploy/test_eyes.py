"""Dashboard and alerts ask for what is exposed, and for nothing else."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from base.clock import SystemClock
from control.jobs.counts import JobCounts
from control.jobs.desk import JobDesk
from control.jobs.watch import JobWatch
from control.metrics import Metrics
from pipelines.calls import CallRecord, Closed, StageFailed, StageUsage, Understood
from tenants.job_rows import KINDS
from tenants.job_store import MemoryJobs
from tests.control.test_metrics import AT, CALL, NOW

DEPLOY = Path(__file__).parents[2] / "deploy"
RULES = DEPLOY / "prometheus" / "alerts.yaml"
OF_PROMETHEUS = {"instance", "job", "le"}
"""Labels that it gives itself. `up` is its own, too."""


def exposed() -> dict[str, set[str]]:
    """Names of what a scrape brings, with their labels; and with what Linux alone tells of a process."""
    metrics = Metrics()
    metrics.feed(Understood(call_id=CALL.id, text=""))
    usage = (StageUsage(stage="mind", use="llm.openai", model="m", answers=1, cost_usd=0.5),)
    record = CallRecord(call=CALL, ended_at=AT, end_reason="lost", hangup_cause="", turns=(), usage=usage)
    metrics.feed(Closed(record=record))
    metrics.feed(StageFailed(call_id=CALL.id, kind="llm", reason="server"))
    metrics._stage.labels("transcript").observe(1)
    found: dict[str, set[str]] = {"up": set()}
    counts = JobCounts()
    for kind in KINDS:
        counts.ended(kind, "done", 1.0)
        counts.dealt(kind, 1)
    jobs = MemoryJobs()
    desk = JobDesk(store=jobs, watch=JobWatch(jobs, SystemClock()), counts=counts)
    for family in text_string_to_metric_families((metrics.text(NOW) + desk.scraped()).decode()):
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


def dashboard() -> dict[str, Any]:
    board: dict[str, Any] = json.loads((DEPLOY / "grafana" / "atende.json").read_text(encoding="utf-8"))
    return board


def expressions() -> list[str]:
    asked = [target["expr"] for panel in dashboard()["panels"] for target in panel.get("targets", [])]
    rules = yaml.safe_load(RULES.read_text(encoding="utf-8"))
    asked += [rule["expr"] for group in rules["groups"] for rule in group["rules"]]
    assert len(asked) > 30
    return asked


@pytest.mark.parametrize("expression", expressions())
def test_every_expression_names_what_is_exposed_with_labels_that_it_has(expression: str) -> None:
    known = exposed()
    selectors = re.findall(r"\b(atende_\w+|process_\w+|up)\b(?:\{([^}]*)\})?", expression)
    assert selectors
    labels = set(OF_PROMETHEUS)
    for name, matchers in selectors:
        assert name in known, name
        labels |= known[name]
        assert set(re.findall(r"(\w+)\s*=", matchers)) <= known[name] | OF_PROMETHEUS, (name, matchers)
    for grouped in re.findall(r"\bby \(([^)]*)\)", expression):
        assert {label.strip() for label in grouped.split(",")} <= labels


def test_what_is_exposed_stands_in_the_table() -> None:
    page = (DEPLOY.parent / "docs" / "observability.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"^\| `(atende_\w+)`", page, re.MULTILINE))
    families = {re.sub(r"_(bucket|count|sum|created)$", "", name) for name in exposed() if name.startswith("atende_")}
    counters = {name.removesuffix("_total") for name in families if name.endswith("_total")}
    assert families - counters == listed, "docs/observability.md"


def test_panels_have_each_a_place_an_id_and_the_chosen_data_source() -> None:
    panels = dashboard()["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        at = panel["gridPos"]
        cells = {(at["x"] + dx, at["y"] + dy) for dx in range(at["w"]) for dy in range(at["h"])}
        assert not cells & taken, panel["title"]
        assert at["x"] + at["w"] <= 24
        taken |= cells
        assert panel["type"] == "row" or panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}


def test_every_alert_says_what_it_is_and_is_tried() -> None:
    rules = [rule for group in yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"] for rule in group["rules"]]
    for rule in rules:
        assert rule["labels"]["severity"] in {"warning", "critical"}
        assert rule["annotations"]["summary"]
        assert rule["annotations"]["description"]
    tried = yaml.safe_load((RULES.parent / "alerts_test.yaml").read_text(encoding="utf-8"))["tests"]
    assert {one["alertname"] for one in tried[0]["alert_rule_test"]} == {rule["alert"] for rule in rules}
    assert tried[1]["promql_expr_test"][0]["exp_samples"][0]["value"] == len(rules)


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_prometheus_itself_finds_the_rules_right() -> None:
    subprocess.run(["promtool", "check", "rules", RULES], check=True, timeout=60)
    subprocess.run(["promtool", "test", "rules", "alerts_test.yaml"], check=True, timeout=60, cwd=RULES.parent)
