"""The key of an embedding provider: in no answer, no line of the log and no file of a real server."""

from pathlib import Path
from typing import Any

import pytest

from tests.server.running import serving

pytestmark = pytest.mark.system

CANARY = "canary-sk-e41c"
CONFIG = {"base_url": "http://127.0.0.1:1/v1", "model": "m"}
JSON = {"Content-Type": "application/json"}


def test_a_key_shows_nowhere(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    good: dict[str, Any] = {"name": "a", "provider_type": "service", "config": CONFIG}
    bodies: list[dict[str, Any]] = [
        {**good, "api_key": CANARY},
        {**good, "api_key": CANARY},  # taken
        {**good, "api_key": CANARY, "secret_name": "x"},
        {**good, "api_key": [CANARY]},
        {"api_key": CANARY},
        {**good, "config": {**CONFIG, "api_key": CANARY}},
        {**good, "config": {**CONFIG, "headers": {"Authorization": CANARY}}},
        {**good, "config": {**CONFIG, "model": [CANARY]}},
        {**good, "config": {**CONFIG, "base_url": f"https://u:{CANARY}@h/v1"}},
        {**good, "config": {**CONFIG, "base_url": f"https://h/v1?k={CANARY}"}},
    ]
    with serving(data_dir, log_level="debug") as server, server.client() as client:
        path = "/v1/embedding-providers"
        answers = [client.post(path, json=body) for body in bodies]
        assert [answer.is_success for answer in answers] == [True] + [False] * 9
        made = f"{path}/{answers[0].json()['id']}"
        answers += [client.put(made, json=body) for body in (*bodies, {"api_key": CANARY})]
        answers += [client.get(path), client.get(made), client.get("/v1/secrets")]
        answers.append(client.post(path, content=f'{{"api_key": "{CANARY}", ', headers=JSON))
        shown = [answer.text + str(answer.headers) for answer in answers]
    shown += server.log
    assert not [text for text in shown if CANARY in text]
    files = [file for file in data_dir.rglob("*") if file.is_file()]
    assert files
    assert not [file for file in files if CANARY.encode() in file.read_bytes()]
