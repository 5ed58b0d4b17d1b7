"""Names of things, told apart by type. All are plain strings on the wire."""

from typing import NewType

TenantId = NewType("TenantId", str)
"""A tenant's UUID (the FusionPBX `domain_uuid`) in canonical lower-case form."""

CallId = NewType("CallId", str)
"""The UUID of the caller's FreeSWITCH channel."""

AssistantName = NewType("AssistantName", str)
"""The name of an assistant, unique within one tenant document."""

ApiKeyId = NewType("ApiKeyId", str)
"""The visible part of an API key: 12 characters of a-z and 2-7."""
