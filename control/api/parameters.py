"""Query parameters: one that an address does not take is refused, since it would have been ignored.

A `dryrun` would publish, and an `openend_from` list every call. After the guards and before anything is looked for, so
that a refusal tells of the request alone.
"""

from collections import Counter
from typing import Any, Final

from litestar import Request
from litestar.handlers import BaseRouteHandler

from control.api.problems import FieldError, Refusal
from processors.catalog import nearest

OF_ALL: Final = "domain_uuid"
"""A tenant's key may send it everywhere: `given.asker` holds it against the key. The platform's where it chooses."""
MAX_TOLD_CHARS: Final = 60
MAX_NAMES: Final = 50
"""Of one request. Each unknown one is compared with those that there are, on the event loop."""


class KnownParameters:
    """Of every address below the router. One for each application."""

    def __init__(self) -> None:
        self._known: dict[BaseRouteHandler, dict[str, bool]] = {}

    def check(self, request: Request[Any, Any, Any]) -> None:
        """Raises the Refusal `bad-request`, which names each parameter that is unknown or sent more than once."""
        sent = Counter(name for name, _ in request.query_params.multi_items())
        if not sent:
            return
        if len(sent) > MAX_NAMES:
            told = f"there are {len(sent)} of them, and no address takes more than {MAX_NAMES}"
            raise Refusal("bad-request", errors=[FieldError(path="query parameters", message=told)])
        known = self.of(request.route_handler, request.path_params)
        if not request.user.of_platform:
            known = {OF_ALL: False} | known
        errors = [_unknown(name, known) for name in sent if name not in known]
        errors += [
            FieldError(path=name, message="it is sent more than once; once is enough")
            for name, times in sent.items()
            if times > 1 and not known.get(name, True)
        ]
        if errors:
            raise Refusal("bad-request", errors=errors)

    def of(self, handler: BaseRouteHandler, path_params: dict[str, Any]) -> dict[str, bool]:
        """The names that a handler and its dependencies take, and whether each may be sent again and again."""
        if (found := self._known.get(handler)) is None:
            model = handler.create_kwargs_model(path_params)
            found = {one.field_alias: one.is_sequence for one in model.expected_query_params}
            self._known[handler] = found
        return found


def _unknown(name: str, known: dict[str, bool]) -> FieldError:
    if not known:
        hint = "there are none here"
    elif (near := nearest(name, known)) is not None:
        hint = f"did you mean {near}?"
    else:
        hint = f"there are {', '.join(sorted(known))}"
    return FieldError(path=name[:MAX_TOLD_CHARS], message=f"there is no such parameter here; {hint}")
