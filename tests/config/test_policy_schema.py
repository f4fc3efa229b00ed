"""The schema that editors use agrees with what governor accepts, as far as a schema can."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from ruamel.yaml import YAML

from governor.config import policy_schema, policy_schema_text

ROOT = Path(__file__).parents[2]
BROKEN = sorted((Path(__file__).parent / "broken").glob("*.yaml"))
SCHEMA = policy_schema()


def accepts(file: Path) -> bool:
    written = YAML(typ="safe", pure=True).load(file.read_text())
    return Draft202012Validator(SCHEMA).is_valid(written)


def test_the_schema_beside_the_policy_is_fresh() -> None:
    assert (ROOT / "config" / "policy.schema.json").read_text() == policy_schema_text()


def test_the_schema_is_a_schema() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"


@pytest.mark.parametrize("name", ["policy.yaml", "email-log/policy.yaml"])
def test_the_schema_accepts_a_shipped_policy(name: str) -> None:
    assert accepts(ROOT / "config" / name)


@pytest.mark.parametrize(
    "file",
    [file for file in BROKEN if "# schema refuses" in file.read_text()],
    ids=lambda f: f.stem,
)
def test_the_schema_refuses_what_a_schema_can_see(file: Path) -> None:
    assert not accepts(file)


def test_the_schema_sees_most_of_what_is_broken() -> None:
    seen = [file for file in BROKEN if "# schema refuses" in file.read_text()]
    assert len(seen) > len(BROKEN) / 2


def properties(schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, part in {"policy": schema, **schema["$defs"]}.items():
        for key, described in part.get("properties", {}).items():
            yield f"{name}.{key}", described


def test_every_key_is_described_in_a_sentence() -> None:
    for name, described in properties(SCHEMA):
        target = SCHEMA["$defs"].get(described.get("$ref", "").rpartition("/")[2], {})
        text = described.get("description") or target.get("description", "")
        assert text.endswith("."), name


def test_the_schema_names_no_value_that_the_file_cannot_hold() -> None:
    assert "null" not in json.dumps(SCHEMA)
    for name, described in properties(SCHEMA):
        if described.get("type") == "string":
            assert isinstance(described.get("default", ""), str), name
