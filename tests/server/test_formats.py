"""Which encoding an Accept header gets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.wire.formats import RESULT_FORMATS, accepted_format


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (None, "json"),
        ("application/json", "json"),
        ("application/vnd.apache.arrow.stream", "arrow"),
        ("APPLICATION/VND.APACHE.ARROW.STREAM", "arrow"),
        ("application/vnd.apache.arrow.stream, application/json;q=0.1", "arrow"),
        ("text/csv;q=0.2, application/json;q=0.8", "json"),
        ("application/vnd.apache.parquet", "parquet"),
        ("image/png", "json"),
        ("text/csv;q=banana", "json"),
    ],
)
def test_the_preferred_known_encoding_wins(accept: str | None, expected: str) -> None:
    assert accepted_format(accept, RESULT_FORMATS) == expected


def test_an_encoding_the_route_does_not_offer_is_not_chosen() -> None:
    assert accepted_format("application/vnd.apache.parquet", ("json", "csv")) == "json"


@given(st.text())
def test_any_header_gets_an_encoding_the_route_offers(accept: str) -> None:
    assert accepted_format(accept, RESULT_FORMATS) in RESULT_FORMATS
