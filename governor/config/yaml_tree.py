"""YAML read with the line of every value kept, and with bounds on what a file may ask for."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
)
from ruamel.yaml.reader import ReaderError

from governor.config.defects import Defect

DEEPEST = 32
MOST_VALUES = 100_000

_PLAIN: tuple[tuple[re.Pattern[str], Any], ...] = (
    (re.compile(r"|~|null|Null|NULL"), lambda _: None),
    (re.compile(r"true|True|TRUE"), lambda _: True),
    (re.compile(r"false|False|FALSE"), lambda _: False),
    (re.compile(r"[-+]?[0-9]{1,300}"), int),
    (re.compile(r"0o[0-7]{1,300}|0x[0-9a-fA-F]{1,300}"), lambda text: int(text, 0)),
    (re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?"), float),
    (
        re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"),
        lambda text: float(text.replace(".", "")),
    ),
)
_HALF = re.compile("[\ud800-\udfff]").search
_TEXT_TAGS = (None, "!", "tag:yaml.org,2002:str")
_COLLECTION_TAGS = (None, "!", "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq")


@dataclass(frozen=True, slots=True)
class Node:
    """A value with its place: a mapping holds its keys' own lines."""

    file: str
    line: int
    value: Any


@dataclass(frozen=True, slots=True)
class Entry:
    """A key of a mapping, its line and what stands behind it."""

    line: int
    node: Node


class Unreadable(Exception):
    """The text cannot be read any further."""

    def __init__(self, defect: Defect) -> None:
        """Keep what is wrong and where."""
        super().__init__(str(defect))
        self.defect = defect


def read_tree(text: str, file: str) -> tuple[Node | None, list[Defect]]:
    """Read one document; without a tree the defects say why."""
    reading = _Reading(text, file)
    try:
        return reading.document(), reading.defects
    except Unreadable as error:
        return None, [*reading.defects, error.defect]
    except ReaderError as error:
        at = error.position if isinstance(error.position, int) else 0
        line = text.count("\n", 0, at) + 1
        return None, [*reading.defects, Defect(file, line, "a character that no text file holds")]
    except MarkedYAMLError as error:
        return None, [*reading.defects, _syntax(error, file)]
    except (YAMLError, ValueError, OverflowError, IndexError, RecursionError) as error:
        return None, [
            *reading.defects,
            Defect(file, reading.line, f"no YAML: {_first_line(error)}"),
        ]


def plain(node: Node) -> Any:
    """Return the tree's values alone."""
    if isinstance(node.value, dict):
        return {key: plain(entry.node) for key, entry in node.value.items()}
    if isinstance(node.value, list):
        return [plain(item) for item in node.value]
    return node.value


def merged(trees: list[Node]) -> tuple[Node, list[Defect]]:
    """Join the top-level sections of several files; what is there twice is a defect."""
    sections: dict[str, Entry] = {}
    defects: list[Defect] = []
    for tree in trees:
        for key, entry in tree.value.items():
            first = sections.setdefault(key, entry)
            if first is not entry:
                sections[key] = _one_section(key, first, entry, defects)
    return Node(trees[0].file, trees[0].line, sections), defects


def _one_section(key: str, first: Entry, second: Entry, defects: list[Defect]) -> Entry:
    one, other = first.node, second.node
    if isinstance(one.value, list) and isinstance(other.value, list):
        return Entry(first.line, Node(one.file, one.line, one.value + other.value))
    if not (isinstance(one.value, dict) and isinstance(other.value, dict)):
        if key != "version" or one.value != other.value:
            defects.append(_twice(key, first, second))
        return first
    defects += [
        _twice(f"{key}.{name}", one.value[name], other.value[name])
        for name in one.value.keys() & other.value.keys()
    ]
    return Entry(first.line, Node(one.file, one.line, {**other.value, **one.value}))


def _twice(path: str, first: Entry, second: Entry) -> Defect:
    place = f"{first.node.file}:{first.line}"
    return Defect(second.node.file, second.line, f"`{path}` is there twice, first in {place}")


def bounded(node: Node) -> Iterator[Defect]:
    """Name a tree that is too deep or, with its aliases written out, too large."""
    count, stack = 0, [(node, 1)]
    while stack:
        here, depth = stack.pop()
        count += 1
        if depth > DEEPEST:
            yield Defect(here.file, here.line, f"nested deeper than {DEEPEST} levels")
            return
        if count > MOST_VALUES:
            yield Defect(
                here.file, here.line, f"more than {MOST_VALUES} values, aliases written out"
            )
            return
        inner = here.value
        if isinstance(inner, dict):
            stack += [(entry.node, depth + 1) for entry in inner.values()]
        elif isinstance(inner, list):
            stack += [(item, depth + 1) for item in inner]


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0][:200] or "it cannot be read"


def _syntax(error: MarkedYAMLError, file: str) -> Defect:
    mark = error.problem_mark or error.context_mark
    problem = str(error.problem or error.context or "it cannot be read")
    if "'\\t'" in problem:
        problem = "a tab stands where only spaces may, indent with spaces"
    return Defect(file, mark.line + 1 if mark else 1, f"no YAML: {problem}")


class _Reading:
    def __init__(self, text: str, file: str) -> None:
        self.file = file
        self.defects: list[Defect] = []
        self.line = 1
        self._events = YAML(typ="safe", pure=True).parse(text)
        self._anchors: dict[str, Node] = {}
        self._count = 0

    def document(self) -> Node | None:
        root: Node | None = None
        documents = 0
        while not isinstance(event := self._next(), StreamEndEvent):
            if isinstance(event, DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise self._stop("a second document starts here, a file holds one")
                root = self._node(self._next(), 1)
        return root

    def _next(self) -> Any:
        event = next(self._events)
        self.line = event.start_mark.line + 1
        if isinstance(event, ScalarEvent) and _HALF(event.value):
            raise self._stop("half a character, as `\\ud800` writes it, is no text")
        return event

    def _stop(self, message: str) -> Unreadable:
        return Unreadable(Defect(self.file, self.line, message))

    def _defect(self, line: int, message: str) -> None:
        self.defects.append(Defect(self.file, line, message))

    def _node(self, event: Any, depth: int) -> Node:
        self._bound(depth)
        if isinstance(event, AliasEvent):
            if event.anchor not in self._anchors:
                raise self._stop(f"`*{event.anchor}` refers to nothing above it")
            return self._anchors[event.anchor]
        line, value = self.line, None
        if isinstance(event, ScalarEvent):
            value = self._scalar(event)
        elif isinstance(event, SequenceStartEvent | MappingStartEvent):
            if event.tag not in _COLLECTION_TAGS:
                self._defect(line, f"the tag `{event.tag}` has no meaning here, leave it out")
            mapping = isinstance(event, MappingStartEvent)
            value = self._mapping(depth) if mapping else self._sequence(depth)
        node = Node(self.file, line, value)
        if event.anchor is not None:
            self._anchors[event.anchor] = node
        return node

    def _bound(self, depth: int, values: int = 1) -> None:
        self._count += values
        if depth > DEEPEST:
            raise self._stop(f"nested deeper than {DEEPEST} levels")
        if self._count > MOST_VALUES:
            raise self._stop(f"more than {MOST_VALUES} values")

    def _scalar(self, event: ScalarEvent) -> Any:
        if event.tag not in _TEXT_TAGS:
            self._defect(self.line, f"the tag `{event.tag}` has no meaning here, leave it out")
        if event.tag is not None or event.style is not None:
            return event.value
        for pattern, read in _PLAIN:
            if pattern.fullmatch(event.value):
                return read(event.value)
        return event.value

    def _sequence(self, depth: int) -> list[Node]:
        items = []
        while not isinstance(event := self._next(), SequenceEndEvent):
            items.append(self._node(event, depth + 1))
        return items

    def _mapping(self, depth: int) -> dict[str, Entry]:
        found: dict[str, Entry] = {}
        merged: list[Node] = []
        while not isinstance(event := self._next(), MappingEndEvent):
            line = self.line
            if not isinstance(event, ScalarEvent):
                raise self._stop("a key must be a word")
            node = self._node(self._next(), depth + 1)
            if event.value == "<<" and event.style is None:
                merged += node.value if isinstance(node.value, list) else [node]
            elif event.value in found:
                first = found[event.value].line
                self._defect(line, f"`{event.value}` is there twice, first in line {first}")
            else:
                found[event.value] = Entry(line, node)
        for source in merged:
            if not isinstance(source.value, dict):
                raise self._stop("`<<` needs keys to take over")
            self._bound(depth, len(source.value))
            found = {**source.value, **found}
        return found
