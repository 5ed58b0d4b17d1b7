"""Personal data in what was said: documents, cards, accounts, telephone numbers, addresses of mail. Pure.

A bare run of digits is told by its check digits, where there are any; a telephone number has none and is told by its
length and shape. Digits may be spoken one by one ("um dois três …"), and stand in groups.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import pairwise
from re import Match
from typing import Literal, TypeAlias

from base.languages import digits as digit_words
from base.languages import fold, primary

Kind: TypeAlias = Literal["cpf", "cnpj", "card", "phone", "email", "iban", "dni", "nie", "ssn"]

KINDS: tuple[Kind, ...] = ("cpf", "cnpj", "card", "phone", "email", "iban", "dni", "nie", "ssn")

_TOKEN = re.compile(r"\w+", re.UNICODE)
_BETWEEN = re.compile(r"[\s.,/()+–-]{0,3}")
"""What may stand between two groups of one number."""
MIN_SPOKEN = 8
"""Fewer digits than this, spoken one by one, are an hour or a price."""


def is_cpf(digits: str) -> bool:
    """Eleven digits, the last two of which check the others (Receita Federal)."""
    if len(digits) != 11 or len(set(digits)) == 1:
        return False
    return all(_mod11(digits[:at], range(at + 1, 1, -1)) == int(digits[at]) for at in (9, 10))


def is_cnpj(written: str) -> bool:
    """Twelve digits or letters (letters since 2026) and two digits that check them (Receita Federal)."""
    if not re.fullmatch(r"[0-9A-Z]{12}[0-9]{2}", written) or len(set(written)) == 1:
        return False
    weights = (6, 5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2)
    return all(_mod11(written[:at], weights[-at:]) == int(written[at]) for at in (12, 13))


def _mod11(written: str, weights: "range | tuple[int, ...]") -> int:
    """A letter counts as its ASCII code less 48, so that a digit counts as itself."""
    rest = sum((ord(sign) - 48) * weight for sign, weight in zip(written, weights, strict=True)) % 11
    return 0 if rest < 2 else 11 - rest


def is_card(digits: str) -> bool:
    """Thirteen to nineteen digits that begin like a payment card's and pass Luhn's check (ISO/IEC 7812)."""
    if not 13 <= len(digits) <= 19 or digits[0] not in "23456" or len(set(digits)) == 1:
        return False
    doubled = (int(digit) * (2 if at % 2 else 1) for at, digit in enumerate(reversed(digits)))
    return sum(value - 9 if value > 9 else value for value in doubled) % 10 == 0


def is_iban(written: str) -> bool:
    """ISO 13616: two letters, two check digits, up to 30 more; the whole is 1 modulo 97."""
    if not re.fullmatch(r"[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}", written):
        return False
    return int("".join(str(int(sign, 36)) for sign in written[4:] + written[:4])) % 97 == 1


def is_dni(written: str) -> bool:
    """Spain's eight digits and the letter that checks them; of a foreigner (NIE) X, Y or Z stands for the first."""
    match = re.fullmatch(r"([XYZ]?)([0-9]{7,8})([A-Z])", written)
    if match is None or len(match[1]) + len(match[2]) != 8:
        return False
    number = int(str("XYZ".find(match[1])) + match[2] if match[1] else match[2])
    return "TRWAGMYFPDXBNJZSQVHLCKE"[number % 23] == match[3]


_EMAIL = re.compile(r"\b[\w.+-]+@[\w-]+(?:\.[\w-]+)+\b")
_SPOKEN_EMAIL = re.compile(
    r"\b[\w.+-]+ (?:arroba|at) [\w-]+(?: (?:ponto|punto|dot|\.) ?[\w-]+)+|\b[\w.+-]+ arroba [\w-]+(?:\.[\w-]+)+",
    re.IGNORECASE,
)
_IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?:[ ]?[A-Z0-9]{4}){2,7}(?:[ ]?[A-Z0-9]{1,4})?\b", re.IGNORECASE)
_CNPJ = re.compile(r"\b[0-9A-Z]{2}\.?[0-9A-Z]{3}\.?[0-9A-Z]{3}/?[0-9A-Z]{4}-?\d{2}\b", re.IGNORECASE)
_DNI = re.compile(r"\b(?:[XYZ][ -]?)?\d{1,2}[.]?\d{3}[.]?\d{3}[ -]?[A-Z]\b", re.IGNORECASE)
_SSN = re.compile(r"\b(?!000|666|9)\d{3}-(?!00)\d{2}-(?!0000)\d{4}\b")

# Recognition mistakes a digit now and then: what is written like one of these is one, whatever its check digits say.
_CPF_SHAPE = re.compile(r"\d{3}\.\d{3}\.\d{3}[-–. ]\d{2}")
_CNPJ_SHAPE = re.compile(r"\d{2}\.\d{3}\.\d{3}/\d{4}[-–. ]\d{2}")
_LOCAL_SHAPE = re.compile(r"(?:\d[ .])?\d{4,5}[-–. ]\d{4}")
_YEARS = re.compile(r"(?:19|20)\d\d\W(?:19|20)\d\d")

_WRITTEN: tuple[tuple[Kind, re.Pattern[str], Callable[[str], bool]], ...] = (
    ("email", _EMAIL, lambda _: True),
    ("email", _SPOKEN_EMAIL, lambda _: True),
    ("iban", _IBAN, is_iban),
    ("cnpj", _CNPJ, is_cnpj),
    ("nie", _DNI, lambda sign: sign[0].isalpha() and is_dni(sign)),
    ("dni", _DNI, is_dni),
    ("ssn", _SSN, lambda _: True),
)
"""What is found by its shape, with what checks its letters and digits."""


def kind_of(digits: str, written: str) -> Kind | None:
    """What a run of digits is: by its check digits, or by how it is written."""
    if is_cpf(digits) or _CPF_SHAPE.fullmatch(written):
        return "cpf"
    if is_cnpj(digits) or _CNPJ_SHAPE.fullmatch(written):
        return "cnpj"
    if is_card(digits):
        return "card"
    return "phone" if _is_phone(digits, written) else None


def _is_phone(digits: str, written: str) -> bool:
    if re.search("[/,]", written) or len(digits) > 15:
        return False
    if written.startswith("+") or len(digits) in (10, 11):
        return True
    if len(digits) in (12, 13):
        return digits.startswith(("55", "0"))
    spoken = not any(sign.isdigit() for sign in written)
    return len(digits) in (8, 9) and (
        spoken or (bool(_LOCAL_SHAPE.fullmatch(written)) and not _YEARS.fullmatch(written))
    )


def redacted(text: str, language: str, kinds: frozenset[str], marks: Mapping[str, str]) -> str:
    """The text with personal data of those kinds replaced by their marks."""
    for shape, pattern, holds in _WRITTEN:
        if shape in kinds:
            text = pattern.sub(partial(_mark, mark=marks[shape], holds=holds), text)
    parts, at = [], 0
    for start, end, digits in _runs(text, language):
        kind = kind_of(digits, text[start:end])
        if kind in kinds:
            parts += [text[at:start], marks[kind]]
            at = end
    return "".join([*parts, text[at:]])


def _mark(match: Match[str], mark: str, holds: Callable[[str], bool]) -> str:
    """The mark in place of the longest beginning that holds: a word behind a number may look like its last group."""
    groups = match[0].split(" ")
    for end in range(len(groups), 0, -1):
        if holds(re.sub(r"\W", "", "".join(groups[:end])).upper()):
            return " ".join([mark, *groups[end:]])
    return match[0]


def _runs(text: str, language: str) -> Iterator[tuple[int, int, str]]:
    """Where numbers stand, and their digits: groups of digits and spoken digits with little between them."""
    spoken = digit_words(language) if primary(language) in ("pt", "en", "es") else {}
    tokens = [(match, _digits(match[0], spoken)) for match in _TOKEN.finditer(text)]
    run: list[tuple[Match[str], str]] = []
    for before, token in pairwise([None, *tokens, None]):
        joins = before and token and token[1] and _BETWEEN.fullmatch(text, before[0].end(), token[0].start())
        if run and not joins:
            yield from _run(text, run)
            run = []
        if token and token[1]:
            run.append(token)


def _digits(token: str, spoken: Mapping[str, str]) -> str:
    return token if token.isascii() and token.isdigit() else spoken.get(fold(token), "")


def _run(text: str, run: list[tuple[Match[str], str]]) -> Iterator[tuple[int, int, str]]:
    digits = "".join(part for _, part in run)
    all_spoken = all(not match[0].isdigit() for match, _ in run)
    if len(digits) < MIN_SPOKEN or (all_spoken and len(run) < MIN_SPOKEN):
        return
    start = run[0][0].start()
    while start and text[start - 1] in "+(":
        start -= 1
    yield start, run[-1][0].end(), digits
