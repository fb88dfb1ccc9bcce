"""Embedding providers are made, changed and deleted; a key goes in and never comes out."""

from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from catalog import secret_store
from catalog.index_model import EmbeddingProvider
from catalog.settings import Settings
from engine import errors
from engine.embeddings.provider_config import BUILT_IN_MODEL
from engine.service import embedding_providers as providers
from engine.service import secret_values
from engine.service.context import Caller, Engine
from engine.service.embedding_providers import SYSTEM_PROVIDER, NewProvider
from tests.embeddings.onnx_model import write_model
from tests.service.steps import new_caller

pytestmark = pytest.mark.anyio

CONFIG = {"base_url": "https://api.example.com/v1", "model": "m"}
CANARY = "canary-sk-77b0"


async def create(
    engine: Engine, caller: Caller, name: str = "openai", **fields: Any
) -> EmbeddingProvider:
    given: dict[str, Any] = {"provider_type": "service", "config": CONFIG}
    return await providers.create_provider(engine, caller, NewProvider(name, **(given | fields)))


async def update(
    engine: Engine, caller: Caller, provider: EmbeddingProvider, **changes: Any
) -> EmbeddingProvider:
    return await providers.update_provider(engine, caller, provider.id, changes)


async def secret_names(engine: Engine, caller: Caller) -> list[str]:
    return [secret.name for secret in await secret_values.list_secrets(engine, caller)]


async def key_of(engine: Engine, caller: Caller, provider: EmbeddingProvider) -> str | None:
    found = await providers.get_provider(engine, caller, provider.id)
    if found.secret_id is None:
        return None
    return await engine.db.read(
        secret_store.read_value, engine.keyring, caller.workspace_id, found.secret_id
    )


async def own_secret(engine: Engine, caller: Caller, name: str = "mine") -> str:
    made = await secret_values.create_secret(engine, caller, name=name, value=f"value of {name}")
    return made.name


async def test_the_systems_provider_is_always_there_and_first(
    engine: Engine, caller: Caller
) -> None:
    assert await providers.list_providers(engine, caller) == (SYSTEM_PROVIDER,)
    second, first = await create(engine, caller, "b"), await create(engine, caller, "a")
    listed = await providers.list_providers(engine, caller)
    assert listed == (SYSTEM_PROVIDER, first, second)
    assert await providers.get_provider(engine, caller, SYSTEM_PROVIDER.id) == SYSTEM_PROVIDER


async def test_the_systems_provider_stays_as_it_is(engine: Engine, caller: Caller) -> None:
    with pytest.raises(errors.InvalidRequest, match="system provider"):
        await update(engine, caller, SYSTEM_PROVIDER, name="x")
    with pytest.raises(errors.InvalidRequest, match="system provider"):
        await providers.delete_provider(engine, caller, SYSTEM_PROVIDER.id)


async def test_a_service_needs_no_key(engine: Engine, caller: Caller) -> None:
    made = await create(engine, caller)
    assert (made.config, made.secret_id) == (CONFIG, None)
    assert await providers.get_provider(engine, caller, made.id) == made


async def test_the_built_in_model_under_another_name(engine: Engine, caller: Caller) -> None:
    config = {"model": BUILT_IN_MODEL, "dimensions": 64, "metric": "dot"}
    made = await create(engine, caller, "small", provider_type="local", config=config)
    assert made.config == config


async def test_a_model_in_a_folder_must_be_there(
    engine: Engine, caller: Caller, tmp_path: Path
) -> None:
    config = {"model": "words", "model_path": str(tmp_path / "model")}
    with pytest.raises(errors.InvalidRequest, match="no such file or folder"):
        await create(engine, caller, provider_type="local", config=config)
    write_model(tmp_path / "model")
    assert (await create(engine, caller, provider_type="local", config=config)).config == config


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"name": "  "}, "cannot be empty"),
        ({"name": "x" * 256}, "255 printable"),
        ({"name": "a\nb"}, "printable"),
        ({"provider_type": "openai"}, "local or service"),
        ({"config": None}, "config.model is required"),
        ({"config": ["x"]}, "JSON object"),
        ({"config": {**CONFIG, "api_key": CANARY}}, "give it as api_key"),
        ({"api_key": CANARY, "secret_name": "x"}, "not both"),
        ({"api_key": "  "}, "api_key cannot be empty"),
        ({"secret_name": "no-such-secret"}, "'no-such-secret' not found"),
        (
            {"provider_type": "local", "config": {"model": BUILT_IN_MODEL}, "api_key": CANARY},
            "takes no",
        ),
    ],
    ids=str,
)
async def test_what_cannot_be_meant_is_refused(
    engine: Engine, caller: Caller, fields: dict[str, Any], word: str
) -> None:
    with pytest.raises(errors.InvalidRequest, match=word) as refused:
        await create(engine, caller, **fields)
    assert CANARY not in refused.value.message
    assert await providers.list_providers(engine, caller) == (SYSTEM_PROVIDER,)
    assert await secret_names(engine, caller) == []


async def test_a_name_is_taken_once_and_the_systems_is_taken(
    engine: Engine, caller: Caller, stranger: Caller
) -> None:
    await create(engine, caller, "a", api_key=CANARY)
    await create(engine, stranger, "a")
    for name in ("a", " a ", "local"):
        with pytest.raises(errors.Conflict, match="already exists"):
            await create(engine, caller, name, api_key=CANARY)
    assert await secret_names(engine, caller) == ["embp-a-api_key"]
    other = await create(engine, caller, "b")
    with pytest.raises(errors.Conflict):
        await update(engine, caller, other, name="a")


async def test_a_key_becomes_a_secret_that_goes_with_the_provider(
    engine: Engine, caller: Caller
) -> None:
    made = await create(engine, caller, "My AI!", api_key=CANARY)
    assert await secret_names(engine, caller) == ["embp-my-ai_-api_key"]
    assert await key_of(engine, caller, made) == CANARY
    assert CANARY not in repr(made)
    await update(engine, caller, made, api_key="another")
    assert await key_of(engine, caller, made) == "another"
    assert await secret_names(engine, caller) == ["embp-my-ai_-api_key"]
    await providers.delete_provider(engine, caller, made.id)
    assert await secret_names(engine, caller) == []


async def test_a_secret_of_ones_own_stays(engine: Engine, caller: Caller) -> None:
    made = await create(engine, caller, secret_name=await own_secret(engine, caller))
    assert await key_of(engine, caller, made) == "value of mine"
    await update(engine, caller, made, api_key=CANARY)
    assert await key_of(engine, caller, made) == CANARY
    assert await secret_names(engine, caller) == ["embp-openai-api_key", "mine"]
    await update(engine, caller, made, secret_name="mine")
    assert await secret_names(engine, caller) == ["mine"]
    await update(engine, caller, made, secret_name=None)
    assert await key_of(engine, caller, made) is None
    await providers.delete_provider(engine, caller, made.id)
    assert await secret_names(engine, caller) == ["mine"]


async def test_to_name_the_providers_own_secret_is_to_keep_it(
    engine: Engine, caller: Caller
) -> None:
    made = await create(engine, caller, api_key=CANARY)
    changed = await update(engine, caller, made, secret_name="embp-openai-api_key")
    assert changed.owns_secret
    assert await key_of(engine, caller, made) == CANARY


async def test_a_lost_secret_is_made_again_by_a_key(engine: Engine, caller: Caller) -> None:
    made = await create(engine, caller, api_key=CANARY)
    await secret_values.delete_secret(engine, caller, "embp-openai-api_key")
    await update(engine, caller, made, api_key="another")
    assert await key_of(engine, caller, made) == "another"


async def test_a_key_is_not_sent_to_another_address(engine: Engine, caller: Caller) -> None:
    made = await create(engine, caller, api_key=CANARY)
    for base_url in (
        "https://evil.example/v1",
        "http://api.example.com/v1",
        "https://api.example.com:8443",
    ):
        elsewhere = {**CONFIG, "base_url": base_url}
        with pytest.raises(errors.InvalidRequest, match="another address"):
            await update(engine, caller, made, config=elsewhere)
        with pytest.raises(errors.InvalidRequest, match="another address"):
            await update(engine, caller, made, config=elsewhere, name="y")
    same = {**CONFIG, "base_url": "https://API.example.com:443/v2", "dimensions": 9}
    assert (await update(engine, caller, made, config=same)).config == same
    elsewhere = {**CONFIG, "base_url": "https://other.example/v1"}
    assert (await update(engine, caller, made, config=elsewhere, api_key="k")).config == elsewhere
    await update(engine, caller, made, secret_name=None)
    assert (await update(engine, caller, made, config=CONFIG)).config == CONFIG


async def test_a_change_leaves_the_rest_and_is_checked(engine: Engine, caller: Caller) -> None:
    made = await create(engine, caller, api_key=CANARY)
    changed = await update(engine, caller, made, name="renamed")
    assert (changed.name, changed.config, changed.secret_id) == ("renamed", CONFIG, made.secret_id)
    assert changed.updated_at > made.updated_at
    refused: list[dict[str, Any]] = [
        {},
        {"config": {}},
        {"config": 5},
        {"name": " "},
        {"api_key": "a", "secret_name": "b"},
        {"secret_name": "no-such-secret"},
    ]
    for changes in refused:
        with pytest.raises(errors.InvalidRequest):
            await update(engine, caller, made, **changes)
    assert await providers.get_provider(engine, caller, made.id) == changed


async def test_a_foreign_provider_is_unknown(
    engine: Engine, caller: Caller, stranger: Caller
) -> None:
    made = await create(engine, caller)
    for attempt in (
        providers.get_provider(engine, stranger, made.id),
        update(engine, stranger, made, name="x"),
        providers.delete_provider(engine, stranger, made.id),
    ):
        with pytest.raises(errors.NotFound):
            await attempt
    secret = await own_secret(engine, caller)
    with pytest.raises(errors.InvalidRequest, match="not found"):
        await create(engine, stranger, secret_name=secret)


async def test_a_key_shows_nowhere(own_engine: Engine, settings: Settings) -> None:
    caller = await new_caller(own_engine)
    with capture_logs() as logs:
        made = await create(own_engine, caller, api_key=CANARY)
        changed = await update(own_engine, caller, made, api_key=f"{CANARY}-2")
        with pytest.raises(errors.Conflict) as refused:
            await create(own_engine, caller, api_key=CANARY)
    asked = NewProvider("x", "service", CONFIG, api_key=CANARY)
    shown = f"{made!r} {changed!r} {refused.value!r} {refused.value.__cause__!r} {logs!r} {asked!r}"
    assert CANARY not in shown
    files = [path for path in settings.data_dir.rglob("*") if path.is_file()]
    assert any(path.name == "catalog.db" for path in files)
    assert all(CANARY.encode() not in path.read_bytes() for path in files)
