"""What hosted models cost. What an operator writes goes first; else the providers' lists, as genai-prices has them.

The lists come with the package and are never fetched: a newer package knows newer models. They are looked up by the
address that is asked, so that a model of the same name on somebody's own server has no price but the one he writes.
"""

import contextlib
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Annotated, Final

import genai_prices.data  # noqa: F401 - all lists are here when a stage's module is: later they would hold up the calls
from genai_prices import Usage as Priced
from genai_prices import calc_price
from genai_prices.types import ModelPrice
from msgspec import Meta, Struct

from processors.metering import Meter, Usage

READ_TOKENS: Final = 4000
"""That a model reads in a turn, for the estimate of what one costs: its instructions, passages and a conversation."""
CHARACTERS_PER_TOKEN: Final = 3
"""Of text of which the tokens are not told; Portuguese has 3.3, English 4."""

Dollars = Annotated[float, Meta(ge=0.0, le=100_000.0)]


class Price(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """US dollars for a million tokens (`input` and `output`), or for a minute of audio that is paid by time."""

    input: Dollars | None = None
    """Of what the model reads."""
    output: Dollars | None = None
    """Of what it writes."""
    cached: Dollars | None = None
    """Of input that the provider had in its cache; as other input when absent."""
    cache_written: Dollars | None = None
    """Of input that it keeps there; as `input` when absent."""
    input_audio: Dollars | None = None
    """Of what it hears; as `input` when absent."""
    output_audio: Dollars | None = None
    """Of what it speaks; as `output` when absent."""
    minute: Dollars | None = None
    """For a minute that it hears, where that is how it is paid."""

    def __post_init__(self) -> None:
        if (self.input is None) != (self.output is None) or (self.input is None and self.minute is None):
            raise ValueError("a price has `input` and `output`, or `minute`")


class Tariff:
    """The price of one model."""

    def __init__(self, model: str, base_url: str, own: Price | None) -> None:
        """Raises LookupError when nobody knows it."""
        self._model, self._base_url = model, base_url
        self._own = None if own is None else _model_price(own)
        self.cost(Usage())

    def cost(self, usage: Usage) -> float:
        """US dollars."""
        priced = _priced(usage)
        if self._own is not None:
            return float(self._own.calc_price(priced)["total_price"])
        now = datetime.now(UTC)
        found = calc_price(priced, self._model, provider_api_url=self._base_url, genai_request_timestamp=now)
        return float(found.total_price)


@lru_cache(maxsize=1000)
def tariff(model: str, base_url: str, own: Price | None = None) -> Tariff | None:
    """`own` is the operator's price for it. None when nobody knows one."""
    with contextlib.suppress(LookupError):
        return Tariff(model, base_url, own)
    return None


class Bill:
    """Where a processor's requests to one model are counted."""

    def __init__(self, meter: Meter, model: str, price: Tariff | None) -> None:
        self._meter, self._model, self._price = meter, model, price

    def ask(self, *, whatever: bool = False) -> None:
        """See `Meter`."""
        self._meter.ask(whatever=whatever)

    def used(self, usage: Usage) -> None:
        """A request took that."""
        self._meter.used(self._model, usage, None if self._price is None else self._price.cost(usage))


def estimated_tokens(characters: int) -> int:
    """Rather too many than too few."""
    return -(-characters // CHARACTERS_PER_TOKEN)


def _model_price(own: Price) -> ModelPrice:
    read, written, hours = own.input or 0.0, own.output or 0.0, (own.minute or 0.0) * 60
    heard = read if own.input_audio is None else own.input_audio
    prices = {
        "input_mtok": read,
        "cache_read_mtok": read if own.cached is None else own.cached,
        "cache_write_mtok": read if own.cache_written is None else own.cache_written,
        "input_audio_mtok": heard,
        "cache_audio_read_mtok": heard if own.cached is None else own.cached,
        "cache_audio_write_mtok": heard,
        "output_mtok": written,
        "output_audio_mtok": written if own.output_audio is None else own.output_audio,
        "audio_hours": hours,
        "input_audio_hours": hours,
    }
    return ModelPrice(**{name: Decimal(str(price)) for name, price in prices.items()})


def _priced(usage: Usage) -> Priced:
    """As the library takes it: every part within its whole, whatever a server wrote."""
    usage = usage.plausible()
    read, written = usage.input_tokens, usage.output_tokens
    audio = min(usage.input_audio_tokens, read)
    cached_audio = min(usage.cached_audio_tokens, audio, usage.cached_tokens)
    cached = cached_audio + min(usage.cached_tokens - cached_audio, read - audio)
    return Priced(
        input_tokens=read,
        cache_read_tokens=cached,
        cache_write_tokens=min(usage.cache_written_tokens, read - cached - audio + cached_audio),
        input_audio_tokens=audio,
        cache_audio_read_tokens=cached_audio,
        cache_audio_write_tokens=0,
        output_tokens=written,
        output_audio_tokens=min(usage.output_audio_tokens, written),
        audio_seconds=usage.audio_s,
        input_audio_seconds=usage.audio_s,
    )
