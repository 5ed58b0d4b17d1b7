"""Numbers in words, with what belongs to them: percentages, ordinals, units, ranges, decimals; pure.

For text of which `normalise` has already made words of money, hours, dates and telephone numbers.
"""

import re
from collections.abc import Callable, Mapping
from functools import partial
from re import Match
from typing import Any, Literal, TypeAlias

from num2words import num2words  # type: ignore[import-untyped]

from base.languages import primary, tag

Dates: TypeAlias = Literal["auto", "day_first", "month_first"]

_NUM2WORDS: Mapping[str, str] = {"pt": "pt_BR", "en": "en", "es": "es"}
_POINT: Mapping[str, str] = {"pt": "vírgula", "en": "point", "es": "coma"}
_PERCENT: Mapping[str, str] = {"pt": "por cento", "en": "percent", "es": "por ciento"}
_TO: Mapping[str, str] = {"pt": "a", "en": "to", "es": "a"}
_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)

_UNITS: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "pt": {
        "km/h": ("quilômetro por hora", "quilômetros por hora"),
        "km": ("quilômetro", "quilômetros"),
        "cm": ("centímetro", "centímetros"),
        "mm": ("milímetro", "milímetros"),
        "m²": ("metro quadrado", "metros quadrados"),
        "m2": ("metro quadrado", "metros quadrados"),
        "m": ("metro", "metros"),
        "kg": ("quilo", "quilos"),
        "mg": ("miligrama", "miligramas"),
        "g": ("grama", "gramas"),
        "ml": ("mililitro", "mililitros"),
        "l": ("litro", "litros"),
        "min": ("minuto", "minutos"),
        "°C": ("grau", "graus"),
        "GB": ("giga", "gigas"),
        "MB": ("mega", "megas"),
        "kWh": ("quilowatt-hora", "quilowatts-hora"),
    },
    "en": {
        "km/h": ("kilometre per hour", "kilometres per hour"),
        "mph": ("mile per hour", "miles per hour"),
        "km": ("kilometre", "kilometres"),
        "cm": ("centimetre", "centimetres"),
        "mm": ("millimetre", "millimetres"),
        "m²": ("square metre", "square metres"),
        "m2": ("square metre", "square metres"),
        "m": ("metre", "metres"),
        "ft": ("foot", "feet"),
        "lb": ("pound", "pounds"),
        "oz": ("ounce", "ounces"),
        "kg": ("kilo", "kilos"),
        "mg": ("milligram", "milligrams"),
        "g": ("gram", "grams"),
        "ml": ("millilitre", "millilitres"),
        "l": ("litre", "litres"),
        "min": ("minute", "minutes"),
        "°C": ("degree", "degrees"),
        "°F": ("degree Fahrenheit", "degrees Fahrenheit"),
        "GB": ("gigabyte", "gigabytes"),
        "MB": ("megabyte", "megabytes"),
        "kWh": ("kilowatt hour", "kilowatt hours"),
    },
    "es": {
        "km/h": ("kilómetro por hora", "kilómetros por hora"),
        "km": ("kilómetro", "kilómetros"),
        "cm": ("centímetro", "centímetros"),
        "mm": ("milímetro", "milímetros"),
        "m²": ("metro cuadrado", "metros cuadrados"),
        "m2": ("metro cuadrado", "metros cuadrados"),
        "m": ("metro", "metros"),
        "kg": ("kilo", "kilos"),
        "mg": ("miligramo", "miligramos"),
        "g": ("gramo", "gramos"),
        "ml": ("mililitro", "mililitros"),
        "l": ("litro", "litros"),
        "min": ("minuto", "minutos"),
        "°C": ("grado", "grados"),
        "GB": ("giga", "gigas"),
        "MB": ("mega", "megas"),
        "kWh": ("kilovatio hora", "kilovatios hora"),
    },
}

_NUMBER = r"\d+(?:[.,]\d+)?"
_UNIT = {
    language: re.compile(
        rf"(?<![\w.,])({_NUMBER})\s?({'|'.join(map(re.escape, sorted(units, key=len, reverse=True)))})(?!\w)"
    )
    for language, units in _UNITS.items()
}
_PERCENTAGE = re.compile(rf"({_NUMBER})\s?%")
_ORDINAL = re.compile(r"(?<!\w)(\d{1,4})\s?([ºª°])|(?<!\w)(\d{1,4})(?:st|nd|rd|th)\b")
_RANGE = re.compile(r"(?<![\w.,-])(\d{1,4})\s?[-–]\s?(\d{1,4})(?![\w-])")
_DATE = re.compile(r"\b(\d{1,2})/(\d{1,2})(?:/(\d{4}))?\b")
_GROUPED = re.compile(r"\b\d{1,3}(?:,\d{3})+\b(?!\.?\d)")
_PLAIN = re.compile(r"(?<![\w.,/])(\d+)(?:([.,])(\d+))?(?![\w/])(?=(?P<behind>\s+\w+)?)")

LONGEST = 7
"""More digits than this, or a zero ahead, are a code: it is read digit by digit."""
_FEMININE = re.compile(r"\w+(?:a|as|ção|ções|dade|dades|ión|iones|dad|dades)", re.IGNORECASE)
_MASCULINE = re.compile(r"d[ií]as?|(?:problem|sistem|program|map)as?", re.IGNORECASE)


def numbers_in_words(text: str, language: str, dates: Dates = "auto", *, plain: bool = True) -> str:
    """The text as it is said; `plain` numbers, percentages, ordinals and units stay where it is False."""
    base = primary(language)
    if base == "en" and (order := _order(language, dates)) is not None:
        text = _DATE.sub(partial(_date, month_first=order == "month_first"), text)
    if not plain:
        return text
    if base == "en":
        text = _GROUPED.sub(lambda match: match[0].replace(",", ""), text)
    text = _UNIT[base].sub(partial(_unit, units=_UNITS[base], base=base), text.replace("º C", "°C").replace("ºC", "°C"))
    text = _PERCENTAGE.sub(lambda match: f"{_decimal(match[1], base)} {_PERCENT[base]}", text)
    text = _ORDINAL.sub(partial(_ordinal, base=base), text)
    text = _RANGE.sub(lambda match: f"{match[1]} {_TO[base]} {match[2]}", text)
    return _PLAIN.sub(partial(_number, base=base), text)


def _order(language: str, dates: Dates) -> str | None:
    """What comes first in a date of that English; None where nobody can know."""
    if dates != "auto":
        return dates
    region = tag(language).partition("-")[2]
    if not region:
        return None
    return "month_first" if region == "US" else "day_first"


def _date(match: Match[str], month_first: bool) -> str:
    first, second = int(match[1]), int(match[2])
    month, day = (first, second) if month_first else (second, first)
    if not (1 <= month <= 12 and 1 <= day <= 31):
        return match[0]
    year = f" {_say(int(match[3]), 'en', to='year')}" if match[3] else ""
    return f"{_MONTHS[month - 1]} {_say(day, 'en', to='ordinal')}{year}"


def _unit(match: Match[str], units: Mapping[str, tuple[str, str]], base: str) -> str:
    one, many = units[match[2]]
    return f"{_decimal(match[1], base)} {one if match[1] == '1' else many}"


def _ordinal(match: Match[str], base: str) -> str:
    if match[3]:
        return _say(int(match[3]), "en", to="ordinal") if base == "en" else match[0]
    if base == "en":
        return match[0]
    words = _say(int(match[1]), base, to="ordinal")
    if match[2] == "ª":
        return re.sub(r"o\b", "a", words)
    before_noun = base == "es" and re.match(r"\s+\w", match.string[match.end() :])
    return re.sub(r"(primer|tercer)o$", r"\1", words) if before_noun else words


def _decimal(written: str, base: str) -> str:
    whole, _, part = written.replace(",", ".").partition(".")
    return _joined(whole, part, base)


def _number(match: Match[str], base: str) -> str:
    whole, separator, part = match[1], match[2], match[3]
    if separator and separator != ("." if base == "en" else ","):
        return match[0]  # a version, or a thousand of another country
    behind = (match["behind"] or "").strip()
    if part or len(whole) > LONGEST or (len(whole) > 1 and whole[0] == "0"):
        return _joined(whole, part or "", base)
    if base == "en":
        return _say(int(whole), "en", to="year") if re.fullmatch(r"(?:19|20)\d\d", whole) else _say(int(whole), "en")
    return _gendered(_say(int(whole), base), base, behind)


def _joined(whole: str, part: str, base: str) -> str:
    code = len(whole) > LONGEST or (len(whole) > 1 and whole[0] == "0")
    words = _one_by_one(whole, base) if code else _say(int(whole), base)
    if not part:
        return words
    small = _one_by_one(part, base) if base == "en" or part[0] == "0" else _say(int(part), base)
    return f"{words} {_POINT[base]} {small}"


def _one_by_one(digits: str, base: str) -> str:
    return " ".join(_say(int(digit), base) for digit in digits)


def _gendered(words: str, base: str, noun: str) -> str:
    """Agreeing with the noun behind, as far as its ending tells."""
    feminine = _FEMININE.fullmatch(noun) is not None and _MASCULINE.fullmatch(noun) is None
    if base == "pt" and feminine:
        words = re.sub(r"\bdois$", "duas", re.sub(r"\bum$", "uma", words))
        return re.sub(r"entos\b", "entas", words)
    if base == "es" and words.endswith("uno") and noun:
        return words[:-1] + "a" if feminine else ("veintiún" if words == "veintiuno" else words[:-1])
    if base == "es" and feminine:
        return re.sub(r"ientos\b", "ientas", words)
    return words


def _say(number: int, base: str, **how: Any) -> str:
    say: Callable[..., object] = num2words
    return str(say(number, lang=_NUM2WORDS[base], **how)).replace(",", "")
