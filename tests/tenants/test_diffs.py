"""What two texts differ in."""

import pytest

from tenants.diffs import MAX_LINES, TooLongError, unified


def test_a_difference_is_told_with_its_surroundings_and_equal_texts_have_none() -> None:
    former = b"slug: acme\nname: Acme\nlanguage: en\n"
    latter = former.replace(b"Acme", "Ação".encode())
    assert unified(former, former, "a", "b") == ""
    assert unified(former, latter, "revision 1", "revision 2") == (
        "--- revision 1\n+++ revision 2\n@@ -1,4 +1,4 @@\n slug: acme\n-name: Acme\n+name: Ação\n language: en\n \n"
    )


@pytest.mark.parametrize("latter", [b"slug: acme", b"slug: acme\r\n"])
def test_line_ends_are_differences_too(latter: bytes) -> None:
    assert unified(b"slug: acme\n", latter, "a", "b") != ""


def test_a_text_that_would_take_for_ever_is_refused() -> None:
    assert unified(b"", b"\n" * (MAX_LINES - 1), "a", "b").count("\n") > MAX_LINES
    for pair in ((b"", b"\n" * MAX_LINES), (b"\n" * MAX_LINES, b"")):
        with pytest.raises(TooLongError) as told:
            unified(*pair, "a", "b")
        assert told.value.lines == MAX_LINES + 1
