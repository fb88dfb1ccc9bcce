"""The peer of ``bench/http_query.py``: SQL in, rows out, nothing checked, recorded or kept."""

import os

import orjson
from datafusion import RuntimeEnvBuilder, SessionConfig, SessionContext
from fastapi import FastAPI, Request, Response

app = FastAPI()
_RUNTIME = RuntimeEnvBuilder()
_POINTS = os.environ["BENCH_POINTS"]


@app.post("/inline")
async def query_inline(request: Request) -> Response:
    """Run the query on the event loop: fastest for one short query, and blocks all others."""
    return _answer(orjson.loads(await request.body())["sql"])


@app.post("/thread")
def query_in_thread(body: dict[str, str]) -> Response:
    """Run the query in FastAPI's thread pool, as a plain ``def`` route does."""
    return _answer(body["sql"])


def _answer(sql: str) -> Response:
    context = SessionContext(SessionConfig(), _RUNTIME)
    if "points" in sql:
        context.register_parquet("points", f"{_POINTS}/")
    frame = context.sql(sql)
    columns = frame.to_pydict()
    rows = list(zip(*columns.values(), strict=True))
    content = {"columns": list(columns), "rows": rows}
    return Response(orjson.dumps(content, default=str), media_type="application/json")
