"""A tree of markup to blocks of Markdown: what HTML and JATS have in common.

An element is a block, or runs along in a line. Text and running elements between blocks become paragraphs, so
that nothing is lost where blocks stand inside of lines, as tables do in paragraphs. The invariant: every text
that is not dropped on purpose is in the result once. The trap: markup may be nested deeper than Python can
follow; below ``DEPTH_MAX`` only the text is read.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from engine.documents.content import TEXT_CHARS_MAX
from engine.documents.markup.markdown_blocks import BREAK, join_blocks, marked, one_line, paragraph
from engine.documents.markup.xml_input import Element, entity_text, local_name
from engine.errors import DocumentInvalid

DEPTH_MAX = 80

BlockReader = Callable[[Any, Element], list[str]]
"""Called with the flow and an element; answers blocks."""
LineReader = Callable[[Any, Element], str]
"""Called with the flow and an element; answers text that runs on."""


@dataclass(frozen=True, slots=True)
class Markup:
    """How the elements of a kind of document are read, by their local names.

    An element that is in none of the tables is transparent: its content stands where it stood.

    Attributes:
        blocks: elements that stand alone.
        lines: elements that run along in a line.
        atoms: names of ``lines`` that run along even with blocks in them, such as formulas.
        dropped: what is not read, with all that is in it.
    """

    blocks: Mapping[str, BlockReader]
    lines: Mapping[str, LineReader]
    atoms: frozenset[str] = frozenset()
    dropped: frozenset[str] = frozenset()


class Flow:
    """The reading of one document; subclasses remember what their readers need."""

    def __init__(self, root: Element, markup: Markup) -> None:
        self.open_marks: set[str] = set()
        self._markup = markup
        self._depth = 0
        self._chars_left = TEXT_CHARS_MAX
        # Kept as elements: lxml makes a new object for an element that nobody holds.
        self._around_blocks: set[Element] = set()
        for element in root.iter("*"):
            if local_name(element) in markup.blocks:
                self._mark_ancestors(element)

    def _mark_ancestors(self, element: Element) -> None:
        for ancestor in element.iterancestors():
            if ancestor in self._around_blocks or local_name(ancestor) in self._markup.atoms:
                return
            self._around_blocks.add(ancestor)

    def blocks(self, element: Element, *, without: Iterable[str] = ()) -> list[str]:
        """The content of an element as blocks, but for direct children of the names ``without``.

        Raises:
            DocumentInvalid: the document has more text than a document may have.
        """
        found: list[str] = []
        run = [element.text or ""]
        for each in element:
            if self.is_block(each):
                found += self._paragraph(run)
                run = []
                if local_name(each) not in without:
                    found += self.block(each)
            elif local_name(each) not in without:
                run.append(self.inline(each))
            run.append(each.tail or "")
        return found + self._paragraph(run)

    def is_block(self, element: Element) -> bool:
        """Whether the element is a block or has one in it."""
        name = local_name(element)
        if name in self._markup.dropped:
            return False
        return name in self._markup.blocks or element in self._around_blocks

    def block(self, element: Element) -> list[str]:
        """One block element, itself."""
        with self._deeper() as readable:
            if not readable:
                return self._paragraph([self._bare(element)])
            reader = self._markup.blocks.get(local_name(element))
            return self.blocks(element) if reader is None else reader(self, element)

    def inline(self, element: Element) -> str:
        """One running element as text, white space as it stands."""
        name = local_name(element)
        if not name:
            return entity_text(element)
        if name in self._markup.dropped:
            return ""
        with self._deeper() as readable:
            if not readable:
                return self._bare(element)
            reader = self._markup.lines.get(name)
            return self.running(element) if reader is None else reader(self, element)

    def running(self, element: Element) -> str:
        """The content of an element as text that runs on, blocks in it too."""
        if element in self._around_blocks:
            return " ".join(self.blocks(element))
        parts = [element.text or ""]
        for each in element:
            parts += [self.inline(each), each.tail or ""]
        return "".join(parts)

    def items(self, element: Element) -> list[Element]:
        """The children that are read, for those who read them one by one."""
        return [each for each in element if local_name(each) not in {"", *self._markup.dropped}]

    def loose_text(self, element: Element) -> str:
        """The text between the children, where only children should be, as in a list."""
        return one_line(" ".join([element.text or "", *(each.tail or "" for each in element)]))

    def line(self, element: Element | None) -> str:
        """The content of an element on one line; empty for None."""
        return "" if element is None else one_line(self.running(element))

    def spend(self, blocks: list[str]) -> list[str]:
        """Count text that may be longer than what it was made from; answers it.

        Raises:
            DocumentInvalid: all of it is more than a document may have.
        """
        self._chars_left -= sum(map(len, blocks))
        if self._chars_left < 0:
            raise DocumentInvalid(
                f"The document has more than {TEXT_CHARS_MAX:,} characters of text; split it."
            )
        return blocks

    def document(self, blocks: Iterable[str]) -> str:
        """All blocks as the text of the document.

        Raises:
            DocumentInvalid: there is none.
        """
        text = join_blocks(blocks)
        if not text:
            raise DocumentInvalid("The document holds no text.")
        return text

    def _paragraph(self, run: list[str]) -> list[str]:
        text = paragraph("".join(run))
        return self.spend([text]) if text else []

    def _bare(self, element: Element) -> str:
        return one_line("".join(element.itertext(tag="*")))

    @contextmanager
    def _deeper(self) -> Iterator[bool]:
        self._depth += 1
        try:
            yield self._depth <= DEPTH_MAX
        finally:
            self._depth -= 1


def transparent(flow: Flow, element: Element) -> list[str]:
    """A block that is no more than its content."""
    return flow.blocks(element)


def marks(mark: str) -> LineReader:
    """A reader that puts marks around the content, unless it is in such marks already."""

    def read(flow: Flow, element: Element) -> str:
        if mark in flow.open_marks:
            return flow.running(element)
        flow.open_marks.add(mark)
        text = flow.running(element)
        flow.open_marks.discard(mark)
        return marked(text, mark)

    return read


def line_break(_flow: Flow, _element: Element) -> str:
    """A break inside of a paragraph."""
    return BREAK
