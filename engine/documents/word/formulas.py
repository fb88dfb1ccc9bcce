"""Formulas of a Word document put into its text as text, since mammoth passes over them.

The trap: the parts are rewritten, so what mammoth reads is this copy; it is made only when there are formulas.
"""

import io
import zipfile
from collections.abc import Callable, Mapping

from lxml import etree

from engine.documents.archives import Archive
from engine.documents.markup.mathml import grouped
from engine.documents.markup.xml_input import Element, children, local_name, parse_xml

_DEPTH_MAX = 40
_NOT_TEXT = frozenset({"rPr", "ctrlPr", "sSupPr", "sSubPr", "fPr", "radPr", "naryPr", "dPr"})


def with_formulas_as_text(archive: Archive) -> io.BytesIO | None:
    """A copy of a checked document with ``c^2`` where Word has a formula, None without formulas."""
    parts = {name: archive.read(name) for name in archive.names if name.endswith(".xml")}
    changed = {name: _rewritten(data) for name, data in parts.items() if b"oMath" in data}
    if not changed:
        return None
    copy = io.BytesIO()
    with zipfile.ZipFile(copy, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as target:
        for name in dict.fromkeys(archive.names):
            target.writestr(name, changed[name] if name in changed else archive.read(name))
    copy.seek(0)
    return copy


def _rewritten(data: bytes) -> bytes:
    root = parse_xml(data, "The Word document")
    for formula in list(root.iter("{*}oMath")):
        if next(formula.iterancestors("{*}oMath"), None) is None:
            _replace(formula)
    text: bytes = etree.tostring(root, encoding="utf-8", xml_declaration=True)
    return text


def _replace(formula: Element) -> None:
    parent = formula.getparent()
    words = next(filter(None, map(_word_namespace, formula.iterancestors())), None)
    if parent is None or words is None:
        return
    run = _run(words, f"${' '.join(_text(formula, 0).split())}$")
    run.tail = formula.tail
    if local_name(parent) != "oMathPara":
        parent.replace(formula, run)
    elif (above := parent.getparent()) is not None:
        # A formula of its own line; mammoth does not look into what holds it.
        above.insert(above.index(parent), run)
        parent.remove(formula)


def _run(words: str, text: str) -> Element:
    run = etree.Element(f"{{{words}}}r")
    etree.SubElement(run, f"{{{words}}}t").text = text
    return run


def _word_namespace(element: Element) -> str:
    """The namespace of Word in which this element is, transitional or strict; else empty."""
    namespace = str(element.tag).partition("}")[0].removeprefix("{")
    return namespace if "wordprocessingml" in namespace else ""


def _text(element: Element, depth: int) -> str:
    name = local_name(element)
    if name in _NOT_TEXT or not name:
        return ""
    if name == "t":
        return str(element.text or "")
    if depth > _DEPTH_MAX:
        return "".join(each.text or "" for each in element.iter("{*}t"))
    shape = _SHAPES.get(name)
    if shape is not None:
        return shape(lambda part: _part(element, part, depth + 1))
    return "".join(_text(each, depth + 1) for each in element)


def _part(element: Element, name: str, depth: int) -> str:
    return "".join(_text(each, depth) for each in children(element, name))


_SHAPES: Mapping[str, Callable[[Callable[[str], str]], str]] = {
    "sSup": lambda part: f"{part('e')}^{grouped(part('sup'))}",
    "sSub": lambda part: f"{part('e')}_{grouped(part('sub'))}",
    "sSubSup": lambda part: f"{part('e')}_{grouped(part('sub'))}^{grouped(part('sup'))}",
    "f": lambda part: f"{grouped(part('num'))}/{grouped(part('den'))}",
    "rad": lambda part: f"sqrt({part('e')})",
    "d": lambda part: f"({part('e')})",
}
