"""What runs along in the lines of a JATS article: marks, cross references, notes, names."""

from collections.abc import Mapping

from engine.documents.jats.flow import JatsFlow
from engine.documents.jats.front import person_name
from engine.documents.markup.flow import LineReader, line_break, marks
from engine.documents.markup.markdown_blocks import lowered, one_line, raised
from engine.documents.markup.xml_input import Element, attribute, local_name, plain_text


def _inline_note(flow: JatsFlow, element: Element) -> str:
    """A note where it is referred to: its text goes to the end of the document."""
    text = one_line(" ".join(flow.blocks(element, without=("label",))))
    if not text:
        return ""
    flow.notes.append(text)
    return f"[^{len(flow.notes)}]"


def _superscript(flow: JatsFlow, element: Element) -> str:
    text = flow.running(element)
    cited = any(each.get("ref-type") == "bibr" for each in element.iter("{*}xref"))
    return f"[{one_line(text).strip('[]')}]" if cited else raised(text)


def _reference_mark(flow: JatsFlow, element: Element) -> str:
    return flow.running(element) or attribute(element, "rid")


def _link(flow: JatsFlow, element: Element) -> str:
    return flow.running(element) or attribute(element, "href")


def _name(_flow: JatsFlow, element: Element) -> str:
    if local_name(element) == "string-name" and _has_own_text(element):
        return " ".join("".join(element.itertext(tag="*")).split())
    parts = [plain_text(each) for each in element]
    return " ".join(part for part in parts if part) or person_name(element)


def _has_own_text(element: Element) -> bool:
    return any((text or "").strip() for text in (element.text, *(each.tail for each in element)))


def _subscript(flow: JatsFlow, element: Element) -> str:
    return lowered(flow.running(element))


LINE_READERS: Mapping[str, LineReader] = {
    "bold": marks("**"),
    "italic": marks("*"),
    "monospace": marks("`"),
    "strike": marks("~~"),
    "sup": _superscript,
    "sub": _subscript,
    "break": line_break,
    "fn": _inline_note,
    "xref": _reference_mark,
    **dict.fromkeys(("ext-link", "uri", "self-uri"), _link),
    **dict.fromkeys(("name", "string-name"), _name),
}
