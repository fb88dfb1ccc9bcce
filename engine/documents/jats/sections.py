"""Sections, lists and other blocks of text of a JATS article.

Sections become headings by how deep they are, whatever their labels say.
"""

from collections.abc import Mapping

from engine.documents.jats.flow import JatsFlow
from engine.documents.jats.references import reference_list
from engine.documents.markup.flow import BlockReader, transparent
from engine.documents.markup.markdown_blocks import (
    captioned,
    fenced,
    heading,
    join_blocks,
    joined_item,
    listing,
    marked,
    one_line,
    quoted,
)
from engine.documents.markup.xml_input import Element, child, children, local_name

_TITLES = {
    "abstract": "Abstract",
    "trans-abstract": "Abstract",
    "ack": "Acknowledgements",
    "ref-list": "References",
    "fn-group": "Notes",
    "glossary": "Glossary",
}
_NUMBERED = frozenset({"order", "roman-lower", "roman-upper", "alpha-lower", "alpha-upper"})


def _section(flow: JatsFlow, element: Element) -> list[str]:
    title = flow.line(child(element, "title"))
    label = flow.label(element)
    if label and not title.startswith(label):
        title = f"{label} {title}".strip()
    title = title or _TITLES.get(local_name(element), "")
    if not title:
        return flow.blocks(element, without=("label", "title"))
    return flow.titled(title, element, "label")


def _references(flow: JatsFlow, element: Element) -> list[str]:
    nested = local_name(element.getparent()) == "ref-list"
    title = flow.line(child(element, "title")) or ("" if nested else _TITLES["ref-list"])
    flow.level += 1
    found = [heading(title, flow.level)]
    found += flow.blocks(element, without=("title", "label", "ref", "ref-list"))
    found += reference_list(flow, element)
    for each in children(element, "ref-list"):
        found += flow.block(each)
    flow.level -= 1
    return found


def _list(flow: JatsFlow, element: Element) -> list[str]:
    read = [each for each in flow.items(element) if local_name(each) not in {"title", "label"}]
    items = [_item(flow, each) for each in read]
    first = 1 if element.get("list-type") in _NUMBERED else None
    title = flow.line(child(element, "title"))
    return flow.spend([marked(title, "**"), listing(items, first=first)])


def _item(flow: JatsFlow, element: Element) -> str:
    label = flow.label(element)
    blocks = flow.blocks(element, without=("label",))
    return f"{label} {joined_item(blocks)}" if any(map(str.isalnum, label)) else joined_item(blocks)


def _definitions(flow: JatsFlow, element: Element) -> list[str]:
    items = []
    for each in children(element, "def-item"):
        term = marked(flow.line(child(each, "term")), "**")
        meaning = joined_item(flow.blocks(each, without=("term", "label")))
        items.append(f"{term}: {meaning}")
    title = flow.line(child(element, "title"))
    return flow.spend([marked(title, "**"), listing(items, first=None)])


def _caption_title(flow: JatsFlow, element: Element) -> list[str]:
    title = flow.line(element)
    return [title if title.endswith((".", "?", "!", ":")) else f"{title}."] if title else []


def _box(flow: JatsFlow, element: Element) -> list[str]:
    label = flow.label(element)
    title = flow.line(child(element, "title"))
    name = marked(captioned(label, one_line(f"{title} {flow.caption(element)}")), "**")
    return [name, *flow.blocks(element, without=("label", "title", "caption"))]


def _quotation(flow: JatsFlow, element: Element) -> list[str]:
    return flow.spend([quoted(join_blocks(flow.blocks(element)))])


def _code(_flow: JatsFlow, element: Element) -> list[str]:
    return [fenced("".join(element.itertext(tag="*")))]


def _note(flow: JatsFlow, element: Element) -> list[str]:
    label = flow.label(element)
    text = joined_item(flow.blocks(element, without=("label",)))
    return [f"{label} {text}".strip()] if text else []


def _notes(flow: JatsFlow, element: Element) -> list[str]:
    """The notes of a group or below a table, a paragraph each."""
    found = flow.blocks(element, without=("fn", "title", "label"))
    for each in children(element, "fn"):
        found += _note(flow, each)
    return found


def _note_section(flow: JatsFlow, element: Element) -> list[str]:
    flow.level += 1
    title = flow.line(child(element, "title")) or _TITLES["fn-group"]
    found = [heading(title, flow.level), *_notes(flow, element)]
    flow.level -= 1
    return found


SECTION_READERS: Mapping[str, BlockReader] = {
    **dict.fromkeys(
        ("sec", "abstract", "trans-abstract", "ack", "app", "notes", "bio", "glossary"), _section
    ),
    **dict.fromkeys(
        ("p", "verse-line", "attrib", "body", "back", "app-group", "floats-group"), transparent
    ),
    **dict.fromkeys(("disp-quote", "verse-group"), _quotation),
    **dict.fromkeys(("boxed-text", "statement", "supplementary-material", "media"), _box),
    **dict.fromkeys(("code", "preformat"), _code),
    "ref-list": _references,
    "list": _list,
    "def-list": _definitions,
    "title": _caption_title,
    "fn-group": _note_section,
    "table-wrap-foot": _notes,
}
