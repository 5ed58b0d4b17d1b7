"""Extensions as XML, as FreeSWITCH's own dialplan module reads it."""

from collections.abc import Sequence
from xml.sax.saxutils import quoteattr

from control.dialplan.plan import Extension, Plan, extensions
from tenants.signing import KeyRing

HEADER = """\
<!-- Printed by `atende dialplan`: print it anew rather than edit it. The signatures are good for these numbers of this
     tenant alone, with the service whose key signed them. Nothing may answer the call before the socket. -->
"""


def dialplan_xml(plan: Plan, keys: KeyRing) -> str:
    """A context with one extension for each number and one for each door. Raises PlanError."""
    body = "\n".join(_indented(extension_xml(extension), "    ") for extension in extensions(plan, keys))
    return f"{HEADER}<include>\n  <context name={quoteattr(plan.context)}>\n{body}\n  </context>\n</include>"


def extension_xml(extension: Extension, attributes: Sequence[tuple[str, str]] = ()) -> str:
    """One `<extension>` element, not indented."""
    named = [("name", extension.name), ("continue", "false"), *attributes]
    opening = " ".join(f"{name}={quoteattr(value)}" for name, value in named)
    actions = [
        f"    <action application={quoteattr(action.application)}"
        + (f" data={quoteattr(action.data)}" if action.data else "")
        + "/>"
        for action in extension.actions
    ]
    return "\n".join(
        [
            f"<extension {opening}>",
            f'  <condition field="destination_number" expression={quoteattr(extension.expression)}>',
            *actions,
            "  </condition>",
            "</extension>",
        ]
    )


def _indented(text: str, margin: str) -> str:
    return "\n".join(margin + line for line in text.splitlines())
