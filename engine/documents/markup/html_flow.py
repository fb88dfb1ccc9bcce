"""The elements of HTML, each as the Markdown that it becomes; of pages, and of what mammoth makes of DOCX."""

import re
from collections.abc import Callable, Mapping

from engine.documents.markup.flow import (
    BlockReader,
    Flow,
    LineReader,
    Markup,
    line_break,
    marks,
    transparent,
)
from engine.documents.markup.markdown_blocks import (
    captioned,
    fenced,
    heading,
    image,
    join_blocks,
    joined_item,
    listing,
    lowered,
    marked,
    one_line,
    paragraph,
    quoted,
    raised,
)
from engine.documents.markup.markdown_tables import Cell, markdown_table, span
from engine.documents.markup.xml_input import Element, child, children, local_name

KeepImage = Callable[[Element], str | None]
"""From an ``img`` to the name of its file in the folder, None when it has none."""

_HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")
_ROW_HOLDERS = frozenset({"tr", "thead", "tbody", "tfoot", "colgroup", "col"})
_NOTE_REFERENCE = re.compile(r"#((?:foot|end)note-\d{1,9})$")
_BACK_ARROWS = "\u2191\u21a9\ufe0e"


class HtmlFlow(Flow):
    """The reading of one page: its images, notes and first heading so far."""

    def __init__(self, root: Element, markup: Markup, keep_image: KeepImage) -> None:
        super().__init__(root, markup)
        self.keep_image = keep_image
        self.figures: list[tuple[str, str]] = []
        self.notes: dict[int, str] = {}
        self.first_heading = ""
        self._note_numbers: dict[str, int] = {}

    def note_number(self, note_id: str) -> int:
        """The number of a note by its id: by the order in which notes are met."""
        return self._note_numbers.setdefault(note_id, len(self._note_numbers) + 1)

    def known_note(self, note_id: str) -> bool:
        """Whether the text referred to this note."""
        return note_id in self._note_numbers


def _heading(flow: HtmlFlow, element: Element) -> list[str]:
    text = flow.line(element)
    if text and not flow.first_heading:
        flow.first_heading = text
    return [heading(text, int(local_name(element)[1]))]


def _list(flow: HtmlFlow, element: Element) -> list[str]:
    # Lists of mistaken pages have their inner lists beside the items instead of in them.
    items = [flow.loose_text(element)]
    for each in flow.items(element):
        if _note_of(flow, each):
            continue
        if local_name(each) in {"ul", "ol"} and items[-1]:
            items[-1] = joined_item([items[-1], *flow.block(each)])
        else:
            items.append(joined_item(flow.blocks(each)))
    start = element.get("start") or "1"
    first = int(start) if re.fullmatch(r"[0-9]{1,6}", start) else 1
    return flow.spend([listing(items, first=None if local_name(element) == "ul" else first)])


def _note_of(flow: HtmlFlow, item: Element) -> bool:
    """Keep the text of a note that the text referred to; answers whether it is one."""
    note_id = item.get("id") or ""
    if not note_id or not flow.known_note(note_id):
        return False
    text = one_line(" ".join(flow.blocks(item))).rstrip(_BACK_ARROWS + " ")
    flow.notes[flow.note_number(note_id)] = text
    return True


def _definitions(flow: HtmlFlow, element: Element) -> list[str]:
    items: list[str] = []
    for each in element.iter("dt", "dd"):
        if local_name(each) == "dt":
            items.append(marked(flow.line(each), "**"))
        elif items:
            items[-1] += f": {joined_item(flow.blocks(each))}"
        else:
            items.append(joined_item(flow.blocks(each)))
    return flow.spend([listing(items, first=None)])


def _table(flow: HtmlFlow, element: Element) -> list[str]:
    rows = _rows(flow, element)
    cells = [flow.items(row) for row in rows]
    beside = [paragraph(text) for text in _beside_rows(flow, element)]
    if _lays_out(element, cells):
        return [*beside, *(text for row in cells for cell in row for text in flow.blocks(cell))]
    found = [[_cell(flow, each) for each in row] for row in cells]
    return flow.spend([*beside, markdown_table(found)])


def _beside_rows(flow: HtmlFlow, table: Element) -> list[str]:
    """The caption of a table, and what stands in it by mistake."""
    beside = [each for each in flow.items(table) if local_name(each) not in _ROW_HOLDERS]
    texts = [flow.line(each) for each in beside if next(each.iter("tr"), None) is None]
    return [*texts, flow.loose_text(table)]


def _lays_out(table: Element, cells: list[list[Element]]) -> bool:
    if max(map(len, cells), default=0) <= 1:
        # One column is a box around text, unless it says it is data.
        return next(table.iter("th"), None) is None and len(cells) <= 1
    return next(table.iterdescendants("table", *_HEADINGS), None) is not None


def _rows(flow: HtmlFlow, table: Element) -> list[Element]:
    """The rows of a table, not of those in it; the foot stands last, wherever it is."""
    found: list[Element] = []
    foot: list[Element] = []
    for each in flow.items(table):
        name = local_name(each)
        if name == "tr":
            found.append(each)
        elif name == "tfoot":
            foot += children(each, "tr")
        elif name in {"thead", "tbody", "form"}:
            found += children(each, "tr")
    return found + foot


def _cell(flow: HtmlFlow, element: Element) -> Cell:
    columns, rows = span(element.get("colspan") or ""), element.get("rowspan") or ""
    # To the end of the table, says HTML.
    return Cell(flow.line(element), columns, span("1000" if rows.strip() == "0" else rows))


def _image(flow: HtmlFlow, element: Element) -> str:
    caption = one_line(element.get("alt") or "")
    name = flow.keep_image(element)
    if name is None:
        return caption
    flow.figures.append((name, caption))
    return image(caption, name)


def _figure(flow: HtmlFlow, element: Element) -> list[str]:
    """A figure with its caption; the caption takes the place of an image's alternative text."""
    caption = flow.line(child(element, "figcaption"))
    blocks = flow.blocks(element, without=("figcaption",))
    pictures = list(element.iter("img"))
    if caption and len(pictures) == 1 and len(blocks) == 1 and flow.figures:
        name = flow.figures[-1][0]
        if blocks[0].endswith(f"]({name})") and blocks[0].startswith("!["):
            flow.figures[-1] = (name, caption)
            return [image(caption, name)]
    return [*blocks, captioned(caption, "")]


def _quotation(flow: HtmlFlow, element: Element) -> list[str]:
    return flow.spend([quoted(join_blocks(flow.blocks(element)))])


def _code_block(_flow: HtmlFlow, element: Element) -> list[str]:
    return [fenced("".join(element.itertext(tag="*")))]


def _superscript(flow: HtmlFlow, element: Element) -> str:
    text = flow.running(element)
    return text if text.startswith("[^") else raised(text)


def _subscript(flow: HtmlFlow, element: Element) -> str:
    return lowered(flow.running(element))


def _link(flow: HtmlFlow, element: Element) -> str:
    reference = _NOTE_REFERENCE.search(element.get("href") or "")
    if reference is not None:
        return f"[^{flow.note_number(reference[1])}]"
    return flow.running(element)


_LINES: Mapping[str, LineReader] = {
    **dict.fromkeys(("b", "strong"), marks("**")),
    **dict.fromkeys(("i", "em", "cite", "dfn", "var"), marks("*")),
    **dict.fromkeys(("code", "tt", "kbd", "samp"), marks("`")),
    **dict.fromkeys(("s", "del", "strike"), marks("~~")),
    "sup": _superscript,
    "sub": _subscript,
    "br": line_break,
    "img": _image,
    "a": _link,
}
_BLOCKS: Mapping[str, BlockReader] = {
    **dict.fromkeys(_HEADINGS, _heading),
    **dict.fromkeys(
        (
            *("p", "div", "section", "article", "main", "header", "footer", "body", "address"),
            *("details", "summary", "center", "hr", "li", "dd", "dt", "tr", "fieldset", "form"),
        ),
        transparent,
    ),
    **dict.fromkeys(("ul", "ol", "menu"), _list),
    **dict.fromkeys(("pre", "listing", "xmp"), _code_block),
    "dl": _definitions,
    "table": _table,
    "figure": _figure,
    "figcaption": transparent,
    "blockquote": _quotation,
}
HTML_MARKUP = Markup(
    blocks=_BLOCKS,
    lines=_LINES,
    dropped=frozenset(
        {
            *(
                "script",
                "style",
                "nav",
                "head",
                "template",
                "noscript",
                "iframe",
                "object",
                "embed",
            ),
            *("svg", "canvas", "video", "audio", "button", "select", "input", "textarea"),
        }
    ),
)
