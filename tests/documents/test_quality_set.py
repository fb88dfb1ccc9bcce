"""The labelled set is what it says: enough of everything, no dangling label, nothing twice."""

import re
from collections import Counter
from difflib import get_close_matches
from statistics import fmean

from tests.documents.quality_set import KINDS, Question, load

DOCUMENTS, QUESTIONS = load()


def words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def test_there_are_enough_documents_and_questions_of_each_kind() -> None:
    assert len(DOCUMENTS) >= 60
    assert len(QUESTIONS) >= 60
    kinds = Counter(question.kind for question in QUESTIONS)
    assert set(kinds) == set(KINDS)
    assert min(kinds.values()) >= len(QUESTIONS) / 4


def test_documents_are_short_and_have_headings() -> None:
    for text in DOCUMENTS.values():
        assert 100 <= len(text.split()) <= 250
        assert text.startswith("# ")
        assert "\n## " in text


def test_every_label_is_a_document() -> None:
    for question in QUESTIONS:
        assert question.relevant
        assert set(question.relevant) <= DOCUMENTS.keys()
        assert len(set(question.relevant)) == len(question.relevant)


def test_nothing_is_there_twice() -> None:
    assert len({question.query.lower() for question in QUESTIONS}) == len(QUESTIONS)
    assert len(set(DOCUMENTS.values())) == len(DOCUMENTS)
    titles = [text.split("\n")[0] for text in DOCUMENTS.values()]
    assert len(set(titles)) == len(titles)


def test_questions_by_keyword_have_the_words_and_paraphrases_have_others() -> None:
    shares: dict[str, list[float]] = {kind: [] for kind in KINDS}
    for question in QUESTIONS:
        asked, answer = asked_and_answer(question)
        shares[question.kind].append(len(asked & answer) / len(asked))
    assert min(shares["keyword"]) >= 0.6
    assert fmean(shares["keyword"]) > 0.9
    assert fmean(shares["paraphrase"]) < 0.5


def test_typos_are_near_a_word_of_the_answer() -> None:
    for question in QUESTIONS:
        if question.kind == "typo":
            asked, answer = asked_and_answer(question)
            slips = [word for word in asked - answer if get_close_matches(word, answer, 1, 0.75)]
            assert slips, question.query


def asked_and_answer(question: Question) -> tuple[set[str], set[str]]:
    answer = {word for stem in question.relevant for word in words(DOCUMENTS[stem])}
    return {word for word in words(question.query) if len(word) > 3}, answer
