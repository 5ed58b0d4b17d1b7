"""What is written and acts on nothing is told, and no more."""

from collections.abc import Mapping

from processors.catalog import AnyFactory
from tenants.document import parse_document
from tenants.notices import notices
from tests.tenants.test_references import FULL, HEAD, PROVIDERS, SERVER

Stages = Mapping[str, AnyFactory]


def told(text: str, stages: Stages) -> list[str]:
    return [one.path for one in notices(parse_document(text.encode(), "acme.yaml", stages, server=SERVER))]


def test_a_document_that_says_nothing_idle_has_no_notice(stages: Stages) -> None:
    assert told(HEAD + "    limits: {max_turns: 3}\n    voice: pf_dora\nknowledge: {top_k: 2}\n", stages) == []


def test_each_idle_field_is_told_once_at_its_line(stages: Stages) -> None:
    text = HEAD + FULL
    assert told(text, stages) == [
        "$.assistants[0].hours",
        "$.assistants[0].texts.outside_hours",
        "$.assistants[0].keys",
        "$.hours",
        "$.destinations",
        "$.menus",
        "$.knowledge.collections",
        "$.knowledge.chunking",
        "$.tools",
        "$.webhooks",
        "$.retention.redact",
        "$.retention.recording_consent",
    ]
    first = notices(parse_document(text.encode(), "acme.yaml", stages, server=SERVER))[0]
    assert str(first) == "acme.yaml:8:5: $.assistants[0].hours: checked and kept; nothing acts on it yet"


def test_a_kept_field_that_may_be_absent_is_told_too(stages: Stages) -> None:
    limits = "    limits: {idle_s: 40, provider_rpm: 5, daily_minutes: 10, silence_s: 5}\n"
    assert told(HEAD + limits, stages) == []
    assert told(HEAD + "    texts: {hold: One moment.}\n", stages) == ["$.assistants[0].texts.hold"]


def test_what_only_a_language_model_is_told_is_told_where_there_is_none(stages: Stages) -> None:
    idle = "    instructions: Be brief.\n    business_info: {parking: no}\n    forbidden_topics: [politics]\n"
    assert told(HEAD + idle, stages) == [
        f"$.assistants[0].{name}" for name in ("instructions", "business_info", "forbidden_topics")
    ]
    model = PROVIDERS.replace("use: llm.grounded", "use: llm.mock")
    assert "$.assistants[0].instructions" not in [
        one.path for one in notices(parse_document((HEAD + idle + model).encode(), "acme.yaml"))
    ]


def test_the_order_of_equal_providers_is_told(stages: Stages) -> None:
    assert told(HEAD + PROVIDERS, stages) == ["$.providers"]
