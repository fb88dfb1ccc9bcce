"""``tidemill serve``: try what a start needs, say where things are, then serve.

The trial is for the sake of one clear sentence: the server's own bind, lock and opening decide.
"""

import asyncio
import socket

from rich.console import Console

from catalog.settings import Settings
from engine.service.context import Engine
from engine.service.data_folder import API_KEY_FILE, DataFolder
from server.app import serve
from server.client import ClientError
from server.observe import configure_logging


def serve_here(settings: Settings, host: str, port: int) -> None:
    """Serve until a signal; tell people on standard error, machines by the log.

    Raises:
        ClientError: the address cannot be listened on.
        EngineError: the data folder is in use, or the catalog cannot be opened.
    """
    configure_logging(settings)
    for each in (port, settings.pg_port, settings.flight_port):
        _check_free(host, each)
    DataFolder.open(settings.data_dir).lock().close()
    asyncio.run(_check_catalog(settings))
    _introduce(settings, host, port)
    serve(settings, host, port)


def _check_free(host: str, port: int) -> None:
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        raise ClientError(f"Cannot listen on {host}:{port}: {error.strerror or error}.") from error


async def _check_catalog(settings: Settings) -> None:
    engine = await Engine.open(settings, serve=False)
    await engine.close()


def _introduce(settings: Settings, host: str, port: int) -> None:
    folder = settings.data_dir.absolute()
    token = "TIDEMILL_API_KEY" if settings.api_key is not None else folder / API_KEY_FILE
    others = {"Postgres": settings.pg_port, "Flight SQL": settings.flight_port}
    clients = "".join(f"\n{name} clients: {host}:{at}" for name, at in others.items() if at)
    place = f"http://{host}:{port}" if port else f"a free port of {host}, named in the log"
    Console(stderr=True).print(
        f"Tidemill on {place} (API page at /docs){clients}\nData folder: {folder}\nAPI token: {token}",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )
