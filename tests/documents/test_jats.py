"""JATS articles: all of their text, in structure, and nothing that their XML is up to."""

from pathlib import Path

import pytest

from engine.documents.content import Content, read_content, write_content
from engine.documents.jats.extract import extract_jats
from engine.errors import DocumentInvalid
from tests.documents.markup_files import DOCTYPE, accuracy, article, read

SOURCE_TEXT = """# Tides of the *northern* shore
Ada Okafor, Bo Lindqvist
## Abstract
We measured the tide at nine stations.
## 1 Introduction
The sea rises by **3.4 mm** a year[1], as CO2 warms it (10^-3 K). See Figure 1.
### Earlier work
Three reasons were given:
1. warming water,
2. melting ice:
   - of land
   - of sea
3. sinking land.

All three hold.
## Methods
Energy is $E=mc^2$, and the height follows
$$ h = \\frac{a}{b} $$ (1)
![Figure 1. The stations. Nine of them, *north* to south.](f1.png)
**Table 1.** Mean level by station.
| Station | Level (cm) | Level (cm) |
| --- | --- | --- |
| Station | 1990 | 2020 |
| Bergen | 12.1 | 22.3 |
| Oslo\\|Moss | 9.8 | 15.0 |

a Above the datum of 1900.
**Key point.**
Measure twice.
Last words[^1] follow.
## Acknowledgements
We thank the harbour masters.
## Notes
No competing interests.
## References
1. Moen K. Sea and land. Tidal Letters. 2001;4:1.
2. R Ito, S Park. (1999). Gauges. J Meas. 7(2): 30-41. doi: 10.5555/x.

[^1]: Said in Bergen."""


def body(xml: str) -> str:
    return f"<body>{xml}</body>"


def text_of(folder: Path, xml: str) -> str:
    whole = article(body(xml), front="<front><article-meta/></front>", back="")
    return read(extract_jats, folder, whole, "a.xml").text


def refusal(folder: Path, data: str | bytes) -> str:
    with pytest.raises(DocumentInvalid) as caught:
        read(extract_jats, folder, data, "a.xml")
    assert str(folder) not in caught.value.message
    return caught.value.message


def test_an_article_becomes_markdown_with_all_of_its_text(tmp_path: Path) -> None:
    content = read(extract_jats, tmp_path, article(), "a.xml")
    assert accuracy(SOURCE_TEXT, content.text) >= 0.99
    lines = content.text.splitlines()
    for line in SOURCE_TEXT.splitlines():
        assert line in lines
    assert content.title == "Tides of the northern shore"


def test_a_figure_without_its_file_is_named_in_the_text_and_warned_of(tmp_path: Path) -> None:
    content = read(extract_jats, tmp_path, article(), "a.xml")
    assert "](f1.png)" in content.text
    assert content.figures == ()
    assert "1 image is named" in content.warnings[0]


def test_metadata_is_what_the_front_says_and_survives_the_folder(tmp_path: Path) -> None:
    content = read(extract_jats, tmp_path, article(), "a.xml")
    assert content.metadata == {
        "title": "Tides of the northern shore",
        "authors": ["Ada Okafor", "Bo Lindqvist"],
        "affiliations": ["Institute of the Shore, Bergen"],
        "orcids": ["0000-0002-1825-0097"],
        "doi": "10.5555/shore.2024.7",
        "pmid": "38000001",
        "journal": "Journal of Shore Studies",
        "publisher": "Shore Press",
        "issn": "1234-5678",
        "publication_date": "2024-03-05",
        "volume": "12",
        "issue": "3",
        "first_page": "101",
        "last_page": "109",
        "keywords": ["tide", "sea level"],
        "subjects": ["Oceanography"],
        "article_type": "research-article",
        "license": "https://creativecommons.org/licenses/by/4.0/",
        "language": "en",
    }
    write_content(content, tmp_path)
    assert read_content(tmp_path) == content


def test_content_without_metadata_is_read_back(tmp_path: Path) -> None:
    write_content(Content(text="a"), tmp_path)
    assert read_content(tmp_path) == Content(text="a", metadata={})


@pytest.mark.parametrize("doctype", [DOCTYPE, "", "<!DOCTYPE article>"])
def test_a_doctype_is_accepted_and_not_needed(tmp_path: Path, doctype: str) -> None:
    content = read(extract_jats, tmp_path, article(doctype=doctype), "a.xml")
    assert accuracy(SOURCE_TEXT, content.text) >= 0.99


def test_entities_of_the_public_dtd_are_read_by_their_names(tmp_path: Path) -> None:
    assert text_of(tmp_path, "<p>5&nbsp;&micro;m &amp; &#955;&unheardof;</p>") == "5 µm & λ"


def test_sections_are_headings_by_depth_down_to_six(tmp_path: Path) -> None:
    xml = "".join(f"<sec><title>T{depth}</title>" for depth in range(8)) + "</sec>" * 8
    lines = text_of(tmp_path, xml).split("\n\n")
    assert lines == [
        *("## T0", "### T1", "#### T2", "##### T3", "###### T4"),
        *("###### T5", "###### T6", "###### T7"),
    ]


def test_spans_of_a_table_are_repeated_in_every_cell(tmp_path: Path) -> None:
    rows = (
        '<tr><td rowspan="3">a</td><td>b</td><td rowspan="2">c</td></tr>'
        "<tr><td>d</td></tr><tr><td>e</td><td>f</td></tr><tr><td colspan='2'>g</td></tr>"
    )
    assert text_of(tmp_path, f"<table-wrap><table>{rows}</table></table-wrap>").splitlines() == [
        "| a | b | c |",
        "| --- | --- | --- |",
        "| a | d | c |",
        "| a | e | f |",
        "| g | g |  |",
    ]


def test_a_table_as_a_picture_is_an_image(tmp_path: Path) -> None:
    xml = '<table-wrap><label>Table 2</label><graphic xlink:href="t2"/></table-wrap>'
    assert text_of(tmp_path, xml) == "**Table 2**\n\n![Table 2](t2)"


def test_mathml_keeps_the_meaning_of_its_shape(tmp_path: Path) -> None:
    fraction = "<mml:mfrac><mml:mi>a</mml:mi><mml:mrow><mml:mi>b</mml:mi><mml:mo>+</mml:mo><mml:mn>1</mml:mn></mml:mrow></mml:mfrac>"
    root = "<mml:msqrt><mml:msub><mml:mi>x</mml:mi><mml:mi>i</mml:mi></mml:msub></mml:msqrt>"
    xml = f"<disp-formula><mml:math>{fraction}{root}</mml:math></disp-formula>"
    assert text_of(tmp_path, xml) == "$$ a/(b+1)sqrt(x_i) $$"


def test_an_oasis_table_is_read(tmp_path: Path) -> None:
    row = "<row><entry>{}</entry><entry>{}</entry></row>"
    groups = f"<thead>{row.format('h', 'i')}</thead><tbody>{row.format(1, 2)}</tbody>"
    xml = f"<table-wrap><table><tgroup cols='2'>{groups}</tgroup></table></table-wrap>"
    assert text_of(tmp_path, xml) == "| h | i |\n| --- | --- |\n| 1 | 2 |"


def test_a_review_in_the_article_is_read_with_its_title(tmp_path: Path) -> None:
    review = (
        "<sub-article><front-stub><title-group><article-title>Letter</article-title></title-group>"
        "</front-stub><body><p>Revise.</p></body></sub-article>"
    )
    text = read(extract_jats, tmp_path, article(back=review), "a.xml").text
    assert text.split("\n\n")[-3:-1] == ["## Letter", "Revise."]


def test_text_is_read_once_whatever_it_stands_in(tmp_path: Path) -> None:
    xml = (
        "<p>q0 <unheard-of>q1 <bold>q2</bold></unheard-of> q3 <list><list-item><p>q4</p></list-item>"
        "</list> q5</p><disp-quote><p>q6</p><attrib>q7</attrib></disp-quote><unheard-of><p>q8</p>q9"
        "</unheard-of><speech><speaker>q10</speaker><p>q11</p></speech><def-list><def-item>"
        "<term>q12</term><def><p>q13</p></def></def-item></def-list><code>q14\n  q15</code>"
    )
    text = text_of(tmp_path, xml)
    words = [f"q{number}" for number in range(16)]
    assert [
        word for word in text.replace("*", " ").replace(":", " ").split() if word in words
    ] == words


def test_a_paragraph_like_a_heading_does_not_become_one(tmp_path: Path) -> None:
    assert text_of(tmp_path, "<p># 1 in the queue</p>") == "\\# 1 in the queue"


LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 12))


@pytest.mark.parametrize(
    "declared",
    [
        f'<!ENTITY l0 "lol">{LAUGHS}',
        f'<!ENTITY big "{"x" * 100_000}">',
        '<!ENTITY secret SYSTEM "file:///etc/passwd">',
        '<!ENTITY secret SYSTEM "http://127.0.0.1:9/x">',
        '<!ENTITY % more SYSTEM "file:///etc/passwd"> %more;',
        "<!ENTITY % more \"<!ENTITY inner 'x'>\"> %more;",
    ],
    ids=["laughs", "quadratic", "file", "http", "parameter-file", "parameter"],
)
def test_declared_entities_are_refused(tmp_path: Path, declared: str) -> None:
    names = {"l11", "big", "secret"}
    used = "".join(f"&{name};" for name in names if f"ENTITY {name} " in declared)
    xml = article(body(f"<p>{used * 50}</p>"), doctype=f"<!DOCTYPE article [{declared}]>")
    message = refusal(tmp_path, xml)
    assert "entities" in message or "not well-formed" in message


def test_an_external_dtd_is_not_loaded(tmp_path: Path) -> None:
    dtd = tmp_path / "a.dtd"
    dtd.write_text('<!ENTITY lambda "LOADED">')
    doctype = f'<!DOCTYPE article SYSTEM "{dtd.as_uri()}">'
    text = read(
        extract_jats, tmp_path, article(body("<p>&lambda;</p>"), doctype=doctype), "a.xml"
    ).text
    assert "λ" in text
    assert "LOADED" not in text


def test_xinclude_includes_nothing(tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("hidden words")
    include = f'<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href="{secret.as_uri()}" parse="text"/>'
    assert text_of(tmp_path, f"<p>a {include} b</p>") == "a b"


@pytest.mark.parametrize("tag", ["sec", "bold", "list", "mml:mrow"])
def test_deep_nesting_is_refused_or_read_flat(tmp_path: Path, tag: str) -> None:
    deep = f"<{tag}>" * 100_000 + "x" + f"</{tag}>" * 100_000
    assert "not well-formed" in refusal(tmp_path, article(body(f"<p>{deep}</p>")))
    shallow = f"<{tag}>" * 200 + "x" + f"</{tag}>" * 200
    assert "x" in text_of(tmp_path, f"<p>{shallow}</p>")


def test_a_huge_attribute_is_refused(tmp_path: Path) -> None:
    assert "not well-formed" in refusal(
        tmp_path, article(body(f'<p id="{"x" * 11_000_000}">a</p>'))
    )


def test_a_table_of_huge_spans_is_refused(tmp_path: Path) -> None:
    row = f'<tr><td colspan="1000" rowspan="1000">{"x" * 2000}</td></tr>'
    xml = article(body(f"<table-wrap><table>{row * 1000}</table></table-wrap>"))
    assert "too many cells" in refusal(tmp_path, xml)


def test_many_tables_of_wide_spans_are_refused(tmp_path: Path) -> None:
    table = f'<table><tr><td colspan="1000">{"x" * 5000}</td></tr></table>'
    assert "characters of text" in refusal(tmp_path, article(body(table * 12)))


@pytest.mark.parametrize("data", ["<article>", "<article><p></article>", "", "\0\0", "<a/>"])
def test_what_is_no_article_is_refused(tmp_path: Path, data: str) -> None:
    assert refusal(tmp_path, data).endswith(".")


def test_other_encodings_are_read(tmp_path: Path) -> None:
    xml = article(body("<p>Ærøskøbing</p>")).replace('encoding="UTF-8"', 'encoding="UTF-16"')
    assert "Ærøskøbing" in read(extract_jats, tmp_path, xml.encode("utf-16"), "a.xml").text
