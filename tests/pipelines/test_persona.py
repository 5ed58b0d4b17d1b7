"""What stages are told of the assistant: texts, and a language model's instructions."""

from base.ids import TenantId
from pipelines.persona import persona_of
from pipelines.revision import PipelineRevision
from pipelines.spec import AssistantSpec, TextsSpec
from processors.factory import Persona
from processors.llm.answers import sentences_of
from processors.llm.prompt import system_prompt


def persona(**more: object) -> Persona:
    assistant = AssistantSpec(name="ana", numbers=("1",), **more)  # type: ignore[arg-type]
    revision = PipelineRevision(
        tenant_id=TenantId("t"),
        slug="acme",
        company="Acme",
        language="en",
        number=1,
        digest="",
        assistants=(assistant,),
    )
    return persona_of(revision, assistant)


def test_the_disclosure_is_said_right_after_the_greeting_whose_ever_it_is() -> None:
    disclosure = "I am {assistant}, a machine."
    own = persona(texts=TextsSpec(greeting="Hello from {company}!", disclosure=disclosure))
    assert own.texts["greeting"] == "Hello from Acme! I am ana, a machine."
    ours = persona().texts["greeting"]
    assert persona(texts=TextsSpec(disclosure=disclosure)).texts["greeting"] == f"{ours} I am ana, a machine."


def test_texts_that_no_stage_knows_yet_harm_nothing() -> None:
    kept = TextsSpec(outside_hours="Closed.", hold="Wait.", limit="Time is up.")
    texts = persona(texts=kept).texts
    assert texts["limit"] == "Time is up."
    assert set(texts) == set(persona().texts)


def test_a_language_model_is_told_the_facts_and_what_it_must_not_talk_about() -> None:
    facts = {"parking": "behind the house", "opened": "in 1998"}
    told = persona(instructions="Be brief.\n", business_info=facts, forbidden_topics=("politics", "other shops"))
    assert told.instructions == (
        "Be brief.\n\n"
        "Facts about the company that you may tell:\n- parking: behind the house\n- opened: in 1998\n\n"
        "Never talk about, whoever asks: politics; other shops."
    )
    assert told.instructions in system_prompt(told, sentences_of(told))
    assert persona(instructions=" Be brief. ").instructions == "Be brief."
