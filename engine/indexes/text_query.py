"""A search text that was read becomes a tantivy query.

What says nothing (punctuation, stop words) is left out. A text in which nothing is sought, or which
only excludes, finds nothing. A word that analysis splits (``e-mail``, a Chinese word) is a phrase.

The traps: the words of the index are stems. A prefix or fuzzy word is folded but not stemmed, and
also finds what its stem finds, so ``running*`` finds "run", and ``run*`` finds "running", but
``runn*`` does not (in an index of language "none" it does). Such a word scores 1.0 for each column
that has it, however rare it is. Of three words or more with ``~`` tantivy misses some orders.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
import tantivy
from tantivy import Query

from engine.indexes.analyzers import PLAIN, analyze, open_analyzer, separate_words
from engine.indexes.search_text import CLAUSES_MAX, Group, Match, Occur, Term, terms, too_long

_TANTIVY_OCCUR = {
    Occur.SHOULD: tantivy.Occur.Should,
    Occur.MUST: tantivy.Occur.Must,
    Occur.MUST_NOT: tantivy.Occur.MustNot,
}


@dataclass(frozen=True, slots=True)
class Sought:
    """A term after analysis.

    Attributes:
        words: (place, stem) of each word, the first at place 0; stop words leave gaps. May be empty
            for a prefix or a fuzzy word.
        folded: the prefix or fuzzy word, not stemmed; empty for other terms.
        distance: as that of the term.
    """

    match: Match
    words: tuple[tuple[int, str], ...]
    folded: str = ""
    distance: int = 0


@dataclass(frozen=True, slots=True)
class SearchTarget:
    """What a query is built for.

    Attributes:
        fields: the tantivy field of each column of the index.
        columns: those that are searched when a term names none.
    """

    schema: tantivy.Schema
    fields: Mapping[str, str]
    columns: Sequence[str]
    language: str


def analyze_terms(tree: Group, language: str) -> dict[Term, Sought]:
    """Analyze the terms of a tree as the index analyzed its documents.

    Returns:
        What each term seeks; those that say nothing in this language (stop words) are absent.

    Raises:
        InvalidRequest: the terms have more than ``CLAUSES_MAX`` words together.
    """
    found = [term for term, _ in terms(tree)]
    separated = separate_words(pa.array([term.text for term in found], pa.large_string()))
    texts = {term: text or "" for term, text in zip(found, separated, strict=True)}
    if sum(len(texts[term].split()) for term in found) > CLAUSES_MAX:
        raise too_long(f"{CLAUSES_MAX:,} words")
    stemming, folding = open_analyzer(language), open_analyzer(PLAIN)
    sought: dict[Term, Sought] = {}
    for term, text in texts.items():
        tokens = list(analyze(stemming, text))
        words = tuple((token.position - tokens[0].position, token.text) for token in tokens)
        folded = list(analyze(folding, text))
        if term.match is not Match.TEXT and len(folded) == 1:
            sought[term] = Sought(term.match, words, folded[0].text, term.distance)
        elif words:
            slop = term.distance if term.match is Match.TEXT else 0
            sought[term] = Sought(Match.TEXT, words, distance=slop)
    return sought


def build_query(tree: Group, target: SearchTarget) -> Query | None:
    """Make the tantivy query of a tree.

    Returns:
        None if it finds nothing: nothing is sought, or the tree only excludes.

    Raises:
        InvalidRequest: the terms have more than ``CLAUSES_MAX`` words together.
    """
    sought = analyze_terms(tree, target.language)
    if not any(wanted and term in sought for term, wanted in terms(tree)):
        return None
    return _group_query(tree, target, sought)


def _group_query(group: Group, target: SearchTarget, sought: Mapping[Term, Sought]) -> Query | None:
    """Make the query of a group that says something; one that only excludes means all the rest."""
    clauses: list[tuple[tantivy.Occur, Query]] = []
    for clause in group.clauses:
        if isinstance(clause.part, Group):
            query = _group_query(clause.part, target, sought)
        else:
            query = _term_query(clause.part, target, sought.get(clause.part))
        if query is not None:
            clauses.append((_TANTIVY_OCCUR[clause.occur], query))
    if not clauses:
        return None
    if all(occur == tantivy.Occur.MustNot for occur, _ in clauses):
        clauses.append((tantivy.Occur.Must, Query.const_score_query(Query.all_query(), 0.0)))
    return _weighted(Query.boolean_query(clauses), group.weight)


def _term_query(term: Term, target: SearchTarget, sought: Sought | None) -> Query | None:
    if sought is None:
        return None
    columns = target.columns if term.column is None else (term.column,)
    queries = [_field_query(sought, target.schema, target.fields[column]) for column in columns]
    either = Query.boolean_query([(tantivy.Occur.Should, query) for query in queries])
    return _weighted(queries[0] if len(queries) == 1 else either, term.weight)


def _field_query(sought: Sought, schema: tantivy.Schema, field: str) -> Query:
    """Seek in one field. A prefix is sought as a fuzzy one without edits: no text is a pattern."""
    stem = sought.words[0][1] if sought.words else sought.folded
    match sought.match:
        case Match.PREFIX:
            begins = Query.fuzzy_term_query(schema, field, sought.folded, 0, prefix=True)
            same_stem = Query.term_query(schema, field, stem, "basic")
            either = (begins, Query.const_score_query(same_stem, 1.0))
            return Query.disjunction_max_query(either)
        case Match.FUZZY:
            near = dict.fromkeys((sought.folded, stem))
            return Query.disjunction_max_query(
                [Query.fuzzy_term_query(schema, field, word, sought.distance) for word in near]
            )
        case Match.TEXT if len(sought.words) > 1:
            return Query.phrase_query(schema, field, list(sought.words), sought.distance)
    return Query.term_query(schema, field, stem, "freq")


def _weighted(query: Query, weight: float) -> Query:
    return query if weight == 1.0 else Query.boost_query(query, weight)
