"""Defects of a policy in the words and with the places of ops, not those of the code."""

import re
from collections.abc import Iterator

from pydantic_core import ErrorDetails

from governor.config.defects import Defect
from governor.config.yaml_tree import Node
from governor.core.policy import Flaw, Place
from governor.core.policy.values import quoted, suggestion

_WORDS = {
    "less_than_equal": "{input} is more than {le:g}",
    "greater_than_equal": "{input} is less than {ge:g}",
    "int_type": "{input} is no whole number",
    "int_from_float": "{input} is no whole number",
    "float_type": "{input} is no number",
    "finite_number": "{input} is no number",
    "bool_type": "{input} is neither `true` nor `false`",
    "string_type": "{input} is no text, write a name, in quotes when it looks like a number",
    "string_too_short": "is empty",
    "string_too_long": "{input} is longer than {max_length} characters",
    "too_short": "is empty, write at least one",
    "list_type": "{input} is no list, write `[one, two]` or a line with `-` for each",
    "tuple_type": "{input} is no list, write `[one, two]` or a line with `-` for each",
    "frozen_set_type": "{input} is no name and no list of names",
    "dict_type": "{input} has no keys, write `key: value`",
    "mapping_type": "{input} has no keys, write `key: value`",
}
_NO_TEXT = ("int_type", "float_type", "bool_type")
_UNQUOTED = re.compile(r"[-+]?[0-9]+(\.[0-9]+)?|true|false")


def counted_out(detail: ErrorDetails) -> bool:
    """Tell whether a list is only called empty because what stands in it was wrong."""
    return detail["type"] == "too_short" and bool(detail["input"])


def in_words(detail: ErrorDetails) -> Flaw:
    """Say in the words of ops what the model found wrong."""
    place: Place = tuple(step for step in detail["loc"] if step != "[key]")
    kind, written, context = detail["type"], detail["input"], detail.get("ctx", {})
    if kind == "missing":
        return place[:-1], f"`{place[-1]}` is missing"
    if kind == "literal_error":
        known = re.findall(r"[^\s',]+(?=')|[0-9]+", str(context["expected"]))
        if isinstance(written, str) and written in known:
            return place, f"{quoted(written)} is text, leave the quotes out"
        return place, f"{quoted(written)} is unknown{suggestion(written, known)}"
    if kind in _NO_TEXT and isinstance(written, str) and _UNQUOTED.fullmatch(written):
        return place, f"{quoted(written)} is text, leave the quotes out"
    if kind in _WORDS:
        return place, _WORDS[kind].format(input=quoted(written), **context)
    return place, detail["msg"]


def placed(tree: Node, flaw: Flaw) -> Defect:
    """Find the line of a flaw: of its key, or of the nearest thing above it that is there."""
    place, message = flaw
    file, line, here = tree.file, tree.line, tree
    for step in place:
        inner = here.value
        if isinstance(inner, dict) and step in inner:
            entry = inner[step]
            here, file, line = entry.node, entry.node.file, entry.line
        elif isinstance(inner, list) and isinstance(step, int) and step < len(inner):
            here = inner[step]
            file, line = here.file, here.line
        else:
            break
    where = _path(place)
    return Defect(file, line, f"{where}: {message}" if where else message)


def _path(place: Place) -> str:
    return "".join(_steps(place)).removeprefix(".")


def _steps(place: Place) -> Iterator[str]:
    for step in place:
        yield f"[{step}]" if isinstance(step, int) else f".{step[:60]}"
