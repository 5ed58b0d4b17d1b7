"""What of a request cannot be read: each mistake at its place, in words, with what would be right.

A place is the name of a parameter or a header as it is sent, or `$.path` in a body.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal, get_args, get_origin

from litestar import Request, Response
from litestar.exceptions import ClientException, SerializationException, ValidationException
from litestar.exceptions.http_exceptions import RequestEntityTooLarge
from litestar.handlers import HTTPRouteHandler
from litestar.types import ExceptionHandlersMap
from msgspec import Struct, structs

from control.api.problems import FieldError, Refusal, of_http, of_validation
from processors.catalog import nearest

BODY: Final = "data"
"""Litestar's name of it."""
_MISSING: Final = re.compile(r"Missing required \w+ parameter '([^']+)'")
_UNKNOWN_FIELD: Final = re.compile(r"Object contains unknown field `(.+)`")
_MISSING_FIELD: Final = re.compile(r"Object missing required field `(.+)`")
_PATTERN: Final = re.compile(r"Expected `str` matching regex '(.*)'")
_ENUM: Final = re.compile(r"Invalid enum value (.+)", re.DOTALL)
_BOUND: Final = re.compile(r"Expected `(?:int|float|str)(?: \| null)?` (of length )?(>=|<=) ([\d.]+)")
_TYPE: Final = re.compile(r"Expected `([a-z]+)(?: \| null)?`, got `(\w+)`")
_TYPES: Final = {
    "bool": "true or false",
    "int": "a whole number",
    "float": "a number",
    "str": "a text",
    "object": "an object, {…}",
    "array": "a list, […]",
}
_WORDS: Final = {
    "Invalid RFC3339 encoded datetime": "a time such as 2026-11-26T09:00:00Z",
    "Invalid UUID": "a UUID such as 6f1d2c0a-4b7e-4f7b-9a53-1c9e5d7a2b10",
    "badly formed hexadecimal UUID string": "a UUID such as 6f1d2c0a-4b7e-4f7b-9a53-1c9e5d7a2b10",
}
NAME_PATTERN: Final = r"^[a-z][a-z0-9_-]{0,62}$"
KEY_PATTERN: Final = "^[a-z2-7]{12}$"
PATTERNS: Final = {
    NAME_PATTERN: "a lower-case letter, then at most 62 lower-case letters, digits, - and _",
    KEY_PATTERN: "the 12 characters of a key behind `atende_`: lower-case letters and the digits 2 to 7",
}


def in_words(message: str, annotation: object) -> str:
    """What is expected, of a reader's message about a value that should be of this type."""
    if (found := _ENUM.fullmatch(message)) is not None and (values := list(_values(annotation))):
        near = nearest(found[1].strip("'"), dict.fromkeys(values))
        return f"one of {', '.join(values)}" + (f"; did you mean {near}?" if near else "")
    if (found := _BOUND.fullmatch(message)) is not None:
        unit = "" if found[1] is None else " characters"
        return f"at {'least' if found[2] == '>=' else 'most'} {found[3]}{unit}"
    if (found := _TYPE.fullmatch(message)) is not None and found[1] in _TYPES:
        values = list(_values(annotation))
        return f"one of {', '.join(values)}" if values else _TYPES[found[1]]
    if (found := _PATTERN.fullmatch(message)) is not None and found[1] in PATTERNS:
        return PATTERNS[found[1]]
    return _WORDS.get(message, message)


def _values(annotation: object) -> Iterator[str]:
    """Of every Literal in a type."""
    if get_origin(annotation) is Literal:
        yield from (str(value) for value in get_args(annotation))
    else:
        for inner in get_args(annotation):
            yield from _values(inner)


def _of_parameters(handler: HTTPRouteHandler, path_params: Mapping[str, Any]) -> dict[str, tuple[str, object]]:
    """As it is sent, and of which type, by the name that it has in a handler or a dependency."""
    model = handler.create_kwargs_model(dict(path_params))
    sent = {
        one.field_name: one.field_alias
        for some in (model.expected_query_params, model.expected_header_params, model.expected_path_params)
        for one in some
    }
    fields = dict(handler.parsed_fn_signature.parameters)
    for provide in handler.resolve_dependencies().values():
        fields = provide.parsed_fn_signature.parameters | fields
    return {name: (sent.get(name, name), field.annotation) for name, field in fields.items()}


def _in_body(key: str, message: str, kind: object) -> FieldError:
    """`key`: `data`, or the path below it."""
    path = "$" if key == BODY else f"$.{key}"
    fields = _fields(kind) if path == "$" else {}
    if (found := _UNKNOWN_FIELD.fullmatch(message)) is not None:
        near = nearest(found[1], fields)
        hint = f"did you mean {near}?" if near else f"there are {', '.join(fields)}"
        return FieldError(path=f"{path}.{found[1]}"[:200], message=f"there is no such field; {hint}")
    if (found := _MISSING_FIELD.fullmatch(message)) is not None:
        if found[1] == BODY:
            return FieldError(path="$", message=f"there is no body; {_wanted(kind)}")
        return FieldError(path=f"{path}.{found[1]}", message="it is missing")
    if path == "$":
        return FieldError(path=path, message=_wanted(kind))
    return FieldError(path=path, message=in_words(message, _fields(kind).get(key)))


def _fields(kind: object) -> dict[str, object]:
    if not isinstance(kind, type) or not issubclass(kind, Struct):
        return {}
    return {field.encode_name: field.type for field in structs.fields(kind)}


def _wanted(kind: object) -> str:
    return f"expected is a JSON object with {', '.join(_fields(kind))}"


def _of_validation(request: Request[Any, Any, Any], error: ValidationException) -> Refusal:
    handler = request.route_handler
    assert isinstance(handler, HTTPRouteHandler)
    known = _of_parameters(handler, request.path_params)
    if (missing := _MISSING.match(error.detail)) is not None:
        return Refusal("bad-request", errors=[FieldError(path=missing[1], message="it is missing")])
    errors = []
    for one in error.extra or []:
        if not isinstance(one, Mapping):
            continue
        key, message = str(one.get("key", BODY)), str(one.get("message", ""))
        if one.get("source") == "body" or key == BODY:
            errors.append(_in_body(key, message, known.get(BODY, ("", None))[1]))
        else:
            name, kind = known.get(key, (key, None))
            errors.append(FieldError(path=name, message=in_words(message, kind)))
    return Refusal("bad-request", errors=errors) if errors else of_validation(error)


def _of_json(request: Request[Any, Any, Any], error: SerializationException) -> Refusal:
    """Without a word of the body."""
    handler = request.route_handler
    field = handler.parsed_fn_signature.parameters.get(BODY)
    reason = " ".join(str(error).split())[:200]
    told = f"it is no JSON ({reason}); {_wanted(None if field is None else field.annotation)}"
    return Refusal("bad-request", errors=[FieldError(path="$", message=told)])


def _of_size(request: Request[Any, Any, Any]) -> Refusal:
    handler = request.route_handler
    limit = handler.resolve_request_max_body_size() if isinstance(handler, HTTPRouteHandler) else None
    sent = request.headers.get("content-length", "")
    has = f"it has {int(sent)} bytes; " if sent.isascii() and sent.isdigit() and len(sent) < 20 else ""
    return Refusal("too-large", f"{has}a body has at most {limit} bytes here ({(limit or 0) // 1024} KiB)")


def told(request: Request[Any, Any, Any], error: Exception) -> Response[dict[str, Any]]:
    """The problem of a request that Litestar could not read."""
    if isinstance(error, ValidationException):
        refusal = _of_validation(request, error)
    elif isinstance(error.__cause__, SerializationException):
        refusal = _of_json(request, error.__cause__)
    elif isinstance(error, RequestEntityTooLarge):
        refusal = _of_size(request)
    else:
        assert isinstance(error, ClientException)
        return of_http(error).to_response(request)
    return refusal.to_response(request)


HANDLERS: Final[ExceptionHandlersMap] = {ValidationException: told, ClientException: told}
