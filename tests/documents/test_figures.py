"""Figures: images become PNG by number, and the text, its pages and captions follow them exactly."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from engine.documents.content import Content, Figure, PageSpan
from engine.documents.figures.captions import Caption, claim_captions, read_caption
from engine.documents.figures.linking import link_figures
from engine.documents.figures.pictures import SIDE_MAX
from engine.documents.figures.replacing import Replacement, move_pages, replace_all


class Site:
    """A folder of images and an empty one."""

    def __init__(self, folder: Path) -> None:
        self.source, self.output = folder / "source", folder / "output"
        self.source.mkdir()
        self.output.mkdir()

    def draw(
        self, name: str, colour: Any = (200, 30, 30), *, size: tuple[int, int] = (64, 48)
    ) -> None:
        self.save(Image.new("RGB", size, colour), name)

    def save(self, image: Image.Image, name: str, **options: Any) -> None:
        path = self.source / name
        path.parent.mkdir(exist_ok=True)
        image.save(path, **options)

    def link(self, text: str, **fields: Any) -> Content:
        return link_figures(Content(text, **fields), self.source, self.output)

    def files(self) -> list[str]:
        return sorted(path.name for path in self.output.iterdir())

    def result(self, number: int = 1) -> Image.Image:
        image = Image.open(io.BytesIO((self.output / f"figure-{number}.png").read_bytes()))
        image.load()
        assert image.format == "PNG"
        return image

    def convert(self, image: Image.Image, name: str, **options: Any) -> Image.Image:
        self.save(image, name, **options)
        content = self.link(f"![]({name})")
        assert content.warnings == ()
        return self.result()


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_images_are_numbered_in_the_order_of_the_text(site: Site) -> None:
    site.draw("b.png", "red")
    site.draw("a.jpg", "blue")
    site.draw("unused.png", "green")
    content = site.link("One ![The red](b.png) and ![](a.jpg), ![again](b.png).")
    assert (
        content.text
        == "One ![The red](figure-1.png) and ![](figure-2.png), ![again](figure-1.png)."
    )
    assert content.figures == (Figure("figure-1.png", caption="The red"), Figure("figure-2.png"))
    assert site.files() == ["figure-1.png", "figure-2.png"]
    assert site.result(1).getpixel((5, 5)) == (255, 0, 0)


def test_the_same_picture_in_two_files_is_one_figure(site: Site) -> None:
    site.draw("a.png")
    site.draw("b.bmp")
    content = site.link("![](a.png) ![](b.bmp)")
    assert content.text == "![](figure-1.png) ![](figure-1.png)"
    assert site.files() == ["figure-1.png"]


def test_other_fields_of_the_content_stay(site: Site) -> None:
    content = site.link("x", title="T", page_count=3, warnings=("w",), metadata={"doi": "10.1/x"})
    assert (content.title, content.page_count, content.warnings) == ("T", 3, ("w",))
    assert content.metadata == {"doi": "10.1/x"}


@pytest.mark.parametrize(
    ("link", "name"),
    [
        ("![a](<my image.png>)", "my image.png"),
        ("![a](my%20image.png)", "my image.png"),
        ('![a](image.png "A title")', "image.png"),
        ("![a](image.png 'A title')", "image.png"),
        ("![a](image_(1\\).png)", "image_(1).png"),
        ("![a](image_(1).png)", "image_(1).png"),
        ("![a](media/image.png)", "media/image.png"),
        ("![a](\n image.png )", "image.png"),
        ("![a](bild-ä.png)", "bild-ä.png"),
    ],
)
def test_names_are_read_as_markdown_writes_them(site: Site, link: str, name: str) -> None:
    site.draw(name)
    assert site.link(f"x {link} y").text == "x ![a](figure-1.png) y"


def test_brackets_in_a_caption_stay(site: Site) -> None:
    site.draw("a.png")
    content = site.link(r"![see [1] and \[2\]](a.png)")
    assert content.text == r"![see [1] and \[2\]](figure-1.png)"
    assert content.figures[0].caption == "see [1] and [2]"


@pytest.mark.parametrize(
    "target",
    ["gone.png", "https://example.org/a.png", "data:image/png;base64,AAAA", "", "x" * 5000],
)
def test_a_link_to_nothing_becomes_its_caption(site: Site, target: str) -> None:
    content = site.link(f"Before ![The *coast* \\[1\\]]({target}) after ![]({target}).")
    assert content.text == "Before The *coast* [1] after ."
    assert (content.figures, site.files()) == ((), [])


@pytest.mark.parametrize("target", ["../secret.png", "%2e%2e/secret.png", "link.png", "a\0.png"])
def test_a_name_does_not_lead_out_of_the_folder(site: Site, target: str) -> None:
    Image.new("RGB", (64, 64)).save(site.source.parent / "secret.png")
    (site.source / "link.png").symlink_to(site.source.parent / "secret.png")
    for name in (target, str(site.source.parent / "secret.png")):
        content = site.link(f"![x]({name})")
        assert (content.text, content.figures, site.files()) == ("x", (), [])


def test_code_is_left_alone(site: Site) -> None:
    site.draw("a.png")
    text = "`![](a.png)` and\n\n```\n![](a.png)\n```\n\n![](a.png)"
    assert site.link(text).text == text[:-10] + "![](figure-1.png)"


def test_what_cannot_be_read_is_left_out_with_one_warning(site: Site) -> None:
    (site.source / "drawing.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    site.draw("whole.png")
    whole = (site.source / "whole.png").read_bytes()
    (site.source / "broken.png").write_bytes(whole[:60])
    (site.source / "page.eps").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 64 64\n")
    content = site.link("![Plan](drawing.svg) ![](broken.png) ![](page.eps) ![](whole.png)")
    assert content.text == "Plan   ![](figure-1.png)"
    assert content.warnings == (
        "3 images could not be read and were left out: drawing.svg, broken.png, page.eps.",
    )
    assert site.files() == ["figure-1.png"]


def test_an_image_that_states_too_many_pixels_is_left_out(site: Site) -> None:
    site.save(Image.new("1", (12_000, 10_000)), "huge.png")
    content = site.link("![Sky](huge.png)")
    assert content.text == "Sky"
    assert content.warnings == ("1 image could not be read and was left out: huge.png.",)


def test_tiny_images_go(site: Site) -> None:
    site.draw("bullet.png", size=(31, 200))
    site.draw("edge.png", size=(32, 32))
    content = site.link("- ![bullet](bullet.png) item ![](edge.png)")
    assert content.text == "-  item ![](figure-1.png)"
    assert (content.warnings, site.files()) == ((), ["figure-1.png"])


@pytest.mark.parametrize(("on_pages", "is_kept"), [((1, 2, 3), False), ((1, 2), True)])
def test_a_logo_on_most_pages_goes(site: Site, on_pages: tuple[int, ...], is_kept: bool) -> None:
    site.draw("logo.png", "blue")
    site.draw("chart.png", "red")
    bodies = [
        ("![logo](logo.png)" if page in on_pages else "") + f"page {page}" for page in range(1, 6)
    ]
    bodies[4] += "![](chart.png)"
    text, spans = "", []
    for page, body in enumerate(bodies, 1):
        spans.append(PageSpan(page, len(text), len(text) + len(body)))
        text += body + "\n"
    content = site.link(text, pages=tuple(spans), page_count=5)
    assert ("logo" in content.text) is is_kept
    assert len(content.figures) == len(site.files()) == 1 + is_kept
    assert content.figures[-1].page == 5
    assert content.text[content.pages[1].start : content.pages[1].end].endswith("page 2")


def test_pages_keep_exactly_their_text(site: Site) -> None:
    site.draw("a-rather-long-name-for-an-image.png", "red")
    site.draw("b.png", "blue")
    pieces = [
        "🌊 ![](a-rather-long-name-for-an-image.png) end",
        "![gone](c.png)",
        "",
        "![](b.png)![](b.png)",
        "last 🌊",
    ]
    text, spans = "head\n", []
    for page, piece in enumerate(pieces, 1):
        spans.append(PageSpan(page, len(text), len(text) + len(piece)))
        text += piece + "\n\n"
    content = site.link(text, pages=tuple(spans))
    assert [content.text[page.start : page.end] for page in content.pages] == [
        "🌊 ![](figure-1.png) end",
        "gone",
        "",
        "![](figure-2.png)![](figure-2.png)",
        "last 🌊",
    ]
    assert [(figure.name, figure.page) for figure in content.figures] == [
        ("figure-1.png", 1),
        ("figure-2.png", 4),
    ]


@given(st.data())
def test_offsets_move_with_their_characters(data: st.DataObject) -> None:
    kept = data.draw(st.lists(st.text("ab🌊", min_size=1, max_size=5), min_size=1, max_size=6))
    changes, expected, spans, moved, old = [], "", [], [], ""
    for page, piece in enumerate(kept, 1):
        spans.append(PageSpan(page, len(old), len(old) + len(piece)))
        moved.append(PageSpan(page, len(expected), len(expected) + len(piece)))
        gone, new = (
            data.draw(st.text("x", min_size=1, max_size=4)),
            data.draw(st.text("y", max_size=4)),
        )
        changes.append(Replacement(len(old + piece), len(old + piece + gone), new))
        old, expected = old + piece + gone, expected + piece + new
    assert replace_all(old, changes) == expected
    assert move_pages(spans, changes) == tuple(moved)


# How images are turned into PNG.


def test_exif_rotation_is_applied_and_nothing_else_is_kept(site: Site) -> None:
    image = Image.new("RGB", (80, 40), "white")
    image.paste("red", (0, 0, 20, 40))
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "Camera"  # turned by 90 degrees; the maker
    shown = site.convert(image, "a.jpg", exif=exif, quality=95)
    assert shown.size == (40, 80)
    red, green, _ = shown.getpixel((20, 5))  # type: ignore[misc]  # it has three channels
    assert red > 200
    assert green < 60
    assert not shown.getexif()
    assert "Camera" not in str(shown.info)


@pytest.mark.parametrize("mode", ["CMYK", "P", "1", "L", "LA", "RGBA", "YCbCr", "LAB"])
def test_modes_keep_their_colours(site: Site, mode: str) -> None:
    image = Image.new("L", (64, 64), 255)
    image.paste(0, (0, 0, 32, 64))
    names = {"CMYK": "a.jpg", "YCbCr": "a.jpg", "LAB": "a.tif"}
    source = image.convert("RGB") if mode in ("CMYK", "YCbCr", "LAB") else image
    if mode == "LAB":
        from PIL import ImageCms

        profiles = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
        converted = ImageCms.profileToProfile(source, *profiles, outputMode="LAB")
        assert converted is not None
    else:
        converted = source.convert(mode)
    shown = site.convert(converted, names.get(mode, "a.png")).convert("L")
    assert shown.getpixel((8, 8)) < 40  # type: ignore[operator]  # a number, as there is one channel
    assert shown.getpixel((56, 56)) > 215  # type: ignore[operator]  # as above


def test_transparency_of_a_palette_is_kept(site: Site) -> None:
    image = Image.new("P", (64, 64), 0)
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.paste(1, (0, 0, 32, 64))
    shown = site.convert(image, "a.png", transparency=0)
    assert shown.mode == "RGBA"
    assert shown.getpixel((8, 8)) == (0, 0, 255, 255)
    assert shown.getpixel((56, 8))[3] == 0  # type: ignore[index]  # it has four channels


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_sixteen_bits_become_eight(site: Site, name: str) -> None:
    values = np.linspace(0, 65535, 64 * 64).astype(np.uint16).reshape(64, 64)
    shown = site.convert(Image.fromarray(values), name)
    assert shown.mode == "L"
    assert np.array_equal(np.asarray(shown), values >> 8)


def test_numbers_with_a_point_are_stretched(site: Site) -> None:
    values = np.linspace(-3, 7, 64 * 64, dtype=np.float32).reshape(64, 64)
    shown = np.asarray(site.convert(Image.fromarray(values), "a.tif"))
    assert (shown.min(), shown.max()) == (0, 255)


def test_of_an_animation_the_first_frame_is_shown(site: Site) -> None:
    frames = [Image.new("RGB", (64, 64), colour) for colour in ("red", "blue", "green")]
    shown = site.convert(frames[0], "a.gif", save_all=True, append_images=frames[1:])
    assert shown.convert("RGB").getpixel((9, 9)) == (255, 0, 0)
    assert getattr(shown, "n_frames", 1) == 1


@pytest.mark.parametrize(
    ("size", "shown"),
    [((5000, 1000), (4096, 819)), ((50, 5000), (41, 4096)), ((4096, 40), (4096, 40))],
)
def test_large_images_are_scaled_down(
    site: Site, size: tuple[int, int], shown: tuple[int, int]
) -> None:
    found = site.convert(Image.new("L", size, 7), "a.png")
    assert found.size == shown
    assert max(found.size) <= SIDE_MAX


# Captions.


@pytest.mark.parametrize(
    ("paragraph", "caption"),
    [
        ("Figure 1. The coast.", Caption("Figure 1", "The coast.")),
        ("FIG. 12: Sand\nand sea", Caption("FIG. 12", "Sand and sea")),
        ("Fig 3a - Sand", Caption("Fig 3a", "Sand")),
        ("**Figure 2.** *Sand*", Caption("Figure 2", "Sand")),
        ("*Figure 2: Sand*", Caption("Figure 2", "Sand")),
        ("Abbildung 4.2: Die Küste", Caption("Abbildung 4.2", "Die Küste")),
        ("Abb. 7 Die Küste", Caption("Abb. 7", "Die Küste")),
        ("Scheme 1", Caption("Scheme 1", None)),
        ("Figure S1 | Sand", Caption("Figure S1", "Sand")),
        ("Supplementary Figure 3. Sand", Caption("Supplementary Figure 3", "Sand")),
        ("Figure 2 shows the coast.", None),
        ("Figure 2, in contrast, is a map.", None),
        ("Figures 1 and 2 are maps.", None),
        ("Figured 3. No", None),
        ("See Figure 2. It", None),
        ("Table 1. Sand", None),
        ("", None),
    ],
)
def test_a_caption_is_told_from_a_sentence(paragraph: str, caption: Caption | None) -> None:
    assert read_caption(paragraph) == caption


def test_the_paragraph_below_gives_caption_and_label(site: Site) -> None:
    site.draw("a.png", "red")
    site.draw("b.png", "blue")
    text = (
        "As Figure 2 shows.\n\n![](a.png)\n\nFigure 1. Red.\n\nText, see Figure 2.\n\n"
        "![image1](b.png)\nFig. 2: Blue.\n\nEnd."
    )
    content = site.link(text)
    assert [(figure.caption, figure.label) for figure in content.figures] == [
        ("Red.", "Figure 1"),
        ("Blue.", "Fig. 2"),
    ]
    named = text.replace("![](a.png)", "![Figure 1](figure-1.png)")
    assert content.text == named.replace("![image1](b.png)", "![Fig. 2](figure-2.png)")


def test_captions_may_be_above() -> None:
    gaps = ["Figure 1. One", "Figure 2. Two", "Figure 3. Three", "The end."]
    assert [caption and caption.text for caption in claim_captions(gaps)] == ["One", "Two", "Three"]


def test_a_caption_is_claimed_once() -> None:
    gaps = ["Intro.", "Figure 1. One", "Text.\n\nText.", "Figure 3. Three"]
    assert [caption and caption.label for caption in claim_captions(gaps)] == [
        "Figure 1",
        None,
        "Figure 3",
    ]


def test_images_side_by_side_share_a_caption() -> None:
    gaps = ["Intro.", "  \n\n", "Figure 1. Both", "# Next\n\nFigure 2. Far"]
    assert [caption and caption.label for caption in claim_captions(gaps)] == ["Figure 1"] * 2 + [
        None
    ]


def test_the_label_of_a_described_image_comes_from_below(site: Site) -> None:
    site.draw("a.png")
    content = site.link("![A red square](a.png)\n\nFigure 1. Colours.")
    assert content.figures == (Figure("figure-1.png", None, "A red square", "Figure 1"),)
    assert content.text.startswith("![A red square](figure-1.png)")


def test_a_caption_in_the_brackets_has_its_label_too(site: Site) -> None:
    site.draw("a.png")
    content = site.link("![Figure 9. Colours.](a.png)")
    assert content.figures == (Figure("figure-1.png", None, "Colours.", "Figure 9"),)


def test_what_the_reader_knew_comes_first(site: Site) -> None:
    site.draw("a.png")
    known = (Figure("a.png", 4, "Known.", "Fig. A"), Figure("unnamed.png"))
    content = site.link("![](a.png)\n\nFigure 1. Colours.", figures=known)
    assert content.figures == (Figure("figure-1.png", 4, "Known.", "Fig. A"),)


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "unit", ["![", "![a](b ", "![a](b '", "`", "![a](", "[![", "~~~\n", "![]()\n\n"]
)
def test_time_grows_with_the_length_whatever_the_text(site: Site, unit: str) -> None:
    site.link(unit * (600_000 // len(unit)))  # with the square of the length, minutes
