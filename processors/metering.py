"""What a stage tells of its requests to a hosted provider: before each that it is to be made, and what it took."""

from typing import Final, Protocol

from msgspec import Struct, structs

MOST: Final = 100_000_000
"""Of anything in one request; a provider that reports more is not believed."""


class Usage(Struct, frozen=True, kw_only=True):
    """What was taken, as the provider reports it. A part is counted in its whole, too."""

    input_tokens: int = 0
    cached_tokens: int = 0
    """Of the input: read from the provider's cache."""
    cache_written_tokens: int = 0
    """Of the input: kept in it."""
    input_audio_tokens: int = 0
    """Of the input."""
    cached_audio_tokens: int = 0
    """Of both."""
    output_tokens: int = 0
    output_audio_tokens: int = 0
    """Of the output."""
    audio_s: float = 0.0
    """Heard by a recogniser that is paid by time."""
    characters: int = 0
    """Spoken by a voice that is paid by text."""
    estimated: bool = False
    """The provider has not said it: an answer was broken off, or its server never tells."""

    def plausible(self) -> "Usage":
        """Within reason, whatever a server has written."""
        counts = {name: getattr(self, name) for name in self.__struct_fields__ if name != "estimated"}
        return structs.replace(self, **{name: max(0, min(count, MOST)) for name, count in counts.items()})


class RateReachedError(Exception):
    """The assistant has made its `limits.provider_rpm` requests within a minute; this one may not be sent."""

    def __init__(self) -> None:
        super().__init__("limits.provider_rpm is reached: the provider was not asked")


class Meter(Protocol):
    """Of one stage in one call. Nothing here waits."""

    def ask(self, *, whatever: bool = False) -> None:
        """A request is about to be sent. Raises RateReachedError, but not with `whatever`: then it is only counted."""
        ...

    def used(self, model: str, usage: Usage, cost_usd: float | None) -> None:
        """What requests to that model took. `cost_usd` is None where the price is not known."""
        ...

    def of(self, stage: str, use: str) -> "Meter":
        """Another stage's of the same call, by its id and its name in the catalog."""
        ...


class Unmetered:
    """A `Meter` that counts nothing and holds nothing back."""

    def ask(self, *, whatever: bool = False) -> None: ...

    def used(self, model: str, usage: Usage, cost_usd: float | None) -> None: ...

    def of(self, stage: str, use: str) -> Meter:
        return self
