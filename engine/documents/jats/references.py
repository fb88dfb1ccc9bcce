"""The references of a JATS article, each on one line.

A ``mixed-citation`` has its punctuation and is kept as it stands; an ``element-citation`` has none, so its parts
are put in the usual order.
"""

import re

from engine.documents.jats.front import person_name
from engine.documents.markup.flow import Flow
from engine.documents.markup.markdown_blocks import listing, one_line
from engine.documents.markup.xml_input import Element, child, children, plain_text

_CITATIONS = ("mixed-citation", "element-citation", "nlm-citation", "citation")
_WITHOUT_PUNCTUATION = frozenset({"element-citation", "nlm-citation"})


def reference_list(flow: Flow, element: Element) -> list[str]:
    """A ``ref-list`` as blocks: its references in one numbered list, then lists inside of it."""
    found = [text for each in children(element, "ref") if (text := _reference(flow, each))]
    first = children(element, "ref")
    number = _number(first[0]) if first else 1
    return flow.spend([listing(found, first=number)]) if found else []


def _number(reference: Element) -> int:
    label = re.search(r"\d{1,6}", plain_text(child(reference, "label")))
    return int(label[0]) if label else 1


def _reference(flow: Flow, element: Element) -> str:
    holders = [element, *children(element, "citation-alternatives")]
    found = [each for holder in holders for each in children(holder, *_CITATIONS)]
    texts = [_citation(flow, each) for each in found]
    texts += [flow.line(each) for each in children(element, "note")]
    return "; ".join(text for text in texts if text)


def _citation(flow: Flow, element: Element) -> str:
    name = element.tag.rpartition("}")[2]
    structured = name in _WITHOUT_PUNCTUATION and not one_line(element.text or "")
    if structured and not any(one_line(each.tail or "") for each in element):
        return _composed(flow, element)
    label = flow.line(child(element, "label"))
    return flow.line(element).removeprefix(label).strip()


def _composed(flow: Flow, element: Element) -> str:
    parts = [
        _people(element),
        _in_parentheses(flow.line(child(element, "year"))),
        flow.line(child(element, "chapter-title")),
        flow.line(child(element, "article-title")) or flow.line(child(element, "part-title")),
        flow.line(child(element, "source")),
        _where(flow, element),
        flow.line(child(element, "publisher-name")),
        *(flow.line(each) for each in children(element, "comment", "ext-link", "uri")),
        *(_identifier(each) for each in children(element, "pub-id")),
    ]
    return ". ".join(part.rstrip(".") for part in parts if part) + "."


def _in_parentheses(text: str) -> str:
    return f"({text})" if text else ""


def _people(element: Element) -> str:
    groups = [element, *children(element, "person-group")]
    names = [
        person_name(each)
        for group in groups
        for each in children(group, "name", "string-name", "collab")
    ]
    others = any(child(group, "etal") is not None for group in groups)
    return ", ".join([*names, "et al"] if others else names)


def _where(flow: Flow, element: Element) -> str:
    volume, issue, first, last = (
        flow.line(child(element, part)) for part in ("volume", "issue", "fpage", "lpage")
    )
    pages = "-".join(part for part in (first, last) if part)
    pages = pages or flow.line(child(element, "elocation-id"))
    return ": ".join(part for part in (volume + _in_parentheses(issue), pages) if part)


def _identifier(element: Element) -> str:
    return f"{element.get('pub-id-type', '')}: {plain_text(element)}".lstrip(": ")
