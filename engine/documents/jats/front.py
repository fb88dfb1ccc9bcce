"""What the front of a JATS article says of it: title, authors, DOI, journal, date, keywords.

The result is JSON: texts and lists of texts, and a key only where the article says something. The trap: an
article has several dates, for print, web and collection; the first to be read by anybody is meant.
"""

import re
from typing import Any

from engine.documents.markup.xml_input import Element, attribute, child, children, plain_text

_DATE_ORDER = ("epub", "pub", "ppub", "epub-ppub", "collection", "preprint", "")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_AUTHORS_MAX = 5_000
_ORCID = re.compile(r"\d{4}-\d{4}-\d{4}-\d{3}[\dX]")


def article_metadata(article: Element, title: str | None) -> dict[str, Any]:
    """What the front says.

    Args:
        article: the root of the article, or a ``sub-article``.
        title: its title.

    Returns:
        Some of ``title``, ``authors``, ``affiliations``, ``orcids``, ``doi``, ``pmid``, ``journal``,
        ``publisher``, ``issn``, ``publication_date`` (ISO 8601, as far as it is known), ``volume``,
        ``issue``, ``first_page``, ``last_page``, ``keywords``, ``subjects``, ``article_type``,
        ``license`` and ``language``.
    """
    journal = child(article, "front", "journal-meta")
    meta = child(article, "front", "article-meta")
    found: dict[str, Any] = {
        "title": title,
        "authors": author_names(article),
        "affiliations": _affiliations(meta),
        "orcids": _orcids(meta),
        "journal": _journal_title(journal),
        "publisher": plain_text(child(journal, "publisher", "publisher-name")),
        "issn": plain_text(child(journal, "issn")),
        "publication_date": _publication_date(meta),
        "keywords": _texts(meta, "kwd-group", "kwd"),
        "subjects": _texts(child(meta, "article-categories"), "subj-group", "subject"),
        "article_type": article.get("article-type"),
        "language": attribute(article, "lang"),
        "license": _license(meta),
        **_identifiers(meta),
    }
    for key in ("volume", "issue", "fpage", "lpage", "elocation-id"):
        name = {"fpage": "first_page", "lpage": "last_page"}.get(key, key.replace("-", "_"))
        found[name] = plain_text(child(meta, key))
    return {key: value for key, value in found.items() if value}


def author_names(article: Element) -> list[str]:
    """The authors in order, ``Given Surname`` each, groups by their name."""
    meta = child(article, "front", "article-meta")
    if meta is None:
        meta = child(article, "front-stub")
    contributors = [
        each for group in children(meta, "contrib-group") for each in children(group, "contrib")
    ]
    authors = [each for each in contributors if each.get("contrib-type", "author") == "author"]
    return [name for each in authors[:_AUTHORS_MAX] if (name := _contributor_name(each))]


def _contributor_name(contributor: Element) -> str:
    holders = [contributor, *children(contributor, "name-alternatives")]
    names = ("name", "string-name", "collab", "on-behalf-of")
    found = [each for holder in holders for each in children(holder, *names)]
    if found:
        return person_name(found[0])
    return "Anonymous" if child(contributor, "anonymous") is not None else ""


def person_name(element: Element) -> str:
    """A ``name``, ``string-name`` or ``collab`` as text, given names first."""
    named = {
        part: plain_text(child(element, part)) for part in ("given-names", "surname", "suffix")
    }
    if not named["surname"]:
        group = child(element, "institution")
        return plain_text(element if group is None else group)
    prefix = plain_text(child(element, "prefix"))
    eastern = element.get("name-style") == "eastern"
    order = ("surname", "given-names") if eastern else ("given-names", "surname")
    parts = (prefix, *(named[part] for part in order), named["suffix"])
    return " ".join(part for part in parts if part)


def _affiliations(meta: Element | None) -> list[str]:
    if meta is None:
        return []
    found = []
    for each in meta.iter("{*}aff"):
        label = plain_text(child(each, "label"))
        found.append(plain_text(each).removeprefix(label).strip(" ,;"))
    return list(dict.fromkeys(text for text in found if text))


def _orcids(meta: Element | None) -> list[str]:
    if meta is None:
        return []
    found = (_ORCID.search(plain_text(each)) for each in meta.iter("{*}contrib-id"))
    return [match[0] for match in found if match]


def _journal_title(journal: Element | None) -> str:
    for path in (("journal-title-group", "journal-title"), ("journal-title",), ("journal-id",)):
        text = plain_text(child(journal, *path))
        if text:
            return text
    return ""


def _identifiers(meta: Element | None) -> dict[str, str]:
    found: dict[str, str] = {}
    for each in children(meta, "article-id"):
        kind = each.get("pub-id-type", "")
        if kind in {"doi", "pmid", "pmc", "pmcid"}:
            found.setdefault("pmcid" if kind.startswith("pmc") else kind, plain_text(each))
    return found


def _texts(parent: Element | None, group: str, name: str) -> list[str]:
    found = [
        plain_text(each)
        for holder in children(parent, group)
        for each in holder.iter(f"{{*}}{name}")
    ]
    return list(dict.fromkeys(text for text in found if text))


def _license(meta: Element | None) -> str:
    element = child(meta, "permissions", "license")
    if element is None:
        return ""
    return attribute(element, "href") or plain_text(child(element, "license_ref"))


def _publication_date(meta: Element | None) -> str:
    dates = children(meta, "pub-date")
    if not dates:
        return ""
    return min((_date_rank(each), _iso_date(each)) for each in dates)[1]


def _date_rank(element: Element) -> int:
    kind = element.get("pub-type") or element.get("date-type") or ""
    if element.get("publication-format") == "electronic" and kind == "pub":
        kind = "epub"
    return _DATE_ORDER.index(kind) if kind in _DATE_ORDER else len(_DATE_ORDER)


def _iso_date(element: Element) -> str:
    year, month, day = (plain_text(child(element, part)) for part in ("year", "month", "day"))
    if not re.fullmatch(r"\d{4}", year):
        return str(element.get("iso-8601-date", ""))
    number = _month_number(month)
    if number is None:
        return year
    if not re.fullmatch(r"\d{1,2}", day, re.ASCII):
        return f"{year}-{number:02}"
    return f"{year}-{number:02}-{int(day):02}"


def _month_number(text: str) -> int | None:
    if re.fullmatch(r"\d{1,2}", text, re.ASCII):
        return int(text)
    short = text[:3].lower()
    return _MONTHS.index(short) + 1 if short in _MONTHS else None
