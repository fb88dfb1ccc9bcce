"""The documents that are measured: text, PDFs and scans, the same for the same seed."""

import numpy as np
from fpdf import FPDF
from PIL import Image, ImageDraw, ImageFont

_WORDS = [
    "river",
    "mountain",
    "engine",
    "protein",
    "market",
    "harvest",
    "signal",
    "copper",
    "theory",
    "winter",
    "bridge",
    "carbon",
    "vessel",
    "argument",
    "library",
    "pressure",
    "garden",
    "circuit",
    "enzyme",
    "treaty",
    "coast",
    "ladder",
    "mirror",
    "orbit",
    "pattern",
    "quarry",
    "resin",
    "saddle",
    "timber",
    "valley",
    "window",
    "yeast",
    "zinc",
    "anchor",
    "basin",
    "canvas",
]


def text_pdf(seed: int, pages: int) -> bytes:
    """Write a PDF of text with headings; the same seed makes the same text."""
    pdf = FPDF()
    for page in range(pages):
        pdf.add_page()
        pdf.set_font("helvetica", "B", 15)
        title = f"{page + 1}. {sentence(seed * pages + page, 4).capitalize()}"
        pdf.cell(0, 10, title, new_x="LMARGIN", new_y="NEXT")
        pdf.set_font("helvetica", size=10)
        for paragraph in range(6):
            text = sentence((seed * pages + page) * 10 + paragraph, 80)
            pdf.multi_cell(0, 5, f"{text}.", new_x="LMARGIN", new_y="NEXT")
            pdf.ln(3)
    return bytes(pdf.output())


def scan(seed: int) -> Image.Image:
    """Draw a page of A4 at 250 dpi."""
    image = Image.new("L", (2067, 2923), 255)
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(size=40)
    for line in range(40):
        draw.text((150, 150 + 64 * line), sentence(seed * 40 + line, 11), font=font, fill=0)
    return image


def sentence(seed: int, words: int) -> str:
    rng = np.random.default_rng(seed)
    return " ".join(rng.choice(_WORDS, words))
