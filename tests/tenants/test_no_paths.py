"""Nothing in a document can be a path, a command or a variable: every text either refuses such, or is only spoken,
told to a model, or compared.
"""

import re
from collections.abc import Iterator

import pytest
from msgspec import Struct, inspect

from base.converting import type_info
from pipelines.expectation import bare, choices, expectation
from processors.catalog import Stages
from tenants.spec import TenantSpec

DANGERS = (
    "../../etc/passwd",
    "/etc/passwd",
    "file:///etc/passwd",
    "$(id)",
    "${HOME}",
    "a;b",
    "a|b",
    "|id",
    "`id`",
    "a\nb",
)
SPOKEN = "spoken, or told to a language model or a recogniser"
COMPARED = "looked up in what there is"
FREE = {
    "assistants[].instructions": SPOKEN,
    "assistants[].business_info": SPOKEN,
    "assistants[].business_info.*": SPOKEN,
    "assistants[].forbidden_topics[]": SPOKEN,
    "assistants[].turn.backchannels[]": COMPARED,
    "assistants[].keys.*.text": SPOKEN,
    "assistants[].pipeline[].use": COMPARED,
    "assistants[].language": COMPARED,
    "destinations[].aliases[]": COMPARED,
    "destinations[].department": SPOKEN,
    "destinations[].role": SPOKEN,
    "hours[].dates[].name": SPOKEN,
    "language": COMPARED,
    "menus[].keys.*.text": SPOKEN,
    "menus[].say": SPOKEN,
    "name": SPOKEN,
    "providers[].use": COMPARED,
    "time_zone": COMPARED,
    "tools.http[].description": SPOKEN,
    "webhooks[].name": COMPARED,
    # Of stages: what a server is asked for by name, and where, behind the fence of base/http.py.
    "llm.openai.model": "the name of a model in a request",
    "llm.anthropic.model": "the name of a model in a request",
    "llm.openai.base_url": "a URL, which the fence refuses unless it is https or has a name in the settings",
    "llm.anthropic.base_url": "a URL, which the fence refuses unless it is https or has a name in the settings",
    "realtime.openai.model": "the name of a model in the query of a URL, percent-encoded",
    "realtime.openai.base_url": "a URL, which the fence refuses unless it is https or has a name in the settings",
    "realtime.openai.voice": "the name of a voice in a message",
    "realtime.openai.transcription_model": "the name of a model in a message",
    "realtime.mock.answers[]": SPOKEN,
    "realtime.mock.transcripts[]": SPOKEN,
    "llm.mock.answers[]": SPOKEN,
    "llm.mock.writes": "the body of an event, which can be no line of its own (transports/freeswitch/text.py)",
    "stt.mock.transcripts[]": SPOKEN,
    "filter.dtmf.keys.*": SPOKEN,
    "filter.filler.sentences[]": SPOKEN,
    "filter.language.languages[]": COMPARED,
    "filter.language.voices.*": COMPARED,
    "filter.speech_text.words.*": SPOKEN,
    "filter.topics.topics[].phrases[]": COMPARED,
    "filter.topics.topics[].answer": SPOKEN,
    "stt.whisper.prompt": SPOKEN,
    "stt.whisper.language": COMPARED,
    "tts.kokoro.language": COMPARED,
}
"""Texts that may be anything, each with what becomes of it. To add one is to say why it is harmless."""
FREE |= {
    f"assistants[].texts.{name}": SPOKEN
    for name in (
        "greeting", "farewell", "reprompt", "not_understood", "unanswerable", "confirm", "operator", "operator_away",
        "anything_else", "failure", "limit", "disclosure", "outside_hours", "hold", "back",
    )
}  # fmt: skip
UNTYPED = {
    "assistants[].pipeline[].config.*": "typed by its stage",
    "providers[].config.*": "typed by its stage",
    "tools.http[].parameters.*": "a JSON Schema, given to the model as it is",
}


def texts(wanted: inspect.Type, path: str) -> Iterator[tuple[str, inspect.Type]]:
    """Every place where a text of a document's author stands."""
    wanted, _ = bare(wanted)
    match wanted:
        case inspect.StructType():
            for one in wanted.fields:
                yield from texts(one.type, f"{path}.{one.encode_name}" if path else one.encode_name)
        case inspect.UnionType():
            for kind in choices(wanted):
                yield from texts(kind, path)
        case inspect.VarTupleType():
            yield from texts(wanted.item_type, f"{path}[]")
        case inspect.DictType():
            if isinstance(bare(wanted.key_type)[0], inspect.StrType) and bare(wanted.key_type)[0].pattern:  # type: ignore[attr-defined]
                yield path, bare(wanted.key_type)[0]
            yield from texts(wanted.value_type, f"{path}.*")
        case inspect.StrType() | inspect.AnyType():
            yield path, wanted
        case _:
            assert expectation(wanted), f"{path}: there is no rule for {wanted}"


def places() -> list[tuple[str, inspect.Type]]:
    stages = Stages()
    configs: dict[str, type[Struct]] = {use: stages[use].config_type for use in stages}
    found = list(texts(type_info(TenantSpec), ""))
    return found + [place for use, config in configs.items() for place in texts(type_info(config), use)]


@pytest.mark.parametrize(("path", "wanted"), places(), ids=[f"{n}-{path}" for n, (path, _) in enumerate(places())])
def test_no_field_takes_a_path_a_command_or_a_variable(path: str, wanted: inspect.Type) -> None:
    if isinstance(wanted, inspect.AnyType):
        assert path in UNTYPED, f"{path} takes anything"
        return
    assert isinstance(wanted, inspect.StrType)
    taken = [text for text in DANGERS if wanted.pattern is None or re.search(wanted.pattern, text)]
    assert not taken or path in FREE, f"{path} takes {taken}: give it a pattern, or say here what becomes of it"


def test_what_is_said_to_be_free_is_there() -> None:
    assert set(FREE) | set(UNTYPED) <= {path for path, _ in places()}
