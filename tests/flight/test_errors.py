"""The table of errors: every error of ours has a status, and none shows a traceback."""

import traceback

import pyarrow.flight as fl
import pytest

import server.errors as door_errors
from engine import errors
from engine.errors import EngineError
from server.flight.errors import flight_error


def every(kind: type[EngineError]) -> list[type[EngineError]]:
    return [kind, *(each for below in kind.__subclasses__() for each in every(below))]


# Not those of modules that only other tests import: the names of tests are the same in every process.
MODULES = {"engine.errors", "server.errors", "server.flight.commands", "server.flight.protobuf"}
KINDS = sorted(
    {each for each in every(EngineError) if each.__module__ in MODULES},
    key=lambda each: each.__qualname__,
)


def made(kind: type[EngineError]) -> EngineError:
    if kind is door_errors.MethodUnknown:
        return door_errors.MethodUnknown(("GET",))
    return kind("Our sentence.")


@pytest.mark.parametrize("is_schema", [False, True], ids=["any_call", "get_schema"])
@pytest.mark.parametrize("kind", KINDS, ids=lambda each: each.__qualname__)
def test_every_error_is_one_that_pyarrow_shows_without_a_traceback(
    kind: type[EngineError], is_schema: bool
) -> None:
    shown = flight_error(made(kind), is_schema=is_schema)
    if isinstance(shown, fl.FlightError):
        assert not is_schema
    else:
        with pytest.raises(RuntimeError):
            traceback.format_exception(type(shown), shown, None)
    if kind is not door_errors.MethodUnknown:
        assert str(shown) == "Our sentence"


def test_what_is_no_error_of_ours_keeps_its_text_to_itself() -> None:
    shown = flight_error(ValueError("a secret path"))
    assert isinstance(shown, fl.FlightInternalError)
    assert str(shown) == "Internal server error"


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        (errors.SqlInvalid, ValueError),
        (errors.NotFound, KeyError),
        (errors.QueryTimeout, fl.FlightTimedOutError),
        (errors.QueryCancelled, fl.FlightCancelledError),
        (errors.Overloaded, fl.FlightUnavailableError),
        (errors.ResourceExhausted, fl.FlightServerError),
        (errors.PermissionDenied, fl.FlightUnauthorizedError),
        (errors.QueryCrashed, fl.FlightInternalError),
        (errors.RemoteError, fl.FlightServerError),
        (door_errors.UnknownToken, fl.FlightUnauthenticatedError),
        (door_errors.Draining, fl.FlightUnavailableError),
    ],
    ids=lambda each: each.__name__,
)
def test_errors_have_the_status_that_clients_act_on(
    kind: type[EngineError], status: type[Exception]
) -> None:
    assert isinstance(flight_error(kind("Our sentence.")), status)
