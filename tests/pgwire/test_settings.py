"""The settings of a session: defaults, units, zones, what is reported and what is refused."""

import pytest

from server.pgwire.errors import PgError
from server.pgwire.settings import SETTINGS, SessionSettings, path_names

REPORTED = {
    "application_name",
    "client_encoding",
    "DateStyle",
    "default_transaction_read_only",
    "in_hot_standby",
    "integer_datetimes",
    "IntervalStyle",
    "is_superuser",
    "server_encoding",
    "server_version",
    "session_authorization",
    "standard_conforming_strings",
    "TimeZone",
}


@pytest.fixture
def settings() -> SessionSettings:
    return SessionSettings({"session_authorization": "me"})


def test_clients_are_told_what_postgres_tells(settings: SessionSettings) -> None:
    told = settings.reported()
    assert set(told) == REPORTED
    assert told["session_authorization"] == "me"
    assert told["client_encoding"] == "UTF8"


@pytest.mark.parametrize("name", sorted(SETTINGS))
def test_every_setting_is_shown_whatever_its_case(settings: SessionSettings, name: str) -> None:
    assert settings.get(name) == settings.get(name.upper())
    assert [value for each, value, about in settings.all() if each.lower() == name and about] == [
        settings.get(name)
    ]


@pytest.mark.parametrize("name", sorted(SETTINGS))
def test_every_setting_takes_its_default_or_cannot_be_set(
    settings: SessionSettings, name: str
) -> None:
    value = SETTINGS[name].default
    if SETTINGS[name].read is None:
        with pytest.raises(PgError) as caught:
            settings.set(name, value)
        assert caught.value.sqlstate == "55P02"
    else:
        assert settings.set(name, value) == {}
        assert settings.get(name) == value


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", None),
        ("250", 0.25),
        ("250ms", 0.25),
        ("1500 ms", 1.5),
        ("2s", 2.0),
        ("1.5s", 1.5),
        ("1min", 60.0),
        ("1h", 3600.0),
        ("1d", 86_400.0),
    ],
)
def test_a_timeout_has_units(settings: SessionSettings, value: str, seconds: float | None) -> None:
    settings.set("statement_timeout", value)
    assert settings.timeout_s == seconds


@pytest.mark.parametrize("value", ["", "soon", "-1", "1 week", "1e3", "99999999999", "30d"])
def test_a_timeout_that_is_none_is_refused(settings: SessionSettings, value: str) -> None:
    with pytest.raises(PgError) as caught:
        settings.set("statement_timeout", value)
    assert caught.value.sqlstate == "22023"
    assert settings.timeout_s is None


@pytest.mark.parametrize(
    ("value", "zone"),
    [
        ("UTC", "UTC"),
        ("europe/berlin", "Europe/Berlin"),
        ("Asia/Tokyo", "Asia/Tokyo"),
        ("5.5", "+05:30"),
        ("+05:30", "-05:30"),
    ],
)
def test_a_time_zone_is_known_by_its_name(settings: SessionSettings, value: str, zone: str) -> None:
    told = settings.set("TimeZone", value)
    assert settings.get("timezone") == zone
    assert told == ({} if zone == "UTC" else {"TimeZone": zone})


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("timezone", "Mars/Olympus", "22023"),
        ("datestyle", "German", "22023"),
        ("intervalstyle", "iso_8601", "22023"),
        ("bytea_output", "escape", "22023"),
        ("client_encoding", "LATIN1", "22023"),
        ("standard_conforming_strings", "off", "22023"),
        ("default_transaction_read_only", "off", "25006"),
        ("transaction_read_only", "off", "25006"),
        ("transaction_read_only", "perhaps", "22023"),
        ("server_version", "16", "55P02"),
        ("is_superuser", "on", "55P02"),
        ("absent", "1", "42704"),
        ("tidemill.absent", "1", "42704"),
        ("tidemill.keep_results", "perhaps", "22023"),
    ],
)
def test_what_would_change_answers_is_refused(
    settings: SessionSettings, name: str, value: str, code: str
) -> None:
    with pytest.raises(PgError) as caught:
        settings.set(name, value)
    assert caught.value.sqlstate == code


@pytest.mark.parametrize("value", ["utf8", "UTF-8", "unicode", "UTF_8"])
def test_the_encoding_is_always_utf8(settings: SessionSettings, value: str) -> None:
    assert settings.set("client_encoding", value) == {}
    assert settings.get("client_encoding") == "UTF8"


def test_a_name_of_a_client_is_cleaned(settings: SessionSettings) -> None:
    settings.set("application_name", "a\nb\x7fü" + "x" * 100)
    assert settings.get("application_name") == "a?b??" + "x" * 58


def test_the_start_is_what_a_reset_returns_to(settings: SessionSettings) -> None:
    settings.begin({"TimeZone": "Asia/Tokyo", "application_name": "start"})
    settings.set("timezone", "UTC")
    settings.set("my.own", "1")
    assert settings.set("timezone", None) == {"TimeZone": "Asia/Tokyo"}
    settings.set("application_name", "later")
    assert settings.set("all", None) == {"application_name": "start"}
    with pytest.raises(PgError):
        settings.get("my.own")


def test_what_is_set_locally_ends_with_the_transaction(settings: SessionSettings) -> None:
    settings.set("application_name", "before")
    assert settings.set("application_name", "in", is_local=True) == {"application_name": "in"}
    settings.set("application_name", "again", is_local=True)
    settings.set("statement_timeout", "1s", is_local=True)
    assert settings.end_transaction() == {"application_name": "before"}
    assert settings.timeout_s is None
    assert settings.end_transaction() == {}


def test_names_with_a_dot_are_anybodys(settings: SessionSettings) -> None:
    assert settings.set("My.Name", "x") == {}
    assert settings.get("my.name") == "x"
    settings.set("my.name", None)
    with pytest.raises(PgError):
        settings.get("my.name")


def test_own_names_are_bounded(settings: SessionSettings) -> None:
    for number in range(256):
        settings.set(f"my.name{number}", "x")
    with pytest.raises(PgError) as caught:
        settings.set("my.one_more", "x")
    assert caught.value.sqlstate == "53400"
    settings.set("my.name7", "y")


@pytest.mark.parametrize(("value", "kept"), [("on", True), ("true", True), ("off", False)])
def test_results_are_kept_when_asked_for(settings: SessionSettings, value: str, kept: bool) -> None:
    assert not settings.keeps_results
    settings.set("tidemill.keep_results", value)
    assert settings.keeps_results is kept


@pytest.mark.parametrize(
    ("path", "schema"),
    [
        ('"$user", public', None),
        ("main", "main"),
        ("pg_catalog, Sales, main", "sales"),
        ('"Sales"', "Sales"),
        ("", None),
    ],
)
def test_a_search_path_chooses_a_schema(
    settings: SessionSettings, path: str, schema: str | None
) -> None:
    settings.set("search_path", path)
    assert settings.schema == schema


def test_names_of_a_path() -> None:
    assert path_names('a, "B ""c", D') == ["a", 'B "c', "d"]
