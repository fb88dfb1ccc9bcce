"""Makers of marked up documents: JATS articles, MECA archives, Word files, pages."""

import io
import zipfile
from collections.abc import Callable, Mapping
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

from docx import Document
from PIL import Image

from engine.documents.content import Content, Source
from engine.documents.media_types import sniff

Reader = Callable[[Source, Path, Mapping[str, Any], Callable[[int, int], None]], Content]

XLINK = 'xmlns:xlink="http://www.w3.org/1999/xlink"'
MML = 'xmlns:mml="http://www.w3.org/1998/Math/MathML"'
DOCTYPE = (
    '<!DOCTYPE article PUBLIC "-//NLM//DTD JATS (Z39.96) Journal Archiving and Interchange DTD '
    'v1.2 20190208//EN" "JATS-archivearticle1.dtd">'
)

FRONT = """<front>
<journal-meta><journal-title-group><journal-title>Journal of Shore Studies</journal-title>
</journal-title-group><issn pub-type="epub">1234-5678</issn>
<publisher><publisher-name>Shore Press</publisher-name></publisher></journal-meta>
<article-meta><article-id pub-id-type="doi">10.5555/shore.2024.7</article-id>
<article-id pub-id-type="pmid">38000001</article-id>
<article-categories><subj-group><subject>Oceanography</subject></subj-group></article-categories>
<title-group><article-title>Tides of the <italic>northern</italic> shore</article-title></title-group>
<contrib-group>
<contrib contrib-type="author"><contrib-id contrib-id-type="orcid">https://orcid.org/0000-0002-1825-0097</contrib-id>
<name><surname>Okafor</surname><given-names>Ada</given-names></name><xref ref-type="aff" rid="a1">1</xref></contrib>
<contrib contrib-type="author"><name><surname>Lindqvist</surname><given-names>Bo</given-names></name></contrib>
<contrib contrib-type="editor"><name><surname>Nobody</surname><given-names>Ed</given-names></name></contrib>
<aff id="a1"><label>1</label>Institute of the Shore, Bergen</aff>
</contrib-group>
<pub-date pub-type="collection"><year>2023</year></pub-date>
<pub-date pub-type="epub"><day>5</day><month>3</month><year>2024</year></pub-date>
<volume>12</volume><issue>3</issue><fpage>101</fpage><lpage>109</lpage>
<permissions><license xlink:href="https://creativecommons.org/licenses/by/4.0/"><license-p>Open.</license-p></license></permissions>
<abstract><p>We measured the tide at nine stations.</p></abstract>
<kwd-group><kwd>tide</kwd><kwd>sea level</kwd></kwd-group>
</article-meta></front>"""

BODY = """<body>
<sec id="s1"><label>1</label><title>Introduction</title>
<p>The sea rises by <bold>3.4 mm</bold> a year<sup><xref ref-type="bibr" rid="r1">1</xref></sup>, as CO<sub>2</sub>
warms it (10<sup>-3</sup> K).<!-- a remark --> See <xref ref-type="fig" rid="f1">Figure 1</xref>.</p>
<sec><title>Earlier work</title>
<p>Three reasons were given:<list list-type="order"><list-item><p>warming water,</p></list-item>
<list-item><p>melting ice:</p><list list-type="bullet"><list-item><p>of land</p></list-item>
<list-item><p>of sea</p></list-item></list></list-item>
<list-item><p>sinking land.</p></list-item></list>All three hold.</p>
</sec></sec>
<sec><title>Methods</title>
<p>Energy is <inline-formula><mml:math><mml:mi>E</mml:mi><mml:mo>=</mml:mo><mml:mi>m</mml:mi><mml:msup><mml:mi>c</mml:mi><mml:mn>2</mml:mn></mml:msup></mml:math></inline-formula>,
and the height follows</p>
<disp-formula id="e1"><label>(1)</label><alternatives><tex-math>\\documentclass{minimal}\\begin{document}$$h = \\frac{a}{b}$$\\end{document}</tex-math><mml:math><mml:mi>h</mml:mi></mml:math></alternatives></disp-formula>
<fig id="f1"><label>Figure 1</label><caption><title>The stations.</title><p>Nine of them, <italic>north</italic> to south.</p></caption>
<graphic xlink:href="figures/f1.png"/></fig>
<table-wrap id="t1"><label>Table 1</label><caption><p>Mean level by station.</p></caption>
<table><thead><tr><th rowspan="2">Station</th><th colspan="2">Level (cm)</th></tr><tr><th>1990</th><th>2020</th></tr></thead>
<tbody><tr><td>Bergen</td><td>12.1</td><td>22.3</td></tr><tr><td>Oslo|Moss</td><td>9.8</td><td>15.0</td></tr></tbody></table>
<table-wrap-foot><fn><label>a</label><p>Above the datum of 1900.</p></fn></table-wrap-foot></table-wrap>
<boxed-text><caption><title>Key point</title></caption><p>Measure twice.</p></boxed-text>
<p>Last words<fn id="n1"><p>Said in Bergen.</p></fn> follow.</p>
</sec>
</body>"""

BACK = """<back><ack><p>We thank the harbour masters.</p></ack>
<fn-group><fn><p>No competing interests.</p></fn></fn-group>
<ref-list><title>References</title>
<ref id="r1"><label>1</label><mixed-citation publication-type="journal"><name><surname>Moen</surname><given-names>K</given-names></name>.
<article-title>Sea and land</article-title>. <source>Tidal Letters</source>. <year>2001</year>;<volume>4</volume>:<fpage>1</fpage>.</mixed-citation></ref>
<ref id="r2"><label>2</label><element-citation publication-type="journal"><person-group person-group-type="author"><name><surname>Ito</surname><given-names>R</given-names></name><name><surname>Park</surname><given-names>S</given-names></name></person-group><article-title>Gauges</article-title><source>J Meas</source><year>1999</year><volume>7</volume><issue>2</issue><fpage>30</fpage><lpage>41</lpage><pub-id pub-id-type="doi">10.5555/x</pub-id></element-citation></ref>
</ref-list></back>"""

MANIFEST = """<?xml version="1.0" encoding="UTF-8"?>
<manifest xmlns="https://manuscriptexchange.org/schema/manifest" xmlns:xlink="http://www.w3.org/1999/xlink" manifest-version="1">
<item id="i1" item-type="article"><instance media-type="application/xml" href="content/shore.xml"/>
<instance media-type="application/pdf" href="content/shore.pdf"/></item>
<item id="i2" item-type="figure"><instance media-type="image/png" xlink:href="content/figures/f1.png"/></item>
</manifest>"""


def article(
    body: str = BODY, *, front: str = FRONT, back: str = BACK, doctype: str = DOCTYPE
) -> str:
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n{doctype}\n'
        f'<article article-type="research-article" xml:lang="en" {XLINK} {MML}>'
        f"{front}{body}{back}</article>"
    )


def png(width: int = 8, *, colour: str = "navy") -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (width, 8), colour).save(buffer, "PNG")
    return buffer.getvalue()


def zipped(members: Mapping[str, bytes | str]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def word_file(write: Callable[[Any], None]) -> bytes:
    document = Document()
    write(document)
    buffer = io.BytesIO()
    document.save(buffer)
    return buffer.getvalue()


def with_member(data: bytes, name: str, change: Callable[[bytes], bytes | str]) -> bytes:
    """A ZIP with one member changed, or added when it has none of the name."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members: dict[str, bytes | str] = {each: archive.read(each) for each in archive.namelist()}
    old = members.get(name, b"")
    assert isinstance(old, bytes)
    return zipped({**members, name: change(old)})


def read(reader: Reader, folder: Path, data: bytes | str, name: str = "file") -> Content:
    """Read data as a file; the images are in ``folder / "out"``."""
    path, output = folder / "input", folder / "out"
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    output.mkdir(exist_ok=True)
    return reader(Source(path, name, sniff(path, name)), output, {}, lambda _done, _total: None)


def accuracy(expected: str, found: str) -> float:
    """The share of characters that agree, white space aside."""
    return SequenceMatcher(
        None, " ".join(expected.split()), " ".join(found.split()), autojunk=False
    ).ratio()
