"""Words of a sentence, made comparable: folded, stemmed, cut into letter triples. Pure."""

from base.languages import fold


def words(text: str) -> list[str]:
    """Folded words and numbers, in order."""
    return fold(text).split()


def stem(word: str, suffixes: tuple[str, ...]) -> str:
    """The word less its first fitting suffix, if at least three letters stay.

    `suffixes` stand longest first. Light on purpose: it joins `atende` and `atendem`; what it does
    not join, the word vectors do.
    """
    for suffix in suffixes:
        if word.endswith(suffix) and len(word) - len(suffix) >= 3:
            return word[: -len(suffix)]
    return word


def undiminished(word: str, diminutives: tuple[str, ...]) -> str:
    """The word that a diminutive was made of, as far as its stem goes.

    `horariozinho` becomes `horario`, `pertinho` becomes `perto`. `diminutives` stand longest first; at least
    three letters stay.
    """
    for ending in diminutives:
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            whole = word[: -len(ending)]
            if ending.startswith("z"):
                return whole
            return f"{whole[:-2]}co" if whole.endswith("qu") else f"{whole}o"
    return word


def trigrams(word: str) -> frozenset[str]:
    """Letter triples of a word with its edges marked, for spellings that nearly agree."""
    marked = f"^{word}$"
    return frozenset(marked[i : i + 3] for i in range(len(marked) - 2))
