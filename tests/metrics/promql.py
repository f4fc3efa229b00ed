"""Picks the metrics and labels out of a PromQL expression; enough for the expressions we write."""

from __future__ import annotations

import re
from dataclasses import dataclass

_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_GROUPING = re.compile(r"\b(by|without|on|ignoring|group_left|group_right)\s*\(([^()]*)\)")
_RANGE = re.compile(r"\[[^\]]*\]")
_OFFSET = re.compile(r"\boffset\s+\w+")
_WORD = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_OPERATORS = {"and", "or", "unless", "bool", "offset", "by", "without", "on", "inf", "nan"}
_SUFFIXES = ("_bucket", "_count", "_sum")


@dataclass(frozen=True)
class Names:
    """What an expression names: metrics with the labels matched on each, and grouping labels."""

    matched: tuple[tuple[str, frozenset[str]], ...]
    grouped: frozenset[str]

    @property
    def metrics(self) -> frozenset[str]:
        return frozenset(name for name, _ in self.matched)


def names_in(expression: str) -> Names:
    """Take an expression apart."""
    text = _STRING.sub('""', expression)
    grouped: set[str] = set()

    def group(found: re.Match[str]) -> str:
        grouped.update(_WORD.findall(found[2]))
        return " "

    text = _RANGE.sub(" ", _GROUPING.sub(group, text))
    text = _OFFSET.sub(" ", text)
    matched = []
    for found in re.finditer(r"([a-zA-Z_:][a-zA-Z0-9_:]*)\s*(\{[^{}]*\}|\()?", _hidden(text)):
        name, after = found[1], found[2] or ""
        if after == "(" or name in _OPERATORS:
            continue
        labels = frozenset(re.findall(r"([a-zA-Z_]\w*)\s*(?:=~|!~|!=|=)", after))
        matched.append((name, labels))
    return Names(tuple(matched), frozenset(grouped))


def family_of(name: str) -> str:
    """Return the name under which a histogram's series is exported."""
    for suffix in _SUFFIXES:
        if name.endswith(suffix):
            return name.removesuffix(suffix)
    return name


def _hidden(text: str) -> str:
    """Remove numbers with units or exponents, which would read as words."""
    return re.sub(r"(?<![\w:])\d[\w.]*", " ", text)
