"""Formulas to text: LaTeX as it stands, MathML written as it would be typed.

The trap: articles carry whole LaTeX documents around one formula, and MathML whose meaning is in its shape, so
that its bare text would make 102 of 10².
"""

from collections.abc import Callable, Mapping

from engine.documents.markup.xml_input import Element, entity_text, local_name, plain_text

_DEPTH_MAX = 40
_BEGIN, _END = "\\begin{document}", "\\end{document}"
_DELIMITERS = (("$$", "$$"), ("\\[", "\\]"), ("\\(", "\\)"), ("$", "$"))


def latex_body(text: str) -> str:
    r"""A formula of LaTeX without the document and the dollars around it.

    >>> latex_body(r"\documentclass{minimal}\begin{document}$$E = mc^2$$\end{document}")
    'E = mc^2'
    """
    _head, begun, rest = text.partition(_BEGIN)
    within, ended, _tail = rest.partition(_END)
    body = " ".join((within if begun and ended else text).split())
    for start, end in _DELIMITERS:
        if body.startswith(start) and body.endswith(end) and len(body) > len(start + end):
            return body[len(start) : -len(end)].strip()
    return body


def math_text(element: Element) -> str:
    """MathML as text on one line: ``c^2``, ``x_i``, ``(a)/(b)``, ``sqrt(a)``."""
    annotation = next(
        (each for each in element.iter("{*}annotation") if "tex" in each.get("encoding", "")), None
    )
    if annotation is not None:
        return latex_body(plain_text(annotation))
    return " ".join(_text(element, 0).split())


def _text(element: Element, depth: int) -> str:
    name = local_name(element)
    if not name or name in {"annotation", "annotation-xml"}:
        return entity_text(element)
    if depth > _DEPTH_MAX:
        return plain_text(element)
    parts = [_text(each, depth + 1) for each in element]
    shape = _SHAPES.get(name)
    if shape is not None and len(parts) == shape[0]:
        return shape[1](parts)
    if name == "msqrt":
        return f"sqrt({''.join(parts)})"
    if name == "mtr":
        return ", ".join(parts) + "; "
    return (element.text or "").strip() + _joined(element, parts)


def _joined(element: Element, parts: list[str]) -> str:
    tails = ((each.tail or "").strip() for each in element)
    return "".join(part + tail for part, tail in zip(parts, tails, strict=True))


def grouped(part: str) -> str:
    """A part of a formula, in parentheses when it is more than one name or number."""
    return part if len(part) <= 1 or part.isalnum() else f"({part})"


_Shape = tuple[int, Callable[[list[str]], str]]
_SHAPES: Mapping[str, _Shape] = {
    "msup": (2, lambda parts: f"{parts[0]}^{grouped(parts[1])}"),
    "mover": (2, lambda parts: f"{parts[0]}^{grouped(parts[1])}"),
    "msub": (2, lambda parts: f"{parts[0]}_{grouped(parts[1])}"),
    "munder": (2, lambda parts: f"{parts[0]}_{grouped(parts[1])}"),
    "msubsup": (3, lambda p: f"{p[0]}_{grouped(p[1])}^{grouped(p[2])}"),
    "munderover": (3, lambda p: f"{p[0]}_{grouped(p[1])}^{grouped(p[2])}"),
    "mfrac": (2, lambda parts: f"{grouped(parts[0])}/{grouped(parts[1])}"),
    "mroot": (2, lambda parts: f"root({parts[0]}, {parts[1]})"),
}
