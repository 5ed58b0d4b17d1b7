"""Where YAML bites: each is refused, or read as it is written; nothing is changed in silence."""

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from processors.catalog import AnyFactory
from tenants.document import TenantDocument, parse_document
from tenants.errors import DocumentError, Located
from tests.tenants.test_document import BODY, HEAD
from tests.tenants.test_references import FULL, PROVIDERS, SERVER

Stages = Mapping[str, AnyFactory]
GOOD = HEAD + BODY


def fault(raw: bytes, stages: Stages) -> str:
    with pytest.raises(DocumentError) as caught:
        parse_document(raw, "acme.yaml", stages)
    return str(caught.value.problems[0])


READ = {
    "truths of YAML 1.1": ("name: Acme", "name: no", "no"),
    "upper case": ("name: Acme", "name: ON", "ON"),
    "a truth": ("name: Acme", "name: True", "True"),
    "octal": ("name: Acme", "name: 0123", "0123"),
    "octal of 1.2": ("name: Acme", "name: 0o17", "0o17"),
    "hexadecimal": ("name: Acme", "name: 0x1F", "0x1F"),
    "sexagesimal": ("name: Acme", "name: 1:30", "1:30"),
    "underscores": ("name: Acme", "name: 1_000", "1_000"),
    "a date": ("name: Acme", "name: 2026-11-25", "2026-11-25"),
    "a time": ("name: Acme", "name: 2026-11-25t01:02:03z", "2026-11-25t01:02:03z"),
    "a float": ("name: Acme", "name: 1.10", "1.10"),
    "an exponent": ("name: Acme", "name: 12e03", "12e03"),
    "infinity": ("name: Acme", "name: .inf", ".inf"),
    "not a number": ("name: Acme", "name: .NaN", ".NaN"),
    "a plus": ("name: Acme", "name: +1", "+1"),
    "quoted nothing": ("name: Acme", "name: 'null'", "null"),
    "an equals sign": ("name: Acme", "name: =", "="),
    "a merge key's sign": ("name: Acme", "name: <<", "<<"),
    "a variable": ("name: Acme", "name: ${HOME}", "${HOME}"),
    "a command": ("name: Acme", "name: $(id)", "$(id)"),
    "a hash": ("name: Acme", "name: a#b", "a#b"),
    "a folded text": ("name: Acme", "name: >-\n  two\n  words", "two words"),
    "carriage returns": ("name: Acme\n", "name: Acme\r\n", "Acme"),
}


@pytest.mark.parametrize(("written", "instead", "name"), READ.values(), ids=READ)
def test_text_is_read_as_it_is_written(written: str, instead: str, name: str, stages: Stages) -> None:
    assert parse_document(GOOD.replace(written, instead).encode(), "acme.yaml", stages).spec.name == name


def test_numbers_are_not_made_of_what_is_none(stages: Stages) -> None:
    limits = "    limits: {max_turns: VALUE}\n"
    for value in ("0123", "1_000", "1:30", "0x1F", "+5", "5.0", "'5'", ".5", "1e1", "yes", "null"):
        told = fault((GOOD + limits.replace("VALUE", value)).encode(), stages)
        assert "$.assistants[0].limits.max_turns: expected a whole number from 1 to 1000" in told, value
    assert parse_document((GOOD + limits.replace("VALUE", "5")).encode(), "a", stages).spec.assistants[0]


REFUSED = {
    "a merge key": (b"name: Acme\n", b"name: Acme\n<<: {language: en}\n", "merge keys are not allowed"),
    "twice": (b"name: Acme\n", b"name: Acme\n'name': Other\n", "'name' is set twice"),
    "twice, inside": (b"numbers: [1000]", b"numbers: [1000]\n    limits: {max_turns: 1, max_turns: 2}", "set twice"),
    "an anchor": (b"name: Acme", b"name: &x Acme", "the anchor &x"),
    "an alias": (b"name: Acme", b"name: *x", "the alias *x"),
    "a bomb": (b"name: Acme", b"name: &a [&b [*a, *a], *b]", "the anchor &a"),
    "a tag": (b"name: Acme", b"name: !!str Acme", "the tag"),
    "an object": (b"name: Acme", b"name: !!python/object/apply:os.system [id]", "the tag"),
    "binary": (b"name: Acme", b"name: !!binary QWNtZQ==", "the tag"),
    "a tag of its own": (b"name: Acme", b"name: !env HOME", "the tag"),
    "a second document": (b"name: Acme\n", b"name: Acme\n---\nname: Other\n", "a second document"),
    "a complex key": (b"name: Acme\n", b"name: Acme\n? [a, b]\n: c\n", "a key must be a plain name"),
    "a tab": (b"  - name: ana", b"\t- name: ana", "cannot start any token"),
    "a bell": (b"name: Acme", b"name: A\x07", "a character that YAML does not allow"),
    "NUL": (b"name: Acme", b"name: A\x00cme", "a character that YAML does not allow"),
    "Latin-1": (b"name: Acme", b"name: Cl\xednica", "this is not UTF-8"),
    "half a letter": (b"name: Acme", b"name: Acme\xc3", "this is not UTF-8"),
    "a surrogate": (b"name: Acme", b"name: \xed\xa0\x80", "this is not UTF-8"),
    "an escaped surrogate": (b"name: Acme", b'name: "\\ud800"', "Unicode"),
    "an escaped NUL": (b"name: Acme", b'name: "a\\0b"', "expected a name of 1 to 100 characters"),
    "depth": (b"name: Acme", b"name: " + b"[" * 17 + b"]" * 17, "nested more than 16 deep"),
    "great depth": (b"name: Acme", b"name: " + b"[" * 60_000, "nested more than 16 deep"),
    "size": (b"name: Acme", b"name: Acme\n#" + b"x" * 262_144, "262144 are the most"),
    "nothing": (b"name: Acme", b"name:", "not null"),
    "a colon": (b"name: Acme", b"name: a: b", "mapping values are not allowed"),
}


@pytest.mark.parametrize(("written", "instead", "told"), REFUSED.values(), ids=REFUSED)
def test_what_could_be_read_in_two_ways_is_refused_at_its_place(
    written: bytes, instead: bytes, told: str, stages: Stages
) -> None:
    raw = GOOD.encode().replace(written, instead, 1)
    assert raw != GOOD.encode()
    assert told in fault(raw, stages)


def test_encodings(stages: Stages) -> None:
    plain = parse_document(GOOD.encode(), "acme.yaml", stages).spec
    assert parse_document(b"\xef\xbb\xbf" + GOOD.encode(), "acme.yaml", stages).spec == plain, "a mark of UTF-8"
    for encoding in ("utf-16", "utf-16-le", "utf-16-be", "utf-32"):
        assert "$: " in fault(GOOD.encode(encoding), stages), encoding
    assert "not UTF-8" in fault(GOOD.encode("utf-16"), stages)
    assert "the document is empty" in fault(b"", stages)
    assert "expected a mapping" in fault(b"- a\n", stages)


PIECES = st.one_of(
    st.sampled_from(
        [*(HEAD + BODY + FULL).encode().splitlines(keepends=True), b"  ", b"\t", b"- ", b"{", b"}", b"[", b"]", b": ",
         b"&a ", b"*a", b"!!x ", b"|\n", b"'", b'"', b"---\n", b"%YAML 1.1\n", b"\xff", b"\0", b"\xef\xbb\xbf", b"<<: "]
    ),
    st.binary(max_size=12),
)  # fmt: skip


def refusal(raw: bytes, stages: Stages) -> tuple[Located, ...] | None:
    """The problems, or None for a document."""
    try:
        assert isinstance(parse_document(raw, "f", stages, server=SERVER), TenantDocument)
    except DocumentError as error:
        return error.problems
    return None


@pytest.mark.no_cover
@settings(max_examples=400)
@given(raw=st.one_of(st.binary(max_size=200), st.lists(PIECES, max_size=40).map(b"".join)))
@example(raw=b"%YAML 1.1\n---\n" + GOOD.encode())
@example(raw=GOOD.encode() + b"...\n")
def test_no_bytes_make_anything_but_a_refusal_or_a_document(raw: bytes, stages: Stages) -> None:
    problems = refusal(raw, stages)
    assert problems is None or problems
    for problem in problems or ():
        assert problem.line >= 1
        assert problem.column >= 1
        assert problem.path
        assert str(problem).encode(), "it can be printed"


VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 3000), st.floats(allow_nan=False), st.text(max_size=6),
    st.just([]), st.just({}), st.just([[1]]), st.just({"endpoint": "gpu"}), st.just({"secret": 5}),
)  # fmt: skip


PIPELINE, OF_PROVIDERS = PROVIDERS.split("providers:")
WHOLE = (HEAD + BODY + PIPELINE + FULL + "providers:" + OF_PROVIDERS).replace("08:00", "'08:00'")
LOADED: Any = yaml.safe_load(WHOLE)


@pytest.mark.no_cover
@settings(max_examples=300)
@given(data=st.data())
def test_no_value_in_any_place_makes_anything_but_a_refusal_or_a_document(data: st.DataObject, stages: Stages) -> None:
    document = deepcopy(LOADED)
    for _ in range(data.draw(st.integers(1, 3))):
        place: Any = document
        while place:
            key = data.draw(st.sampled_from(list(place) if isinstance(place, dict) else list(range(len(place)))))
            if not isinstance(place[key], dict | list) or data.draw(st.booleans()):
                place[key] = deepcopy(data.draw(VALUES))
                break
            place = place[key]
    raw = yaml.dump(document, Dumper=yaml.CSafeDumper, allow_unicode=True).encode()
    assert all(str(problem).encode() for problem in refusal(raw, stages) or ())
