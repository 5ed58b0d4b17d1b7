"""What stands in a column, in both dialects of FusionPBX."""

import pytest

from tenants.fusionpbx import facts


@pytest.mark.parametrize("written", ["true", "t", "1", " True "])
def test_what_is_true_in_either_dialect(written: str) -> None:
    assert facts.truth(written)


@pytest.mark.parametrize("written", ["false", "f", "0", "x"])
def test_what_is_false_in_either_dialect(written: str) -> None:
    assert not facts.truth(written)
    assert not facts.truth(written, empty=True)


def test_what_is_empty_means_what_its_column_says() -> None:
    assert facts.truth("", empty=True)
    assert facts.truth(" ", empty=True)
    assert not facts.truth("")


def test_text_is_cleaned_of_what_no_document_may_hold() -> None:
    assert facts.cleaned(None) == ""
    assert facts.cleaned(" \ufeffa\x00b\x1b\r\nc\t \rd\u2028e \n") == "a b\nc\nd e"
    assert facts.line("a\nb\u2029 c", 4) == "a b"
    assert [facts.slug(one, "x") for one in ("São José", "10", "", "日本", "-a-")] == [
        "sao-jose",
        "x-10",
        "x",
        "x",
        "a",
    ]
