"""What is remembered while a JATS article is read: how deep its sections are, its figures and notes so far."""

from collections.abc import Callable

from engine.documents.content import Figure
from engine.documents.figures.files import figure_name
from engine.documents.markup.flow import Flow, Markup
from engine.documents.markup.markdown_blocks import captioned, heading, image, one_line
from engine.documents.markup.xml_input import Element, child

FindImage = Callable[[str], str | None]
"""From the ``href`` of a graphic to the name of its file in the folder, None without one."""


class JatsFlow(Flow):
    """The reading of one article: how deep its sections are, its figures and notes so far."""

    def __init__(self, root: Element, markup: Markup, find_image: FindImage) -> None:
        super().__init__(root, markup)
        self.level = 1
        self.figures: list[Figure] = []
        self.missing_images = 0
        self.notes: list[str] = []
        self._find_image = find_image

    def figure(self, href: str, label: str, caption: str) -> str:
        """An image of the article, named in the text; remembered when its file is there."""
        name = self._find_image(href)
        if name is None:
            self.missing_images += 1
        else:
            self.figures.append(Figure(name, None, caption or None, label or None))
        return image(captioned(label, caption), name or figure_name(href))

    def titled(self, title: str, element: Element, *without: str) -> list[str]:
        """A heading one level down, and below it the content of the element."""
        self.level += 1
        found = [heading(title, self.level), *self.blocks(element, without=("title", *without))]
        self.level -= 1
        return found

    def caption(self, element: Element) -> str:
        """The caption of a figure, table or box on one line."""
        found = child(element, "caption")
        return "" if found is None else one_line(" ".join(self.blocks(found)))

    def label(self, element: Element) -> str:
        """The label of an element, such as ``Figure 1``."""
        return self.line(child(element, "label"))
