"""The command that tells why a message did or did not go out."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import click

from governor.cli.failures import DIFFERS, INVALID, Failed
from governor.cli.output import as_json, say, settings, tell

FILE = click.Path(path_type=Path)
_NEEDED = frozenset(
    "message person outcome code variant channel eligible_at attempt decided_at policy"
    " findings".split()
)

_SAME = ("person", "attempt", "decided_at", "outcome", "code")


@click.command()
@click.argument("message")
@click.option("--person", help="Only this person's, where several got a message of that name.")
@click.option("--decisions", type=FILE, help="Decisions, JSON Lines. Default: the decisions topic.")
@as_json
def explain(
    message: str,
    person: str | None,
    decisions: Path | None,
    json_: bool,  # noqa: FBT001
) -> None:
    """Tell why MESSAGE went out or not.

    Shows every decision on it, for ops and for the person; exit code 1 when there is none. In
    each decision a star marks what decided it.
    """
    from governor.explain import for_ops, for_person

    people = {person, _pseudonym(person, decisions)} if person is not None else None
    every = _published(message) if decisions is None else _read(decisions)
    found = _once(
        one
        for one in every
        if one["message"] == message and (people is None or one["person"] in people)
    )
    if not found:
        whose = f" of `{person}`" if person is not None else ""
        raise Failed(f"there is no decision on `{message}`{whose}", DIFFERS)
    if json_:
        said = [{"ops": for_ops(one), "person": for_person(one)} for one in found]
        say([{**one, "text": text} for one, text in zip(found, said, strict=True)])
        return
    for one in found:
        tell(f"{message} of {one['person']}")
        for line in for_ops(one):
            tell(f"  {line}")
        tell(f"  to the person: {for_person(one)}")


def _once(decisions: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Put *decisions* in order, each once: after a crash it may have been published again."""
    same: dict[tuple[str, ...], dict[str, Any]] = {}
    for one in decisions:
        mark = tuple(str(one[name]) for name in _SAME)
        if mark not in same or same[mark].get("reconstructed"):
            same[mark] = one
    return sorted(same.values(), key=lambda one: (one["person"], one["attempt"]))


def _pseudonym(person: str, decisions: Path | None) -> str:
    """Return the name of *person* in decisions; on the topic nobody has their own."""
    from governor.ledger.keys import Pseudonyms, looks_like_pseudonym

    needed = decisions is None and not looks_like_pseudonym(person)
    key = settings(["GOVERNOR_PSEUDONYM_KEY"] if needed else ()).pseudonym_key
    return Pseudonyms(key).of(person)


def _published(message: str) -> Iterable[dict[str, Any]]:
    """Read the decisions on *message* from their topic."""
    import msgspec

    from governor.broker import records, visit
    from governor.config.topics import DECISIONS

    chosen, named = settings(), msgspec.json.encode(message)

    async def collect() -> list[dict[str, Any]]:
        return [
            msgspec.json.decode(record.value)
            async for record in records(chosen, chosen.topic_prefix + DECISIONS)
            if record.value is not None and named in record.value
        ]

    return visit(chosen, collect())


def _read(path: Path) -> Iterator[dict[str, Any]]:
    try:
        with path.open("rb") as lines:
            yield from _decoded(path, lines)
    except OSError as error:
        reason = (error.strerror or "it is away").lower()
        raise Failed(f"{path}: cannot be read: {reason}", INVALID) from None


def _decoded(path: Path, lines: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    import msgspec

    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            decision = msgspec.json.decode(line)
        except (ValueError, RecursionError):
            raise Failed(f"{path}:{number}: is no JSON", INVALID) from None
        if not isinstance(decision, dict) or not decision.keys() >= _NEEDED:
            raise Failed(f"{path}:{number}: is no decision", INVALID)
        yield decision
