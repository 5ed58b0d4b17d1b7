"""Whom the calls of a measurement ring."""

from pathlib import Path

import msgspec
import pytest

from control.capacity.child import series
from control.capacity.documents import ASSISTANTS, built_in, without_limits, write
from processors.catalog import Stages
from tenants.document import parse_document
from tests.calls.callers import document


@pytest.mark.parametrize("models", [False, True])
def test_our_own_company_is_a_document_like_any_other(models: bool, tmp_path: Path) -> None:
    write(built_in(300, models=models), tmp_path / "tenants")
    (file,) = (tmp_path / "tenants").iterdir()
    parsed = parse_document(file.read_bytes(), str(file), Stages()).spec
    assert len(parsed.assistants) == (ASSISTANTS if models else 1)
    assert {assistant.limits.max_concurrent_calls for assistant in parsed.assistants} == {300}
    answers = [str(assistant.pipeline) for assistant in parsed.assistants]
    assert len(set(answers)) == len(answers), "nobody hears what another was told"


def test_a_document_of_the_operators_lets_in_as_many_as_are_tried_and_stays_as_it_is_otherwise() -> None:
    raw = document(limits={"max_concurrent_calls": 2, "max_turns": 5}, switch="filial", enabled=False)
    changed = without_limits(raw, 300)
    whole = msgspec.json.decode(raw)
    (assistant,) = changed["assistants"]
    assert assistant["limits"]["max_concurrent_calls"] == 300
    assert assistant["limits"]["max_turns"] == 5
    assert changed["enabled"] is True
    assert "switch" not in changed
    assert assistant["pipeline"] == whole["assistants"][0]["pipeline"]


def test_metrics_are_read_as_they_are_written() -> None:
    text = '# HELP a Something.\na 1.0\nb{door="busy",reason="stt"} 5.0\n'
    assert series(text) == {"a": 1.0, 'b{door="busy",reason="stt"}': 5.0}
