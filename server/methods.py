"""Which methods a path has: the router itself names those of the first route only."""

from fastapi.routing import iter_route_contexts
from starlette.requests import Request
from starlette.routing import Match


def methods_of(request: Request) -> tuple[str, ...]:
    """Collect the methods of every route of the application that has this path, in alphabetical order."""
    scope = {**request.scope, "method": ""}
    return tuple(
        sorted(
            method
            for route in iter_route_contexts(request.app.routes)
            if route.matches(scope)[0] is not Match.NONE
            for method in getattr(route, "methods", None) or ()
        )
    )
