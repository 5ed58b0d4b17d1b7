"""Reading a conversation, and lending passages to it without changing it. Pure."""

from collections.abc import Sequence

from pipecat.processors.aggregators.llm_context import LLMContext, LLMContextMessage, standard_message_text

from knowledge.passages import Passage


def last_words(context: LLMContext) -> str:
    """What the caller said last: the user's messages since the assistant's last one, joined."""
    spoken: list[str] = []
    for message in reversed(context.get_messages()):
        role = message.get("role") if isinstance(message, dict) else None
        if role == "assistant":
            break
        if role == "user":
            spoken.append(standard_message_text(message))
    return " ".join(text for text in reversed(spoken) if text)


def with_passages(context: LLMContext, passages: Sequence[Passage]) -> LLMContext:
    """A context for one answer: the same conversation with the passages in front of the caller's last message.

    They stand in the caller's message and between tags, never as an instruction of ours; what a document
    holds of tags is made harmless. The given context stays as it is.
    """
    messages = list(context.get_messages())
    at = next((i for i in reversed(range(len(messages))) if _is_user(messages[i])), None)
    if at is None:
        return context
    words = f"{listed(passages)}\n\n{standard_message_text(messages[at])}"
    messages[at] = {"role": "user", "content": words}
    return LLMContext(messages, context.tools, context.tool_choice)


def _is_user(message: LLMContextMessage) -> bool:
    return isinstance(message, dict) and message.get("role") == "user"


def listed(passages: Sequence[Passage]) -> str:
    """Passages between tags, for a language model; what they hold of tags is made harmless."""
    lines = [f"[{n}] {_plain(passage.heading)}\n{_plain(passage.text)}" for n, passage in enumerate(passages, start=1)]
    return "\n".join(["<passages>", *(lines or ["(none found)"]), "</passages>"])


def _plain(text: str) -> str:
    return text.replace("<", "‹").replace(">", "›")
