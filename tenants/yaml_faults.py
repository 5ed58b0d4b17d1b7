"""What a YAML parser objects to, at the place and in the words that help whoever wrote the text."""

from dataclasses import dataclass
from typing import Any, Final

import yaml

OPENED: Final = {
    "while parsing a flow mapping": ("{", "}"),
    "while parsing a flow sequence": ("[", "]"),
}
IN_QUOTES: Final = "put the text in quotes"


@dataclass(frozen=True, slots=True)
class Fault:
    """`place` is the parser's own mark."""

    place: Any
    message: str
    hint: str = ""


def fault_of(error: yaml.MarkedYAMLError, text: str, last: Any) -> Fault:
    """`last` is the event before the error; None when it was the first."""
    place = error.problem_mark or error.context_mark
    message = ", ".join(filter(None, (error.problem, error.context)))
    at = text[place.index : place.index + 1] if place is not None else ""
    if at == "\t" or "tab" in (error.problem or "").split():
        return Fault(place, message, "a tab stands here: use spaces")
    if error.context == "while scanning a quoted scalar" and error.context_mark is not None:
        quote = text[error.context_mark.index : error.context_mark.index + 1]
        return Fault(
            error.context_mark, f"a text in quotes begins here and never ends ({message})", f"close the {quote}"
        )
    if error.context in OPENED and error.context_mark is not None:
        return _not_closed(error, place, message, IN_QUOTES if at == ":" or _goes_on(last, place) else "")
    if (opened := _ran_on(last, place)) is not None:
        return Fault(place, message, f"the quotes that end before this were opened in line {opened}: close them there")
    if "mapping values" in (error.problem or ""):
        return Fault(place, message, _colon(text, place))
    if "cannot start any token" in (error.problem or "") or _goes_on(last, place):
        return Fault(place, message, IN_QUOTES)
    return Fault(place, message)


def _not_closed(error: yaml.MarkedYAMLError, place: Any, message: str, hint: str) -> Fault:
    opened, closed = OPENED[str(error.context)]
    begun: Any = error.context_mark
    if place is None or place.line > begun.line:
        until = "" if place is None else f" before line {place.line + 1}"
        return Fault(begun, f"{opened} is opened here and not closed{until} ({message})", f"close it with {closed}")
    return Fault(place, message, hint or f"the {opened} of column {begun.column + 1} is not closed")


def _ran_on(last: Any, place: Any) -> int | None:
    """The line in which a text in quotes began that ends, lines later, in that of the error."""
    quoted = isinstance(last, yaml.ScalarEvent) and last.style in {"'", '"'}
    if place is None or not quoted or not last.start_mark.line < last.end_mark.line == place.line:
        return None
    return int(last.start_mark.line) + 1


def _goes_on(last: Any, place: Any) -> bool:
    """Whether something follows a text in quotes, in its line."""
    quoted = isinstance(last, yaml.ScalarEvent) and last.style in {"'", '"'}
    return quoted and place is not None and last.end_mark.line == place.line


def _colon(text: str, place: Any) -> str:
    """For a colon that stands where none can: it is a text's own, or the line is indented too far."""
    before = text[place.index - place.column : place.index]
    if ": " in before:
        return f"{IN_QUOTES}: a colon in it looks like that of a key"
    return "the line is indented too far, or the text before it belongs in quotes"
