"""The published forms of every value and topic: JSON Schema, and one AsyncAPI document."""

import json
from pathlib import Path

from governor.schemas.asyncapi import document
from governor.schemas.values import VALUES, schema_of


def write(folder: Path) -> None:
    """Write every schema and the AsyncAPI document into *folder*."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in _files().items():
        (folder / name).write_text(text, encoding="utf-8")


def stale(folder: Path) -> list[str]:
    """Name the files that are missing in *folder* or differ from what would be written."""
    return [
        name
        for name, text in _files().items()
        if not (folder / name).is_file() or (folder / name).read_text(encoding="utf-8") != text
    ]


def _files() -> dict[str, str]:
    values = {f"{name}.json": schema_of(name) for name in VALUES}
    return {
        name: json.dumps(content, indent=2, ensure_ascii=False) + "\n"
        for name, content in (values | {"asyncapi.json": document()}).items()
    }
