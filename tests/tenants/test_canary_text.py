"""The `canary` goes out of a text, and every other byte stays."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenants.canary_text import CanaryTextError, without_canary
from tenants.nodes import plain
from tenants.yaml_nodes import compose

TEXT = """\
# Acme, the tenant
slug: acme   # as in the files

# On some first.
{canary}
# Who answers.
assistants:
  - name: ana
    notes: |
      canary: no key of ours
"""


@pytest.mark.parametrize(
    "canary",
    [
        "canary: {share: 10}\n",
        "canary:\n  share: 10   # per cent\n\n# the sellers more\n  shares: {ana: 50}\n  # max_failed: 0.1\n",
        "canary:\n  shares:\n    ana: 5\n    bob: 0\n",
        "canary: {share: 10,\n  shares: {ana: 5\n  }\n }\n",
        "'canary':\n",
        "canary:\r\n  share: 10\r\n",
    ],
)
@pytest.mark.parametrize("last", [False, True])
def test_its_lines_go_and_the_comments_of_others_stay(canary: str, last: bool) -> None:
    where = ("", TEXT.format(canary="") + canary) if last else (canary, TEXT.format(canary=canary))
    assert without_canary(where[1].encode()).decode() == TEXT.format(canary="")


def test_it_may_be_the_first_key_of_all() -> None:
    assert without_canary(b"canary: {share: 5}\nslug: acme\n") == b"slug: acme\n"


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ('{"slug": "acme", "canary": {"share": 10}}', '{"slug": "acme"}'),
        ('{"slug": "acme",\n "canary": {}, "name": "x"}', '{"slug": "acme",\n "name": "x"}'),
        ('{"canary": {"share": 10}, "slug": "\\ud83d\\ude00"}', '{"slug": "\\ud83d\\ude00"}'),
        (
            '{\n\t"slug": "a, \U0001f600",\n\t"canary": {\n\t\t"share": 10\n\t}\n}\n',
            '{\n\t"slug": "a, \U0001f600"\n}\n',
        ),
        (
            '{\n  "slug": "acme",\n  "canary": {\n    "share": 10\n  },\n  "name": "x"\n}\n',
            '{\n  "slug": "acme",\n  "name": "x"\n}\n',
        ),
    ],
)
def test_json_stays_json_and_as_it_was_written(text: str, rest: str) -> None:
    assert without_canary(text.encode()).decode() == rest


def test_yaml_in_braces_of_one_line_is_its_authors_to_change() -> None:
    with pytest.raises(CanaryTextError, match="lines of its own"):
        without_canary(b"{slug: acme, canary: {share: 10}}")


def test_without_one_there_is_nothing_to_take_out() -> None:
    for text in (b"slug: acme\n", b"- canary\n", b"assistants:\n  canary: {}\n"):
        with pytest.raises(CanaryTextError, match="has no"):
            without_canary(text)


KEYS = st.lists(st.sampled_from(["slug", "name", "canary", "id", "domain"]), unique=True, min_size=1)
VALUES = st.sampled_from(
    [" 1", " {a: 1}", "\n  a: 1", "\n  a:\n    - 1\n    # c", " |\n  canary: 1\n", " [1,\n  2]", ""]
)
BETWEEN = st.sampled_from(["", "# said\n", "\n", "  # said\n", "\n# said\n\n"])


@given(KEYS, st.data())
def test_whatever_is_taken_out_the_rest_says_the_same_in_the_same_order(keys: list[str], data: st.DataObject) -> None:
    text = "".join(f"{data.draw(BETWEEN)}{key}:{data.draw(VALUES)}\n" for key in keys).encode()
    before = plain(compose(text))
    try:
        rest = without_canary(text)
    except CanaryTextError:
        assert "canary" not in keys or len(keys) == 1
        return
    after = plain(compose(rest))
    assert after == {key: value for key, value in before.items() if key != "canary"}
    assert list(after) == [key for key in keys if key != "canary"]
