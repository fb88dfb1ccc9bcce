"""XML and HTML of strangers to trees, by parsers that expand, load and fetch nothing.

The invariant: no entity a document declares is ever expanded, and no file or host is asked for anything. The
trap: a DOCTYPE is not an attack, real articles have one; what it declares inside itself may be.
"""

from html.entities import html5
from typing import Any

from lxml import etree

from engine.errors import DocumentInvalid

XML_BYTES_MAX = 64 << 20
"""Of one XML document; the tree takes about ten times as much memory."""
_HEAD_STEP_BYTES = 4096
_HARDENED = {
    "resolve_entities": False,
    "no_network": True,
    "load_dtd": False,
    "dtd_validation": False,
    "huge_tree": False,
}

Element = Any
"""An element of lxml, which has no annotations."""


def parse_xml(data: bytes, what: str) -> Element:
    """Parse a document and return its root.

    Args:
        data: the whole document, at most ``XML_BYTES_MAX``.
        what: what it is, for messages: "The article".

    Raises:
        DocumentInvalid: it is too large, not well-formed, nested too deeply, or declares entities.
    """
    if len(data) > XML_BYTES_MAX:
        raise DocumentInvalid(f"{what} is larger than {XML_BYTES_MAX >> 20} MiB of XML.")
    try:
        root = etree.fromstring(data, etree.XMLParser(**_HARDENED))
    except (etree.XMLSyntaxError, ValueError) as exc:
        raise DocumentInvalid(_not_well_formed(exc, what)) from exc
    if root is None:
        raise DocumentInvalid(f"{what} has no elements.")
    _refuse_entities(root, what)
    return root


def _not_well_formed(exc: Exception, what: str) -> str:
    line = getattr(exc, "lineno", None)
    where = f" at line {line}" if line else ""
    return f"{what} is not well-formed XML{where}; check it with an XML tool and upload it again."


def _refuse_entities(root: Element, what: str) -> None:
    declared = root.getroottree().docinfo.internalDTD
    if declared is not None and next(declared.iterentities(), None) is not None:
        raise DocumentInvalid(
            f"{what} declares XML entities, which are not read; write their text out instead."
        )


def parse_html(text: str) -> Element | None:
    """Parse a page and return its root, None when it has no element. Mistakes are mended.

    Raises:
        DocumentInvalid: it is nested too deeply: the parser would leave out all that follows.
    """
    # In HTML nothing can be declared, so a huge tree is no larger than its text.
    parser = etree.HTMLParser(encoding="utf-8", no_network=True, huge_tree=True)
    try:
        root = etree.fromstring(text.encode("utf-8", "replace"), parser)
    except etree.XMLSyntaxError:
        root = None
    if any(error.type == etree.ErrorTypes.ERR_RESOURCE_LIMIT for error in parser.error_log):
        raise DocumentInvalid("The page is nested too deeply to be read.")
    return root


def first_tags(head: bytes) -> list[str]:
    """The names of the root and of the first element in it, as far as ``head`` reaches.

    Names in a namespace are written ``{namespace}name``. Empty when this is not XML.
    """
    parser = etree.XMLPullParser(events=("start",), **_HARDENED)
    found: list[str] = []
    try:
        for start in range(0, len(head), _HEAD_STEP_BYTES):
            parser.feed(head[start : start + _HEAD_STEP_BYTES])
            found += [str(element.tag) for _event, element in parser.read_events()]
            if len(found) > 1:
                break
    except etree.XMLSyntaxError:
        pass
    return found[:2]


def local_name(element: Element) -> str:
    """The name without its namespace; empty for comments, instructions and entities."""
    tag = element.tag
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def entity_text(node: Element) -> str:
    """The text of a node that is no element: of an entity that HTML knows, else nothing."""
    if node.tag is not etree.Entity:
        return ""
    return html5.get(f"{node.name};", "")


def child(element: Element | None, *path: str) -> Element | None:
    """The first element down a path of local names, or None."""
    for name in path:
        if element is None:
            return None
        element = next((found for found in element if local_name(found) == name), None)
    return element


def children(element: Element | None, *names: str) -> list[Element]:
    """The direct children with one of these local names, in order."""
    return [] if element is None else [each for each in element if local_name(each) in names]


def plain_text(element: Element | None) -> str:
    """All text of an element on one line; empty for None."""
    return "" if element is None else " ".join("".join(element.itertext(tag="*")).split())


def attribute(element: Element, name: str) -> str:
    """An attribute by its local name, whatever its namespace; empty when absent."""
    for key, value in element.attrib.items():
        if key.rpartition("}")[2] == name:
            return str(value)
    return ""
