"""Where a document names secrets."""

import pytest

from tenants.secret_uses import SecretUse, uses_in

DOCUMENT = b"""\
slug: fala
id: 6f1d2c0a-4b7e-4f7b-9a53-1c9e5d7a2b99
name: Fala
assistants:
  - name: ana
    numbers: [7100]
    pipeline:
      - {id: vad, use: vad.silero}
      - {id: llm, use: llm.openai, config: {model: m, api_key: {secret: openai}}}
      - {id: tts, use: tts.kokoro, config: {voices: [{key: {secret: voice}}]}}
  - name: bea
    numbers: [7200]
providers:
  - {name: cloud, use: llm.anthropic, config: {model: m, api_key: {secret: anthropic}}}
webhooks:
  - {url: "https://example.com/x", events: [call_ended], secret: {secret: hook}}
"""


def test_each_place_is_told_with_the_stage_where_it_is_one() -> None:
    assert set(uses_in(DOCUMENT)) == {
        SecretUse(
            name="openai", path="$.assistants[0].pipeline[1].config.api_key", assistant="ana", stage="llm"
        ),
        SecretUse(
            name="voice", path="$.assistants[0].pipeline[2].config.voices[0].key", assistant="ana", stage="tts"
        ),
        SecretUse(name="anthropic", path="$.providers[0].config.api_key"),
        SecretUse(name="hook", path="$.webhooks[0].secret"),
    }  # fmt: skip


def test_a_document_with_mistakes_tells_what_can_be_read() -> None:
    broken = DOCUMENT.replace(b"id: 6f1d", b"identity: x\nid: 6f1d").replace(b"numbers: [7100]", b"nombers: [7100]")
    assert {use.name for use in uses_in(broken)} == {"openai", "voice", "anthropic", "hook"}


@pytest.mark.parametrize("text", [b"", b"- x", b"{", b"\xff", b"a: *b", b"assistants: 5"])
def test_what_is_no_document_names_none(text: bytes) -> None:
    assert uses_in(text) == ()
