"""The JSON Schema of the policy file, as editors use it: what ops write, not what is kept."""

import json
from typing import Any

from governor.core.instant import DAY, HOUR, MINUTE, SECOND
from governor.core.policy import Policy

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def policy_schema() -> dict[str, Any]:
    """Describe the policy file to an editor."""
    schema = _tidy(Policy.model_json_schema(mode="validation"))
    return {"$schema": DIALECT, **schema, "title": "governor policy"}


def policy_schema_text() -> str:
    """Return the schema as the file beside the policy holds it."""
    return json.dumps(policy_schema(), indent=2, ensure_ascii=False) + "\n"


def _tidy(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_tidy(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    tidy = {key: _tidy(value) for key, value in schema.items() if key != "title"}
    if "properties" in schema:
        tidy["properties"] = {key: _tidy(value) for key, value in schema["properties"].items()}
    return _without_null(_with_written_default(tidy))


def _with_written_default(schema: dict[str, Any]) -> dict[str, Any]:
    default = schema.get("default")
    if default is None or isinstance(default, dict | list):
        return {key: value for key, value in schema.items() if key != "default"}
    if isinstance(default, int) and schema.get("type") == "string":
        return {**schema, "default": _duration(default)}
    return schema


def _duration(length: int) -> str:
    for unit, letter in ((DAY, "d"), (HOUR, "h"), (MINUTE, "m")):
        if length and length % unit == 0:
            return f"{length // unit}{letter}"
    return f"{length // SECOND}s"


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    options = schema.get("anyOf")
    if not isinstance(options, list) or {"type": "null"} not in options:
        return schema
    left = [option for option in options if option != {"type": "null"}]
    rest = {key: value for key, value in schema.items() if key != "anyOf"}
    return {**left[0], **rest} if len(left) == 1 else {"anyOf": left, **rest}
