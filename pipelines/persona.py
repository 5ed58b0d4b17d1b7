"""Who an assistant is: the operator's words where there are any, the language's own elsewhere."""

from msgspec import structs

from base.languages import Texts, texts
from pipelines.revision import PipelineRevision
from pipelines.spec import AssistantSpec
from processors.factory import Persona

_KNOWN = frozenset(field.name for field in structs.fields(Texts))


def persona_of(revision: PipelineRevision, assistant: AssistantSpec) -> Persona:
    """The persona that stages are given, with every text complete. Raises LanguageUnknownError."""
    language = assistant.language or revision.language
    given: dict[str, str | None] = structs.asdict(assistant.texts)
    own = {key: text for key, text in given.items() if text is not None and key in _KNOWN}
    if assistant.texts.disclosure is not None:
        own["greeting"] = f"{own.get('greeting', texts(language).greeting)} {assistant.texts.disclosure}"
    words = texts(language).filled(company=revision.company, assistant=assistant.name, own=own)
    return Persona(
        name=assistant.key,
        language=language,
        company=revision.company,
        instructions=_instructions(assistant),
        texts=structs.asdict(words),
    )


def _instructions(assistant: AssistantSpec) -> str:
    """What a language model is told of the assistant: its instructions, the company's facts, what it never says."""
    parts = [assistant.instructions.strip()]
    if assistant.business_info:
        facts = (f"- {name}: {fact.strip()}" for name, fact in assistant.business_info.items())
        parts.append("Facts about the company that you may tell:\n" + "\n".join(facts))
    if assistant.forbidden_topics:
        parts.append("Never talk about, whoever asks: " + "; ".join(assistant.forbidden_topics) + ".")
    return "\n\n".join(filter(None, parts))
