"""Options of a source: a typed model, its JSON Schema, and the way credentials are told apart.

A source's model holds options and credentials in one flat object, as the API takes them. Every
credential is a ``SecretStr``; only those are ever split off and stored as a secret. The stored secret
is the bare text of the one credential that was given, or a JSON object when several were: a user's
own secret may have either form, and then hold other options too.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar, get_args

import orjson
from pydantic import BaseModel, ConfigDict, SecretStr, ValidationError

from connectors.errors import OptionsInvalid

OptionsT = TypeVar("OptionsT", bound="SourceOptions")

_PASSWORD_INSIDE = re.compile(r"^(?:[\w+.-]+://)?[^\s/@:]*:[^\s/@]+@")
_KEPT_KEYS = ("title", "type", "description", "default", "examples", "enum", "const", "format")


@dataclass(frozen=True, slots=True)
class AuthForm:
    """One way to log in: its name for people, and the credential fields it takes.

    ``optional`` fields may be left out. The first field of the first form is the one a bare secret
    stands for.
    """

    title: str
    fields: tuple[str, ...]
    optional: tuple[str, ...] = ()


class SourceOptions(BaseModel):
    """Options of one source. Subclass it: fields with descriptions, credentials as ``SecretStr | None``."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    AUTH: ClassVar[tuple[AuthForm, ...]] = ()

    @classmethod
    def credential_fields(cls) -> tuple[str, ...]:
        """Names of the fields that hold credentials, those of the auth forms first."""
        listed = [name for form in cls.AUTH for name in (*form.fields, *form.optional)]
        secret = [name for name, field in cls.model_fields.items() if _is_secret(field.annotation)]
        return tuple(dict.fromkeys([*(n for n in listed if n in secret), *secret]))

    def secrets(self) -> tuple[str, ...]:
        """The values of all credentials, for scrubbing messages."""
        values = (getattr(self, name) for name in self.credential_fields())
        return tuple(v.get_secret_value() for v in values if isinstance(v, SecretStr))

    def reveal(self, name: str) -> str | None:
        """Return the text of one credential, None when it was not given."""
        value = getattr(self, name)
        return value.get_secret_value() if isinstance(value, SecretStr) else None


def parse_options(
    options_type: type[OptionsT], config: Mapping[str, Any], credential: str | None
) -> OptionsT:
    """Join a stored configuration with its credential.

    Args:
        options_type: of the source.
        config: without credentials.
        credential: the text of the secret, if there is one.

    Raises:
        OptionsInvalid: a field is missing, unknown or has a wrong value; the value is not repeated.
    """
    _refuse_passwords(config)
    fields = {} if credential is None else _read_credential(options_type, credential)
    _refuse_booleans(options_type, config)
    names = options_type.credential_fields()
    credentials = {key: value for key, value in fields.items() if key in names}
    try:  # other options in a secret only fill gaps: it must not lead its password elsewhere
        return options_type(**{**fields, **config, **credentials})
    except ValidationError as error:
        raise OptionsInvalid(f"Invalid source configuration: {_sentence_of(error)}") from None


def split_credentials(
    options_type: type[SourceOptions], config: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, str]]:
    """Take the credentials out of a configuration.

    Returns:
        The configuration without any credential, and the credentials that are not empty. What is no
        text stays where it is, for the validation to refuse.
    """
    names = options_type.credential_fields()
    given = {key: config[key] for key in names if isinstance(config.get(key), str) and config[key]}
    public = {
        key: value
        for key, value in config.items()
        if key not in names or not (value is None or isinstance(value, str))
    }
    return public, given


def join_credentials(options_type: type[SourceOptions], given: Mapping[str, str]) -> str:
    """Write credentials as the text of one secret; at least one is given."""
    names = options_type.credential_fields()
    if list(given) == [names[0]]:
        return given[names[0]]
    return orjson.dumps(dict(given)).decode()


def config_schema(options_type: type[SourceOptions]) -> dict[str, Any]:
    """Return the JSON Schema of the options without credentials: plain, without references."""
    whole = options_type.model_json_schema()
    hidden = options_type.credential_fields()
    definitions = whole.get("$defs", {})
    properties = {
        name: _plain(schema, definitions)
        for name, schema in whole.get("properties", {}).items()
        if name not in hidden
    }
    required = [name for name in whole.get("required", []) if name not in hidden]
    return {"type": "object", "required": required, "properties": properties}


def auth_schema(options_type: type[SourceOptions]) -> dict[str, Any] | None:
    """Return the JSON Schema of the credentials, one branch for each form; None when there are none."""
    forms = options_type.AUTH
    if not forms:
        return None
    whole = options_type.model_json_schema()
    definitions = whole.get("$defs", {})
    branches = [
        {
            "title": form.title,
            "type": "object",
            "required": list(form.fields),
            "properties": {
                name: _plain(whole["properties"][name], definitions)
                for name in (*form.fields, *form.optional)
            },
        }
        for form in forms
    ]
    return branches[0] if len(branches) == 1 else {"oneOf": branches}


def _refuse_passwords(value: object) -> None:
    """Refuse a URL or host with a password in it: a configuration is stored as it is."""
    if isinstance(value, Mapping):
        for each in value.values():
            _refuse_passwords(each)
    elif isinstance(value, str) and _PASSWORD_INSIDE.search(value):
        raise OptionsInvalid(
            "Invalid source configuration: a password stands inside a URL or host; give it as the"
            " credential instead"
        )


def _refuse_booleans(options_type: type[SourceOptions], config: Mapping[str, Any]) -> None:
    """Refuse true for a number: pydantic takes it for 1."""
    for name, field in options_type.model_fields.items():
        is_number = int in (field.annotation, *get_args(field.annotation))
        if is_number and isinstance(config.get(name), bool):
            raise OptionsInvalid(f"Invalid source configuration: {name}: Input should be a number")


def _is_secret(annotation: object) -> bool:
    return annotation is SecretStr or SecretStr in get_args(annotation)


def _read_credential(options_type: type[SourceOptions], credential: str) -> dict[str, str]:
    names = options_type.credential_fields()
    if not names:
        raise OptionsInvalid("This source takes no credential")
    try:
        document = orjson.loads(credential)
    except orjson.JSONDecodeError:
        document = None
    if (
        isinstance(document, dict)
        and document
        and document.keys() <= options_type.model_fields.keys()
    ):
        return {
            key: value if isinstance(value, str) else orjson.dumps(value).decode()
            for key, value in document.items()
            if value is not None
        }
    return {names[0]: credential}


def _plain(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    """Resolve references and drop the null branch of optional fields."""
    if "$ref" in schema:
        target = definitions[schema["$ref"].rsplit("/", 1)[-1]]
        schema = {**target, **{key: value for key, value in schema.items() if key != "$ref"}}
    branches = schema.get("anyOf") or schema.get("oneOf")
    if branches:
        real = [_plain(branch, definitions) for branch in branches if branch.get("type") != "null"]
        rest = {key: schema[key] for key in _KEPT_KEYS if schema.get(key) is not None}
        return {**real[0], **rest} if len(real) == 1 else {**rest, "oneOf": real}
    plain = {key: schema[key] for key in _KEPT_KEYS if schema.get(key) is not None}
    if "properties" in schema:
        plain["required"] = schema.get("required", [])
        plain["properties"] = {
            name: _plain(inner, definitions) for name, inner in schema["properties"].items()
        }
    if "items" in schema:
        plain["items"] = _plain(schema["items"], definitions)
    return plain


def _sentence_of(error: ValidationError) -> str:
    problem = error.errors(include_input=False, include_url=False)[0]
    place = ".".join(str(step) for step in problem["loc"])
    text = problem["msg"].removeprefix("Value error, ")
    return f"{place}: {text}" if place else text
