"""The JSON Schema of every value on the wire, made from the models that read and describe it."""

from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import CoreSchema

from governor.core import form, model, published

DIALECT = "https://json-schema.org/draft/2020-12/schema"

VALUES: dict[str, type[BaseModel]] = {
    "candidate": form.Candidate,
    "cancellation": model.Cancellation,
    "consent-change": model.ConsentChange,
    "control": model.Control,
    "decision": published.Decision,
    "feedback": model.Feedback,
    "handover": published.Handover,
    "profile": model.Profile,
    "released": published.Released,
    "review-answer": model.ReviewAnswer,
}


def schema_of(name: str) -> dict[str, Any]:
    """Make the JSON Schema of the value *name*; unknown fields are allowed wherever they are."""
    schema = VALUES[name].model_json_schema(schema_generator=_Untitled)
    if issubclass(VALUES[name], model.Wire):
        for part in (schema, *schema.get("$defs", {}).values()):
            _null_is_absent(part)
    for amend in _AMENDMENTS.get(name, ()):
        amend(schema)
    return {"$schema": DIALECT, "title": VALUES[name].__name__, **schema}


class _Untitled(GenerateJsonSchema):
    """Leaves out the titles that only repeat a field's name."""

    def field_title_should_be_set(self, schema: CoreSchema | Any) -> bool:  # noqa: ARG002
        return False


def _null_is_absent(schema: dict[str, Any]) -> None:
    """Allow null for what may be left out."""
    required = schema.get("required", ())
    for name, field in schema.get("properties", {}).items():
        kinds = field.get("anyOf", ())
        if name not in required and {"type": "null"} not in kinds:
            words = {key: field.pop(key) for key in ("default", "description") if key in field}
            schema["properties"][name] = {"anyOf": [field, {"type": "null"}], **words}


def _short_form(schema: dict[str, Any]) -> None:
    """Allow a top-level channel instead of variants."""
    variant = schema["$defs"]["Variant"]["properties"]
    short = {name: field for name, field in variant.items() if name != "id"}
    schema["required"].remove("variants")
    _null_is_absent(schema)
    schema["oneOf"] = [
        {
            "required": ["variants"],
            "properties": {"variants": {"type": "array"}, "channel": {"type": "null"}},
        },
        {
            "description": "short for one variant with the id `only`",
            "required": ["channel"],
            "properties": {**short, "variants": {"type": "null"}},
        },
    ]


def _message_or_campaign(schema: dict[str, Any]) -> None:
    schema["anyOf"] = [
        {"required": [name], "properties": {name: {"type": "string"}}}
        for name in ("message", "campaign")
    ]


def _grants_are_specific(schema: dict[str, Any]) -> None:
    schema["if"] = {"properties": {"action": {"const": "grant"}}, "required": ["action"]}
    schema["then"] = {
        "required": ["basis"],
        "properties": {"basis": {"type": "string"}, "purpose": {"not": {"const": "*"}}},
    }


def _comfort_is_no_matter_of_purpose(schema: dict[str, Any]) -> None:
    schema["required"].remove("purpose")
    schema["allOf"] = [
        {
            "if": {"properties": {"action": {"const": "comfort_reset"}}, "required": ["action"]},
            "then": {"properties": {"purpose": {"const": "*"}}},
            "else": {"required": ["purpose"]},
        }
    ]


_AMENDMENTS = {
    "candidate": (_short_form,),
    "cancellation": (_message_or_campaign,),
    "consent-change": (_grants_are_specific, _comfort_is_no_matter_of_purpose),
}
