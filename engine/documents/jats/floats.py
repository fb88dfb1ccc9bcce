"""Figures, tables and formulas of a JATS article.

What an article says twice, such as the alternatives of a formula, is read once.
"""

from collections.abc import Mapping

from engine.documents.jats.flow import JatsFlow
from engine.documents.markup.flow import BlockReader, LineReader, transparent
from engine.documents.markup.markdown_blocks import captioned, marked, one_line
from engine.documents.markup.markdown_tables import Cell, markdown_table, span
from engine.documents.markup.mathml import latex_body, math_text
from engine.documents.markup.xml_input import Element, attribute, child, children, local_name


def _figure(flow: JatsFlow, element: Element) -> list[str]:
    label = flow.label(element)
    caption = flow.caption(element)
    pictures = _graphics(element)
    names = [flow.figure(attribute(each, "href"), label, caption) for each in pictures[:1]]
    names += [flow.figure(attribute(each, "href"), label, "") for each in pictures[1:]]
    known = ("label", "caption", "graphic", "alternatives", "media")
    rest = flow.blocks(element, without=known)
    if not names:
        names = [marked(captioned(label, caption), "**")]
    return [*names, *rest]


def _graphics(element: Element) -> list[Element]:
    found = children(element, "graphic", "inline-graphic")
    for each in children(element, "alternatives"):
        found += children(each, "graphic", "inline-graphic")[:1]
    return [each for each in found if attribute(each, "href")]


def _graphic(flow: JatsFlow, element: Element) -> list[str]:
    return [_inline_graphic(flow, element)]


def _inline_graphic(flow: JatsFlow, element: Element) -> str:
    href = attribute(element, "href")
    label = flow.label(element)
    return flow.figure(href, label, flow.caption(element)) if href else ""


def _table_wrap(flow: JatsFlow, element: Element) -> list[str]:
    label, caption = flow.label(element), flow.caption(element)
    if label and caption and label[-1] not in ".:":
        label += "."
    found = [f"{marked(label, '**')} {caption}".strip()]
    found += flow.blocks(element, without=("label", "caption", "graphic", "object-id"))
    if not any(each.startswith("|") for each in found):
        # A table that was only photographed.
        pictures = children(element, "graphic")
        found += [
            flow.figure(attribute(each, "href"), flow.label(element), "") for each in pictures
        ]
    return found


def _table(flow: JatsFlow, element: Element) -> list[str]:
    rows = [[_cell(flow, each) for each in flow.items(row)] for row in _rows(element)]
    return flow.spend([markdown_table(rows)])


def _rows(table: Element) -> list[Element]:
    """The rows of a table, not of the tables in it; the foot stands last, wherever it is."""
    found, foot = children(table, "tr", "row"), list[Element]()
    for group in children(table, "thead", "tbody", "tfoot", "tgroup"):
        (foot if local_name(group) == "tfoot" else found).extend(_rows(group))
    return found + foot


def _cell(flow: JatsFlow, element: Element) -> Cell:
    more_rows = attribute(element, "morerows")
    rows = span(more_rows) + 1 if more_rows.strip("0") else span(attribute(element, "rowspan"))
    return Cell(flow.line(element), span(attribute(element, "colspan")), rows)


def _alternatives(flow: JatsFlow, element: Element) -> list[str]:
    return flow.blocks(element) if _chosen(element) is None else flow.block(_chosen(element))


def _chosen(element: Element) -> Element | None:
    for name in ("table", "tex-math", "math", "preformat", "textual-form", "graphic"):
        found = child(element, name)
        if found is not None:
            return found
    return None


def _formula(flow: JatsFlow, element: Element) -> list[str]:
    label = flow.label(element)
    text = _formula_text(flow, element)
    if text.startswith("!["):
        return [f"{text} {label}".strip()]
    return [f"$$ {text} $$ {label}".strip()] if text else []


def _inline_formula(flow: JatsFlow, element: Element) -> str:
    text = _formula_text(flow, element)
    return text if text.startswith("![") else f"${text}$" if text else ""


def _formula_text(flow: JatsFlow, element: Element) -> str:
    """LaTeX before MathML before a picture before whatever text is there."""
    tex = next(element.iter("{*}tex-math"), None)
    if tex is not None:
        return latex_body("".join(tex.itertext(tag="*")))
    math = next(element.iter("{*}math"), None)
    if math is not None:
        return math_text(math)
    pictures = _graphics(element)
    if pictures:
        return _inline_graphic(flow, pictures[0])
    label = flow.label(element)
    return one_line(flow.running(element)).removeprefix(label).removesuffix(label).strip()


def _math(_flow: JatsFlow, element: Element) -> str:
    return f"${math_text(element)}$"


def _tex_math(_flow: JatsFlow, element: Element) -> str:
    return f"${latex_body(''.join(element.itertext(tag='*')))}$"


FLOAT_READERS: Mapping[str, BlockReader] = {
    **dict.fromkeys(("fig-group", "table-wrap-group", "disp-formula-group"), transparent),
    "fig": _figure,
    "graphic": _graphic,
    "table-wrap": _table_wrap,
    "table": _table,
    "tgroup": _table,
    "alternatives": _alternatives,
    "disp-formula": _formula,
}
FLOAT_LINE_READERS: Mapping[str, LineReader] = {
    "inline-graphic": _inline_graphic,
    "inline-formula": _inline_formula,
    "math": _math,
    "tex-math": _tex_math,
}
