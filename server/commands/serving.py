"""``tidemill serve``: say where things are, then serve."""

import socket

from rich.console import Console

from catalog.settings import Settings
from engine.service.data_folder import API_KEY_FILE
from server.app import serve
from server.client import ClientError


def serve_here(settings: Settings, host: str, port: int) -> None:
    """Serve until a signal; tell people on standard error, machines by the log.

    Raises:
        ClientError: the address cannot be listened on.
    """
    _check_free(host, port)
    _introduce(settings, host, port)
    serve(settings, host, port)


def _check_free(host: str, port: int) -> None:
    # Asked here for the sake of a clear sentence; the server's own bind decides.
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        raise ClientError(f"Cannot listen on {host}:{port}: {error.strerror or error}.") from error


def _introduce(settings: Settings, host: str, port: int) -> None:
    folder = settings.data_dir.absolute()
    token = "TIDEMILL_API_KEY" if settings.api_key is not None else folder / API_KEY_FILE
    place = f"http://{host}:{port}" if port else f"a free port of {host}, named in the log"
    Console(stderr=True).print(
        f"Tidemill on {place} (API page at /docs)\nData folder: {folder}\nAPI token: {token}",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )
