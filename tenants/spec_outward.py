"""What an operator wrote about everything outside: tools, webhooks, and what is named instead of written.

There is no path, no command and no variable in a document: a secret and a private endpoint have names, and
what runs beside us is reached by URL.
"""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

from base.secret import SecretRef
from pipelines.spec_desk import Sentence, Slug, Words

Url = Annotated[
    str,
    Meta(
        pattern=r"^https://[A-Za-z0-9.-]{1,253}(:[0-9]{1,5})?(/[A-Za-z0-9._~!$&'()*+,;=:@%/-]{0,1000})?\Z",
        description="an https URL without user, query or fragment",
    ),
]
Header = Annotated[
    str,
    Meta(
        pattern=r"^[A-Za-z][A-Za-z0-9-]{0,63}\Z",
        description="an HTTP header's name: letters, digits and -, starting with a letter, 64 at most",
    ),
]


class EndpointRef(Struct, frozen=True, forbid_unknown_fields=True):
    """`{endpoint: name}`: an endpoint that the platform's operator has named in the server's settings."""

    endpoint: Slug
    """Its name there."""


class HttpToolSpec(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A tool of the language model that is a request to a server."""

    name: Slug
    """By which the model calls it."""
    description: Sentence
    """What it is for, as the model is told."""
    url: Url | EndpointRef
    """Where the request goes."""
    method: Literal["GET", "POST"] = "POST"
    """Of the request; a GET has the arguments in its query, a POST in its body, as JSON."""
    headers: Annotated[dict[Header, SecretRef], Meta(max_length=10)] = field(default_factory=dict)
    """Each has a secret for its value."""
    parameters: dict[str, Any] = field(default_factory=dict)
    """The JSON Schema of the arguments: an object."""
    timeout_s: Annotated[float, Meta(ge=0.5, le=30)] = 5.0
    """For the whole answer."""


class McpSpec(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A server of tools that speaks MCP over HTTP. None is ever started as a process."""

    name: Slug
    """That goes before the names of its tools."""
    url: Url | EndpointRef
    """Where it is."""
    token: SecretRef | None = None
    """Sent as a bearer token."""


class ToolsSpec(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a language model may do beside speaking."""

    builtin: tuple[Literal["transfer", "hang_up", "take_message", "callback", "opening_hours"], ...] = ()
    """Those of ours that it may call."""
    http: Annotated[tuple[HttpToolSpec, ...], Meta(max_length=50)] = ()
    mcp: Annotated[tuple[McpSpec, ...], Meta(max_length=10)] = ()


class WebhookSpec(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Who is told what has happened, by a signed POST."""

    name: Words
    """In the list of deliveries."""
    url: Url | EndpointRef
    """Where the POST goes."""
    events: Annotated[
        tuple[Literal["call.started", "call.ended", "call.transferred", "message.taken", "callback.requested"], ...],
        Meta(min_length=1),
    ]
    """What it is told of."""
    secret: SecretRef | None = None
    """What the body is signed with; unsigned when absent."""
    timeout_s: Annotated[float, Meta(ge=1, le=30)] = 10.0
    """For an answer, before it is tried again."""
