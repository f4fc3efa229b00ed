"""The policy file: YAML that ops wrote, read into a Policy or refused with every defect it has."""

from pathlib import Path

from pydantic import ValidationError

from governor.config.defects import Defect, PolicyInvalid
from governor.config.words import counted_out, in_words, placed
from governor.config.yaml_tree import Node, bounded, merged, plain, read_tree
from governor.core.policy import Policy, not_built

LARGEST_FILE = 1024 * 1024
_NAMES = ("*.yaml", "*.yml")
_EMPTY = "is empty, a policy needs `version` and `categories`"


Stamp = tuple[tuple[str, int, int], ...]
"""What a policy's files were at one moment: their names, times and sizes."""


def load_policy(path: Path | str) -> Policy:
    """Read a file, or a folder's `*.yaml` and `*.yml` as one; PolicyInvalid names every defect."""
    path = Path(path)
    if not (files := _files(path)):
        raise PolicyInvalid([Defect(str(path), 0, "the folder holds no `*.yaml`")])
    return _policy([_file_tree(file) for file in files])


def stamp(path: Path) -> Stamp:
    """Tell the files of a policy by what changes when they are written anew."""
    return tuple(
        (file.name, status.st_mtime_ns, status.st_size)
        for file in _files(path)
        if file.exists()
        for status in [file.stat()]
    )


def read_policy(text: str, name: str) -> Policy:
    """Read the text of one policy file; *name* stands for the file in its defects."""
    return _policy([_text_tree(text, name)])


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    return sorted(file for name in _NAMES for file in path.glob(name))


def _file_tree(file: Path) -> tuple[Node | None, list[Defect]]:
    try:
        with file.open("rb") as stream:
            data = stream.read(LARGEST_FILE + 1)
    except OSError as error:
        reason = (error.strerror or "it is away").lower()
        return None, [Defect(str(file), 0, f"cannot be read: {reason}")]
    if len(data) > LARGEST_FILE:
        return None, [Defect(str(file), 0, "is larger than 1 MiB")]
    try:
        return _text_tree(data.decode("utf-8-sig"), str(file))
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        return None, [Defect(str(file), line, "is no UTF-8 text, save the file as UTF-8")]


def _text_tree(text: str, name: str) -> tuple[Node | None, list[Defect]]:
    if len(text) > LARGEST_FILE:
        return None, [Defect(name, 0, "is larger than 1 MiB")]
    tree, defects = read_tree(text, name)
    if tree is None:
        return None, defects or [Defect(name, 1, _EMPTY)]
    if excess := list(bounded(tree)):
        return None, defects + excess
    if tree.value is None:
        return None, [*defects, Defect(name, 1, _EMPTY)]
    if not isinstance(tree.value, dict):
        wrong = Defect(name, tree.line, "a policy has keys, begin with `version: 1`")
        return None, [*defects, wrong]
    return tree, defects


def _policy(read: list[tuple[Node | None, list[Defect]]]) -> Policy:
    defects = [defect for _, found in read for defect in found]
    trees = [tree for tree, _ in read if tree is not None]
    if len(trees) < len(read):
        raise PolicyInvalid(defects)
    tree, clashes = merged(trees)
    written = plain(tree)
    flaws = not_built(written)
    policy: Policy | None = None
    try:
        policy = Policy.model_validate(written)
    except ValidationError as error:
        details = error.errors(include_url=False)
        flaws += [in_words(detail) for detail in details if not counted_out(detail)]
    defects += clashes + [placed(tree, flaw) for flaw in flaws]
    if policy is None or defects:
        raise PolicyInvalid(defects)
    return policy
