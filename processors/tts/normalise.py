"""How written text is said aloud: money, hours, telephone numbers, dates, addresses; pure.

The conversation keeps what was written; only the voice gets this. Plain numbers, percentages and ordinals
are read right by espeak-ng and stay as they are; `numbers` makes words of them for other voices.
"""

import re
from collections.abc import Callable, Mapping
from re import Match

from msgspec import Struct

from base.languages import primary

_NUM2WORDS: Mapping[str, str] = {"pt": "pt_BR", "en": "en", "es": "es"}


class _Money(Struct, frozen=True):
    one: str
    many: str
    cent: str
    cents: str


_CURRENCIES: Mapping[str, Mapping[str, _Money]] = {
    "pt": {
        "R$": _Money("real", "reais", "centavo", "centavos"),
        "US$": _Money("dólar", "dólares", "centavo", "centavos"),
        "$": _Money("dólar", "dólares", "centavo", "centavos"),
        "€": _Money("euro", "euros", "centavo", "centavos"),
        "£": _Money("libra", "libras", "penny", "pence"),
    },
    "en": {
        "R$": _Money("real", "reais", "centavo", "centavos"),
        "US$": _Money("dollar", "dollars", "cent", "cents"),
        "$": _Money("dollar", "dollars", "cent", "cents"),
        "€": _Money("euro", "euros", "cent", "cents"),
        "£": _Money("pound", "pounds", "penny", "pence"),
    },
    "es": {
        "R$": _Money("real", "reales", "centavo", "centavos"),
        "US$": _Money("dólar", "dólares", "centavo", "centavos"),
        "$": _Money("peso", "pesos", "centavo", "centavos"),
        "€": _Money("euro", "euros", "céntimo", "céntimos"),
        "£": _Money("libra", "libras", "penique", "peniques"),
    },
}
_AND: Mapping[str, str] = {"pt": "e", "en": "and", "es": "con"}
_AT_DOT: Mapping[str, tuple[str, str]] = {"pt": ("arroba", "ponto"), "en": ("at", "dot"), "es": ("arroba", "punto")}
_MONTHS: Mapping[str, str] = {
    "pt": "janeiro fevereiro março abril maio junho julho agosto setembro outubro novembro dezembro",
    "es": "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
}
_ABBREVIATIONS: Mapping[str, Mapping[str, str]] = {
    "pt": {
        r"Av\.": "Avenida",
        r"R\.(?= [A-ZÁÉÍÓÚ])": "Rua",
        r"Dra\.": "Doutora",
        r"Dr\.": "Doutor",
        r"Sra\.": "Senhora",
        r"Sr\.": "Senhor",
        r"[nN][º°]\.?": "número",
        r"tel\.": "telefone",
    },
    "en": {r"No\.(?= ?\d)": "number", r"Ave\.": "Avenue", r"tel\.": "telephone"},
    "es": {
        r"Av\.|Avda\.": "Avenida",
        r"Dra\.": "Doctora",
        r"Dr\.": "Doctor",
        r"Sra\.": "Señora",
        r"Sr\.": "Señor",
        r"[nN]\.?[º°]": "número",
        r"tel\.": "teléfono",
    },
}

_AMOUNT = r"(?P<amount>\d+(?:[.,]\d+)*)"
_MONEY = re.compile(rf"(?P<sign>R\$|US\$|\$|€|£)\s?{_AMOUNT}|{_AMOUNT.replace('amount', 'amount2')}\s?(?P<sign2>€)")
_CLOCK = re.compile(r"\b(?P<hour>[01]?\d|2[0-4])\s?(?:[:h](?P<minute>[0-5]\d)(?:\s?(?:min|hs?)\b)?|h(?:s|oras?)?\b)")
_HALF_DAY = re.compile(r"\s?([ap])\.?\s?m\b\.?", re.IGNORECASE)
_PHONE = re.compile(
    r"(?<![\d,.])(?:\+\d{1,3}[ .-]?)?(?:\(\d{2,3}\)[ .-]?)?(?:\d{2,3}[ .-])?\d{3,5}[-. ]\d{4}(?![\d,])"
    r"|\b0800[ -]?\d{3}[ -]?\d{3,4}\b"
    r"|\b\d{5}-\d{3}\b"
    r"|\b\d{3}-\d{4}\b"
)
_DATE = re.compile(r"\b(?P<day>0?[1-9]|[12]\d|3[01])/(?P<month>0?[1-9]|1[0-2])(?:/(?P<year>\d{4}))?\b")
_THOUSANDS = re.compile(r"\b\d{1,3}(?:\.\d{3})+\b(?!,\d)")
_ADDRESS = re.compile(r"\b[\w.+-]+@[\w-]+(?:\.[\w-]+)+|\bwww(?:\.[\w-]+)+", re.IGNORECASE)
_MARKUP = re.compile(r"[*_`#]+|^\s*[-•]\s+", re.MULTILINE)


def normalise(text: str, language: str) -> str:
    """The text as it is said; other languages than pt, en and es get their white space tidied only."""
    base = primary(language)
    if base in _NUM2WORDS:
        text = _MARKUP.sub("", text)
        for written, word in _ABBREVIATIONS[base].items():
            text = re.sub(rf"(?<!\w)(?:{written})", word, text)
        for pattern, say in _SPOKEN:
            text = pattern.sub(lambda match, say=say: say(match, base), text)  # type: ignore[misc]
    return " ".join(text.split())


def _words(number: int, language: str) -> str:
    from num2words import num2words  # type: ignore[import-untyped]

    return str(num2words(number, lang=_NUM2WORDS[language])).replace(",", "")


def _money(match: Match[str], language: str) -> str:
    money = _CURRENCIES[language][match["sign"] or match["sign2"]]
    written = match["amount"] or match["amount2"]
    whole, cents = _amount(written)
    parts = []
    if whole or not cents:
        parts.append(f"{_words(whole, language)} {money.one if whole == 1 else money.many}")
    if cents:
        parts.append(f"{_words(cents, language)} {money.cent if cents == 1 else money.cents}")
    return f" {_AND[language]} ".join(parts)


def _amount(written: str) -> tuple[int, int]:
    """Whole units and cents: a last group of one or two digits is cents, whatever the separator."""
    groups = re.split("[.,]", written)
    if len(groups) > 1 and len(groups[-1]) <= 2:
        return int("".join(groups[:-1])), int(groups[-1].ljust(2, "0"))
    return int("".join(groups)), 0


def _clock(match: Match[str], language: str) -> str:
    hour, minute = int(match["hour"]), int(match["minute"] or 0)
    if language == "en":
        return _english_clock(match, hour, minute)
    words = _words(hour, language)
    if language == "pt":
        words = _feminine(words)
        if minute:
            return f"{words} e {_words(minute, language)}"
        return f"{words} {'hora' if hour == 1 else 'horas'}"
    words = re.sub(r"uno$", "una", words)
    return f"{words} y {_words(minute, language)}" if minute else words


def _english_clock(match: Match[str], hour: int, minute: int) -> str:
    words = _words(hour, "en")
    if minute:
        return f"{words} {'oh ' if minute < 10 else ''}{_words(minute, 'en')}"
    return words if _HALF_DAY.match(match.string, match.end()) else f"{words} o'clock"


def _feminine(words: str) -> str:
    """Portuguese hours are feminine: uma, duas, vinte e uma."""
    return re.sub(r"\bdois$", "duas", re.sub(r"\bum$", "uma", words))


def _digits(match: Match[str], language: str) -> str:
    """Digit by digit, a breath between groups."""
    written = match[0]
    if re.fullmatch(r"(?:19|20)\d\d[-. ](?:19|20)\d\d", written):
        return written  # a span of years
    groups = re.findall(r"\d+", written)
    return ", ".join(" ".join(_words(int(digit), language) for digit in group) for group in groups)


def _date(match: Match[str], language: str) -> str:
    if language not in _MONTHS:
        return match[0]  # 03/04 may be March or April
    day = "primeiro" if language == "pt" and int(match["day"]) == 1 else _words(int(match["day"]), language)
    said = f"{day} de {_MONTHS[language].split()[int(match['month']) - 1]}"
    return f"{said} de {_words(int(match['year']), language)}" if match["year"] else said


def _thousands(match: Match[str], language: str) -> str:
    return match[0] if language == "en" else match[0].replace(".", "")


def _address(match: Match[str], language: str) -> str:
    at, dot = _AT_DOT[language]
    return match[0].replace("@", f" {at} ").replace(".", f" {dot} ").replace("www", "w w w")


_SPOKEN: tuple[tuple[re.Pattern[str], Callable[[Match[str], str], str]], ...] = (
    (_ADDRESS, _address),
    (_MONEY, _money),
    (_DATE, _date),
    (_PHONE, _digits),
    (_CLOCK, _clock),
    (_THOUSANDS, _thousands),
)
