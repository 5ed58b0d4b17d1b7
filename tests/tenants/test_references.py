"""What one part of a document says of another, and what a document names of the server."""

from collections.abc import Mapping

import pytest
from msgspec import UNSET

from processors.catalog import AnyFactory
from tenants.document import TenantDocument, parse_document
from tenants.errors import DocumentError
from tenants.named import ServerFacts
from tenants.spec_outward import EndpointRef

Stages = Mapping[str, AnyFactory]

HEAD = """\
slug: acme
id: 6f1d2c0a-4b7e-4f7b-9a53-1c9e5d7a2b10
domain: acme.example.net
name: Acme
assistants:
  - name: ana
    numbers: [1000]
"""
FULL = """\
    hours: shop
    voice: pf_dora
    texts: {outside_hours: We are closed., disclosure: I am a machine.}
    keys: {0: {do: operator}, "*": {do: hang_up}, "#": {do: repeat}, 1: {do: menu, to: main}, 2: {do: say, text: Hi.}}
hours:
  - name: shop
    weekly:
      - {days: [mon, tue, wed, thu, fri], open: 08:00, close: 12:00}
      - {days: [mon, tue, wed, thu, fri], open: 13:00, close: 18:00}
      - {days: [fri, sat], open: 20:00, close: 02:00}
    country: BR
    state: SP
    dates: [{date: 2026-12-24, open: 08:00, close: 12:00}, {date: 2026-12-31, name: New Year's Eve}]
    when_closed: say
destinations:
  - {name: sales, number: 200, type: queue, aliases: [orders], hours: shop, default: true, fallback: {do: message}}
  - {name: owner, number: +5511999990000, type: external, fallback: {do: destination, to: sales}}
menus:
  - {name: main, say: One for sales., keys: {1: {do: transfer, to: sales}, 2: {do: menu, to: main}}}
knowledge: {collections: [{name: prices, assistants: [ana]}], chunking: {max_chars: 800}}
tools:
  builtin: [transfer]
  http:
    - {name: stock, description: In stock., url: "https://shop.example.com/stock", headers: {X-Key: {secret: shop}}}
  mcp: [{name: crm, url: {endpoint: crm}, token: {secret: crm}}]
webhooks: [{name: desk, url: "https://desk.example.com/hook", events: [call.ended], secret: {secret: hook}}]
retention: {transcripts_days: 30, redact: [cards], recording_consent: announce}
"""
SERVER = ServerFacts(endpoints={"crm": "http://10.0.0.9:8000/mcp", "gpu": "http://10.0.0.7:8000/v1"})


def parse(text: str, stages: Stages, server: ServerFacts = SERVER) -> TenantDocument:
    return parse_document(text.encode(), "acme.yaml", stages, server=server)


def problems(text: str, stages: Stages, server: ServerFacts = SERVER) -> dict[str, str]:
    with pytest.raises(DocumentError) as caught:
        parse(text, stages, server)
    return {problem.path: f"{problem.message} | {problem.hint}" for problem in caught.value.problems}


def test_a_document_says_all_that_there_is_to_say(stages: Stages) -> None:
    spec = parse(HEAD + FULL, stages).spec
    assert spec.destinations[1].number == "+5511999990000"
    assert spec.hours[0].weekly[2].close == "02:00"
    assert spec.hours[0].dates[0].date == "2026-12-24"
    assert sorted(spec.assistants[0].keys) == ["#", "*", "0", "1", "2"]
    assert spec.tools.mcp[0].url == EndpointRef("crm")


@pytest.mark.parametrize(
    ("written", "instead", "path", "told"),
    [
        ("    hours: shop", "    hours: shp", "$.assistants[0].hours", "did you mean 'shop'?"),
        ("hours: shop, default", "hours: shp, default", "$.destinations[0].hours", "did you mean 'shop'?"),
        ("do: destination, to: sales", "do: destination, to: sale", "$.destinations[1].fallback.to", "'sales'?"),
        ("do: destination, to: sales", "do: destination", "$.destinations[1].fallback", "to another destination"),
        ("{do: message}", "{do: message, to: owner}", "$.destinations[0].fallback", "and only then"),
        ("{do: message}", "{do: destination, to: owner}", "$.destinations[0].fallback.to", "sales → owner → sales"),
        ("{do: message}", "{do: destination, to: sales}", "$.destinations[0].fallback.to", "sales → sales"),
        ("type: external,", "type: external, default: true,", "$.destinations[1].default", "already 'sales'"),
        ("type: external,", "type: extrenal,", "$.destinations[1].type", "did you mean 'external'?"),
        ("name: owner", "name: sales", "$.destinations[1].name", "already called"),
        ("1: {do: menu, to: main}", "1: {do: menu, to: man}", '$.assistants[0].keys["1"].to', "'main'?"),
        ("1: {do: menu, to: main}", "1: {do: menu}", '$.assistants[0].keys["1"].to', "required: the menu"),
        ("1: {do: menu, to: main}", "12: {do: help}", '$.assistants[0].keys["12"]', "a key of the telephone"),
        ("{do: operator}", "{do: operator, to: sales}", '$.assistants[0].keys["0"].to', "goes nowhere"),
        ("{do: say, text: Hi.}", "{do: say}", '$.assistants[0].keys["2"].text', "required"),
        ("to: sales}, 2", "to: sals}, 2", '$.menus[0].keys["1"].to', "'sales'?"),
        ("open: 13:00", "open: 11:30", "$.hours[0].weekly[1]", "overlap"),
        ("open: 08:00, close: 12:00}\n", "open: 12:00, close: 12:00}\n", "$.hours[0].weekly[0]", "nobody is there"),
        ("[fri, sat], open: 20:00", "[fri, fri], open: 20:00", "$.hours[0].weekly[2].days[1]", "named twice"),
        ("[fri, sat], open: 20:00, close: 02", "[sun], open: 20:00, close: 09", "$.hours[0].weekly[2]", "overlap"),
        ("open: 20:00", "open: 8pm", "$.hours[0].weekly[2].open", "such as 08:30"),
        ("    country: BR\n", "", "$.hours[0].state", "needs its country"),
        ("date: 2026-12-24", "date: 2026-02-30", "$.hours[0].dates[0].date", "in no calendar"),
        ("date: 2026-12-31", "date: 2026-12-24", "$.hours[0].dates[1].date", "already there"),
        (", close: 12:00}, {date", "}, {date", "$.hours[0].dates[0]", "give `open` and `close`"),
        ("assistants: [ana]", "assistants: [anna]", "$.knowledge.collections[0].assistants[0]", "'ana'?"),
        ("max_chars: 800", "max_chars: 800, overlap_chars: 800", "$.knowledge.chunking.overlap_chars", "less than"),
        ("    hours: shop\n", "", "$.assistants[0].texts.outside_hours", "no hours"),
        ("{endpoint: crm}", "{endpoint: crn}", "$.tools.mcp[0].url", "did you mean 'crm'?"),
        ('"https://shop.example.com/stock"', '"http://shop.example.com"', "$.tools.http[0].url", "an https URL"),
        ('"https://shop.example.com/stock"', '"https://10.1.1.1/"', "$.tools.http[0].url", "no public address"),
        ('"https://desk.example.com/hook"', "/etc/passwd", "$.webhooks[0].url", "an https URL"),
        ("secret: {secret: hook}", "secret: hunter2", "$.webhooks[0].secret", "expected a mapping"),
        ("secret: {secret: hook}", "secret: {secret: H2}", "$.webhooks[0].secret.secret", "expected a secret's name |"),
        ("{X-Key: {secret: shop}}", '{X-Key: "s3cr3t"}', '$.tools.http[0].headers.X-Key', "expected a mapping"),
        ("builtin: [transfer]", "builtin: [transfr]", "$.tools.builtin[0]", "did you mean 'transfer'?"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_told_where_it_stands(
    written: str, instead: str, path: str, told: str, stages: Stages
) -> None:
    text = HEAD + FULL
    assert text.count(written) == 1
    found = problems(text.replace(written, instead), stages)
    assert list(found) == [path]
    assert told in found[path]


def test_secrets_that_the_tenant_does_not_have_are_told_where_somebody_knows(stages: Stages) -> None:
    asked: list[tuple[str, str]] = []

    def has(tenant_id: str, name: str) -> bool:
        asked.append((tenant_id, name))
        return name == "shop"

    found = problems(HEAD + FULL, stages, ServerFacts(endpoints=SERVER.endpoints, has_secret=has))
    assert list(found) == ["$.tools.mcp[0].token", "$.webhooks[0].secret"]
    assert "atende secret set --tenant acme hook" in found["$.webhooks[0].secret"]
    assert {tenant_id for tenant_id, _ in asked} == {"6f1d2c0a-4b7e-4f7b-9a53-1c9e5d7a2b10"}
    bad_id = (HEAD + FULL).replace("6f1d2c0a-", "x")
    assert set(problems(bad_id, stages, ServerFacts(endpoints=SERVER.endpoints, has_secret=has))) == {"$.id"}


PROVIDERS = """\
    pipeline:
      - {id: vad, use: vad.silero}
      - {id: stt, use: stt.whisper}
      - {id: rag, use: rag.retrieve}
      - {id: llm, use: llm.grounded}
      - {id: tts, use: warm, config: {speed: 1.5}}
providers:
  - {name: warm, use: tts.kokoro, config: {voice: pf_dora, speed: 0.9}}
  - {name: quick, use: tts.kokoro}
"""


def test_a_provider_takes_the_place_of_its_name_and_the_stages_own_settings_go_before(stages: Stages) -> None:
    spec = parse(HEAD + PROVIDERS, stages).spec
    pipeline = spec.assistants[0].pipeline
    assert pipeline is not UNSET
    assert (pipeline[4].use, pipeline[4].config) == ("tts.kokoro", {"voice": "pf_dora", "speed": 1.5})


@pytest.mark.parametrize(
    ("written", "instead", "told"),
    [
        ("use: warm", "use: wram", {"$.assistants[0].pipeline[4].use": "did you mean 'warm'?"}),
        ("name: quick", "name: warm", {"$.providers[1].name": "already called"}),
        ("speed: 0.9", "speed: 9", {"$.providers[0].config.speed": "expected a number from 0.5 to 2, not 9"}),
        ("voice: pf_dora", "vioce: pf_dora", {"$.providers[0].config.vioce": "did you mean 'voice'?"}),
        (
            "speed: 1.5",
            "speed: fast",
            {"$.assistants[0].pipeline[4].config.speed": '0.5 to 2, not "fast"'},
        ),
        (
            "use: tts.kokoro, config",
            "use: tts.koko, config",
            {"$.assistants[0].pipeline[4].use": "cannot be used", "$.providers[0].use": "did you mean 'tts.kokoro'?"},
        ),
    ],
)
def test_a_provider_is_judged_where_it_is_written(
    written: str, instead: str, told: dict[str, str], stages: Stages
) -> None:
    found = problems((HEAD + PROVIDERS).replace(written, instead, 1), stages)
    assert list(found) == list(told)
    assert all(words in found[path] for path, words in told.items())


MODEL = """\
    pipeline:
      - {id: vad, use: vad.silero}
      - {id: stt, use: stt.whisper}
      - {id: llm, use: llm.openai, config: {model: m, base_url: URL}}
      - {id: tts, use: tts.kokoro}
"""


def test_what_stands_in_place_of_a_secrets_name_is_not_shown() -> None:
    for written in ("sk-123", "{secret: SK-123}", "{name: sk-123}", "[sk-123]"):
        model = MODEL.replace("base_url: URL", f"api_key: {written}")
        with pytest.raises(DocumentError, match=r"config\.api_key") as caught:
            parse_document((HEAD + model).encode(), "acme.yaml", server=SERVER)
        assert "sk-123" not in str(caught.value).lower()


def test_a_private_endpoint_is_named_and_only_named() -> None:
    def parse_with(url: str) -> TenantDocument:
        return parse_document((HEAD + MODEL.replace("URL", url)).encode(), "acme.yaml", server=SERVER)

    def base_url(url: str) -> object:
        pipeline = parse_with(url).spec.assistants[0].pipeline
        assert pipeline is not UNSET
        return pipeline[2].config["base_url"]

    assert base_url("{endpoint: gpu}") == "http://10.0.0.7:8000/v1"
    assert base_url('"https://models.example.com/v1"') == "https://models.example.com/v1"
    for url, words in {
        "{endpoint: gpo}": "did you mean 'gpu'?",
        '"http://10.0.0.8:8000/v1"': "10.0.0.8 is no public address (write {endpoint: name}",
        '"http://10.0.0.7:8000/v2"': "write {endpoint: gpu}",
        '"http://localhost:8000"': "localhost is no public address",
        '"https://[::ffff:10.0.0.1]/v1"': "no public address",
        '"http://[1"': "not a URL",
        "${OPENAI_BASE}": None,
    }.items():
        if words is None:
            assert base_url(f'"{url}"') == url, "nothing is expanded"
            continue
        with pytest.raises(DocumentError, match=r"pipeline\[2\]\.config\.base_url: ") as caught:
            parse_with(url)
        assert words in str(caught.value)
