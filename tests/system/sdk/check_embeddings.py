"""Embedding providers, as a user of the SDK writes them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import hotdata

from tests.system.sdk.client import User, refused

CONFIG = {"base_url": "https://api.example.com/v1", "model": "text-embedding-3-small"}
KEY = "canary-sk-90ab"


def check_a_system_provider_is_there(user: User) -> None:
    first = user.providers.list_embedding_providers().embedding_providers[0]
    assert (first.id, first.name, first.provider_type) == ("sys_emb_local", "local", "local")
    assert (first.source, first.has_secret) == ("system", False)
    assert first.config["metric"] == "cosine"
    assert user.providers.get_embedding_provider(first.id).config == first.config
    rename = hotdata.UpdateEmbeddingProviderRequest(name="other")
    refused(lambda: user.providers.update_embedding_provider(first.id, rename), 400)
    refused(lambda: user.providers.delete_embedding_provider(first.id), 400)


def check_embedding_provider_is_made_changed_and_deleted(user: User) -> None:
    with _provider(user, "openai", config=CONFIG, api_key=KEY) as made:
        assert (made.name, made.provider_type, made.config) == ("openai", "service", CONFIG)
        assert "embp-openai-api_key" in _secret_names(user)
        seen = user.providers.get_embedding_provider(made.id)
        assert (seen.source, seen.has_secret, seen.config) == ("user", True, CONFIG)
        assert seen.created_at == made.created_at
        assert KEY not in str(seen.to_dict())
        config = {**CONFIG, "dimensions": 256}
        changed = _update(user, made.id, name="renamed", config=config)
        assert (changed.id, changed.name) == (made.id, "renamed")
        seen = user.providers.get_embedding_provider(made.id)
        assert (seen.name, seen.config, seen.updated_at) == ("renamed", config, changed.updated_at)
        listed = user.providers.list_embedding_providers()
        assert [one.name for one in listed.embedding_providers] == ["local", "renamed"]
        assert KEY not in str(listed.to_dict())
        _update(user, made.id, api_key="another")
        _update(user, made.id, secret_name=None)
        assert user.providers.get_embedding_provider(made.id).has_secret is False
        assert "embp-openai-api_key" not in _secret_names(user)
    refused(lambda: user.providers.get_embedding_provider(made.id), 404)
    refused(lambda: _update(user, made.id, name="x"), 404)
    refused(lambda: user.providers.delete_embedding_provider(made.id), 404)


def check_embedding_provider_with_a_secret_of_ones_own(user: User) -> None:
    user.secrets.create_secret(hotdata.CreateSecretRequest(name="ai-key", value=KEY))
    with _provider(user, "mine", config=CONFIG, secret_name="AI-Key") as made:
        assert user.providers.get_embedding_provider(made.id).has_secret is True
    assert "ai-key" in _secret_names(user)
    user.secrets.delete_secret("ai-key")


def check_bad_embedding_providers_are_refused(user: User) -> None:
    def create(**fields: Any) -> Any:
        return _create(user, **{"name": "x", "config": CONFIG, **fields})

    refused(lambda: create(api_key=KEY, secret_name="any"), 400)
    refused(lambda: create(secret_name="no-such-secret"), 400)
    refused(lambda: create(provider_type="magic"), 400)
    refused(lambda: create(provider_type="local", config={"model": "m"}), 400)
    refused(lambda: create(config={**CONFIG, "api_key": KEY}), 400)
    refused(lambda: create(config=None), 400)
    refused(lambda: create(name="local"), 409)
    with _provider(user, "taken", config=CONFIG):
        refused(lambda: create(name="taken"), 409)


def _create(user: User, name: str, provider_type: str = "service", **fields: Any) -> Any:
    return user.providers.create_embedding_provider(
        hotdata.CreateEmbeddingProviderRequest(name=name, provider_type=provider_type, **fields)
    )


def _update(user: User, provider_id: str, **fields: Any) -> Any:
    request = hotdata.UpdateEmbeddingProviderRequest(**fields)
    return user.providers.update_embedding_provider(provider_id, request)


@contextmanager
def _provider(user: User, name: str, **fields: Any) -> Iterator[Any]:
    made = _create(user, name, **fields)
    try:
        yield made
    finally:
        user.providers.delete_embedding_provider(made.id)


def _secret_names(user: User) -> set[str]:
    return {secret.name for secret in user.secrets.list_secrets().secrets}
