"""The ruling lines of a page: the straight edges of what is drawn, by which tables are found.

Only pdfium is asked, so a page without rules costs next to nothing. The invariant: at most ``OBJECTS_MAX``
objects and ``EDGES_MAX`` edges are looked at, whatever the page draws. The trap: writers draw the same line
as a stroke, as a thin filled rectangle, or as one of many pieces of one path.
"""

import ctypes
from collections.abc import Iterator
from dataclasses import dataclass

import pypdfium2
import pypdfium2.raw as pdfium

from engine.documents.pdf.shapes import Box
from engine.documents.pdf.view import View

OBJECTS_MAX = 20_000
EDGES_MAX = 4_000
_DEPTH_MAX = 8
_SEGMENTS_MAX = 500
"""A path with more is a drawing."""
_STRAIGHT_POINTS = 1.5
_LENGTH_MIN_POINTS = 5
_Matrix = tuple[float, float, float, float, float, float]
_IDENTITY: _Matrix = (1, 0, 0, 1, 0, 0)


@dataclass(frozen=True, slots=True)
class Placed:
    """An object of a page: its handle and kind of pdfium's, and how its form is placed."""

    handle: pdfium.FPDF_PAGEOBJECT
    kind: int
    form: _Matrix


def placed_objects(page: pypdfium2.PdfPage) -> Iterator[Placed]:
    """Yield the objects of a page of pypdfium2 and of the forms in it, at most ``OBJECTS_MAX``."""
    remaining = OBJECTS_MAX
    count = pdfium.FPDFPage_CountObjects(page.raw)
    pending = [(pdfium.FPDFPage_GetObject, page.raw, iter(range(count)), _IDENTITY)]
    while pending and remaining:
        get, parent, places, form = pending[-1]
        place = next(places, None)
        if place is None:
            pending.pop()
            continue
        remaining -= 1
        handle = get(parent, place)
        kind = pdfium.FPDFPageObj_GetType(handle)
        yield Placed(handle, kind, form)
        if kind == pdfium.FPDF_PAGEOBJ_FORM and len(pending) < _DEPTH_MAX:
            inside = range(max(0, pdfium.FPDFFormObj_CountObjects(handle)))
            inner = _times(_matrix_of(handle), form)
            pending.append((pdfium.FPDFFormObj_GetObject, handle, iter(inside), inner))


def box_of(placed: Placed, view: View) -> Box:
    """Return where an object is shown."""
    edges = [ctypes.c_float() for _ in range(4)]
    pdfium.FPDFPageObj_GetBounds(placed.handle, *edges)
    left, bottom, right, top = (edge.value for edge in edges)
    corners = [_moved(placed.form, x, y) for x in (left, right) for y in (bottom, top)]
    xs, ys = zip(*corners, strict=True)
    return view.box(min(xs), min(ys), max(xs), max(ys))


def edges_of(placed: Placed, view: View) -> Iterator[Box]:
    """Yield the level and upright edges of a path that is drawn, each a box without area."""
    count = pdfium.FPDFPath_CountSegments(placed.handle)
    if not 1 < count <= _SEGMENTS_MAX or not _is_drawn(placed.handle):
        return
    matrix = _times(_matrix_of(placed.handle), placed.form)
    for x0, y0, x1, y1 in _strokes(placed.handle, count, matrix):
        box = view.box(x0, y0, x1, y1)
        if not box.is_near or max(box.width, box.height) < _LENGTH_MIN_POINTS:
            continue
        if box.height <= _STRAIGHT_POINTS:
            yield Box(box.x0, box.middle[1], box.x1, box.middle[1])
        elif box.width <= _STRAIGHT_POINTS:
            yield Box(box.middle[0], box.top, box.middle[0], box.bottom)


def _is_drawn(handle: pdfium.FPDF_PAGEOBJECT) -> bool:
    fill, stroke = ctypes.c_int(), ctypes.c_int()
    pdfium.FPDFPath_GetDrawMode(handle, fill, stroke)
    return bool(fill.value or stroke.value)


def _strokes(
    handle: pdfium.FPDF_PAGEOBJECT, count: int, matrix: _Matrix
) -> Iterator[tuple[float, ...]]:
    """Yield the straight pieces of a path, as two points each."""
    x, y = ctypes.c_float(), ctypes.c_float()
    start = last = (0.0, 0.0)
    for number in range(count):
        segment = pdfium.FPDFPath_GetPathSegment(handle, number)
        pdfium.FPDFPathSegment_GetPoint(segment, x, y)
        point = _moved(matrix, x.value, y.value)
        kind = pdfium.FPDFPathSegment_GetType(segment)
        if kind == pdfium.FPDF_SEGMENT_MOVETO:
            start = point
        elif kind == pdfium.FPDF_SEGMENT_LINETO:
            yield (*last, *point)
        if pdfium.FPDFPathSegment_GetClose(segment):
            yield (*point, *start)
        last = point


def _matrix_of(handle: pdfium.FPDF_PAGEOBJECT) -> _Matrix:
    matrix = pdfium.FS_MATRIX()
    if not pdfium.FPDFPageObj_GetMatrix(handle, matrix):
        return _IDENTITY
    return (matrix.a, matrix.b, matrix.c, matrix.d, matrix.e, matrix.f)


def _times(inner: _Matrix, outer: _Matrix) -> _Matrix:
    """Return the matrix that applies the inner one first."""
    a, b, c, d, e, f = inner
    p, q, r, s, t, u = outer
    linear = (a * p + b * r, a * q + b * s, c * p + d * r, c * q + d * s)
    return (*linear, e * p + f * r + t, e * q + f * s + u)


def _moved(matrix: _Matrix, x: float, y: float) -> tuple[float, float]:
    a, b, c, d, e, f = matrix
    return a * x + c * y + e, b * x + d * y + f
