"""The keyword arm: which words of a question does a passage take up, and how much of its own question is asked?

A word of the caller is matched with each word of a tenant's passages, best match counts:

- the same word or stem: 1
- another word for the same thing (`knowledge.lexicons`): 0.9
- nearly the same spelling, as recognition writes names: 0.85
- a word near it in meaning, by the embedder's vectors of single words: up to 0.8
- otherwise 0: a word that no passage knows stays uncovered, and tells that the documents do not answer.

Words weigh by how rare they are in the tenant's passages (the inverse document frequency of BM25,
Robertson and Zaragoza 2009, section 3). Of the words that no passage has, those
with a concept are things that callers ask about and the documents do not speak of: they are `foreign`,
count more, and against every answer. Callers tell a story first ("surgiu uma viagem, dá pra mudar o dia?"):
what no passage has counts less outside the clause that asks, which is the last one.
"""

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import numpy.typing as npt
from msgspec import Struct

from knowledge.embedder import Embedder, Vectors
from knowledge.lexicons import MANNER, Lexicon, Token
from knowledge.passages import Passage
from knowledge.text import trigrams, words

Scores = npt.NDArray[np.float32]
"""One number per passage, or a row of them per word."""

SAME_CONCEPT = 0.9
NEAR_SPELLING = 0.85
NEAR_MEANING = 0.8
MEANING_FROM, MEANING_TO = 0.45, 0.85
"""Likeness of two words' vectors that counts as nothing, and as much as meaning alone can count.
Measured with USE: unrelated pairs reach 0.45 (`piscina`/`estacionamento`), true ones start at about 0.6."""
SPELLING_DICE = 0.7
MIN_FUZZY_LETTERS = 5

FOREIGN_WEIGHT = 1.25
STORY_WEIGHT = 0.6
_CLAUSE = re.compile(r"[,.;:?!¿¡]+")


class Coverage(Struct, frozen=True):
    """How a caller's words and each passage take up each other."""

    covered: Scores
    """Share of the caller's words that the passage covers, 0 to 1."""
    asked: Scores
    """Share of the passage's own question that was asked, 0 to 1."""
    matched: Scores
    """Weight of the words covered: many words covered tell more than one."""
    missed: Scores
    """Weight of the words of the clause that asks which the passage does not cover."""
    foreign: float = 0.0
    """Weight of the things asked about of which no passage speaks."""


class _Heard(Struct, frozen=True):
    """A caller's word."""

    token: Token
    weight: float
    asks: bool
    """Whether it stands in the clause that asks."""


class KeywordIndex:
    """All words of one tenant's passages. Immutable; safe to use from any thread."""

    def __init__(self, passages: Sequence[Passage], lexicon: Lexicon, embedder: Embedder) -> None:
        self._lexicon = lexicon
        self._embedder = embedder
        self._vocabulary: dict[str, int] = {}
        self._tokens: list[Token] = []
        asking = [lexicon.tokens(passage.question or passage.heading) for passage in passages]
        telling = [lexicon.tokens(passage.text) for passage in passages]
        self._asking = self._segments(asking)
        self._all = self._segments(question + text for question, text in zip(asking, telling, strict=True))
        self._frequency = self._counted(asking, telling)
        self._passages = len(passages)
        self._weights = np.array([self._weight(token) for token in self._tokens], dtype=np.float32)
        self._vectors = embedder.encode([token.surface for token in self._tokens])
        self._by_stem, self._by_concept, self._by_trigram = self._postings()

    def coverage(self, query: str) -> Coverage:
        """How `query` and each passage take up each other's words; all zero when it has no word that matters."""
        heard = list(self._heard(query))
        if not heard or not self._passages:
            nothing = np.zeros(self._passages, dtype=np.float32)
            return Coverage(nothing, nothing, nothing, nothing)
        tokens = [word.token for word in heard]
        weights = np.array([word.weight for word in heard], dtype=np.float32)
        asking = np.array([word.weight if word.asks else 0.0 for word in heard], dtype=np.float32)
        matches = self._matches(tokens, self._embedder.encode([token.surface for token in tokens]))
        ids, starts = self._all
        best = np.maximum.reduceat(matches[:, ids], starts, axis=1)
        matched = weights @ best
        missed = asking.sum() - asking @ best
        foreign = sum(word.weight for word in heard if self._is_foreign(word.token))
        return Coverage(matched / weights.sum(), self._asked(matches), matched, missed, foreign)

    def _heard(self, query: str) -> Iterator[_Heard]:
        """The words that matter; a clause that asks nothing by itself asks what came before."""
        clauses = [self._lexicon.tokens(self._joined(clause)) for clause in _CLAUSE.split(query) if clause.strip()]
        story = len(clauses) - 1 if clauses and clauses[-1] else 0
        for at, tokens in enumerate(clauses):
            for token in tokens:
                weight = self._weight(token)
                light = at < story and not self._seen(token)
                yield _Heard(token, weight * STORY_WEIGHT if light else weight, at == len(clauses) - 1)

    def _asked(self, matches: Scores) -> Scores:
        ids, starts = self._asking
        weights = np.append(self._weights, 0.0)[ids]
        total = np.add.reduceat(weights, starts)
        heard = np.add.reduceat(weights * matches.max(axis=0)[ids], starts)
        return np.divide(heard, total, out=np.zeros_like(total), where=total > 0).astype(np.float32)

    def _matches(self, tokens: Sequence[Token], vectors: Vectors) -> Scores:
        """[tokens, vocabulary + 1]; the last column is a word that matches nothing."""
        near = np.clip((vectors @ self._vectors.T - MEANING_FROM) / (MEANING_TO - MEANING_FROM), 0, 1) * NEAR_MEANING
        matches = np.zeros((len(tokens), len(self._tokens) + 1), dtype=np.float32)
        matches[:, :-1] = near
        for row, token in zip(matches, tokens, strict=True):
            if token.surface.isdigit():
                row[:] = 0.0
            for at, value in self._lexical(token):
                row[at] = max(row[at], value)
        return matches

    def _lexical(self, token: Token) -> Iterable[tuple[int, float]]:
        same = self._by_stem.get(token.stem or token.surface, ())
        yield from ((at, 1.0) for at in same)
        yield from ((at, SAME_CONCEPT) for concept in token.concepts for at in self._by_concept.get(concept, ()))
        if not same and len(token.stem) >= MIN_FUZZY_LETTERS:
            yield from ((at, NEAR_SPELLING) for at in self._alike(token.surface))

    def _alike(self, word: str) -> list[int]:
        """Words whose letter triples agree by Dice's coefficient."""
        triples = trigrams(word)
        shared = Counter(at for triple in triples for at in self._by_trigram.get(triple, ()))
        sizes = ((at, count, len(trigrams(self._tokens[at].surface))) for at, count in shared.items())
        return [at for at, count, size in sizes if 2 * count / (len(triples) + size) >= SPELLING_DICE]

    def _joined(self, query: str) -> str:
        """Two words written apart that a passage writes as one (`odonto prev`) become that one."""
        spoken = words(query)
        kept: list[str] = []
        for word in spoken:
            if kept and kept[-1] + word in self._vocabulary:
                kept[-1] += word
            else:
                kept.append(word)
        return " ".join(kept)

    def _weight(self, token: Token) -> float:
        seen = self._seen(token)
        weight = math.log(1 + (self._passages - seen + 0.5) / (seen + 0.5))
        return weight * FOREIGN_WEIGHT if self._is_foreign(token) else weight

    def _is_foreign(self, token: Token) -> bool:
        return bool(token.concepts - MANNER) and not self._seen(token)

    def _seen(self, token: Token) -> int:
        """In how many passages there is such a word, or another word for the same thing."""
        return max(self._frequency[key] for key in _keys(token))

    def _segments(self, passages: Iterable[list[Token]]) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
        """Vocabulary ids of all passages in one row, and where each begins; -1 keeps an empty one in place."""
        ids: list[int] = []
        starts: list[int] = []
        for tokens in passages:
            starts.append(len(ids))
            ids.append(-1)
            ids.extend(self._id(token) for token in tokens)
        return np.array(ids, dtype=np.intp), np.array(starts, dtype=np.intp)

    def _id(self, token: Token) -> int:
        at = self._vocabulary.setdefault(token.surface, len(self._tokens))
        if at == len(self._tokens):
            self._tokens.append(token)
        return at

    def _counted(self, asking: list[list[Token]], telling: list[list[Token]]) -> Counter[str]:
        """In how many passages each stem and concept occurs."""
        found: Counter[str] = Counter()
        for question, text in zip(asking, telling, strict=True):
            found.update({key for token in question + text for key in _keys(token)})
        return found

    def _postings(self) -> tuple[dict[str, list[int]], dict[str, list[int]], dict[str, list[int]]]:
        stems, concepts, triples = defaultdict(list), defaultdict(list), defaultdict(list)
        for at, token in enumerate(self._tokens):
            stems[token.stem or token.surface].append(at)
            for concept in token.concepts:
                concepts[concept].append(at)
            if len(token.stem) >= MIN_FUZZY_LETTERS:
                for triple in trigrams(token.surface):
                    triples[triple].append(at)
        return dict(stems), dict(concepts), dict(triples)


def _keys(token: Token) -> list[str]:
    """What a token is counted by; `#` keeps concepts apart from stems."""
    return [token.stem or token.surface, *(f"#{concept}" for concept in token.concepts)]
