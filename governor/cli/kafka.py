"""The commands about Kafka: its topics, and the records that were refused."""

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from governor.cli.failures import DIFFERS, Failed
from governor.cli.output import as_json, count, say, settings, tell
from governor.core.printable import printable

if TYPE_CHECKING:
    from governor.dead_letters import Letter

_SPAN = re.compile(r"([0-9]{1,18}):([0-9]{1,18})(?:-([0-9]{1,18}))?")


@click.group()
def topics() -> None:
    """Look after the topics on the broker."""


@topics.command()
@click.option("--partitions", type=click.IntRange(1, 10_000), help="Default: as there, else 12.")
@as_json
def create(partitions: int | None, json_: bool) -> None:  # noqa: FBT001
    """Make every topic that governor needs and that is not there.

    Topics that are there are never changed; where they do not fit it is said, with exit code 1.
    """
    from governor.config import load_policy
    from governor.topics import create as make

    chosen = settings()
    report = make(chosen, load_policy(chosen.policy), partitions)
    if json_:
        say(report)
    else:
        for name in report.created:
            click.echo(f"created  {name}")
        for name in report.there:
            click.echo(f"there    {name}")
    if report.problems:
        raise Failed(report.problems, DIFFERS)


@click.group(name="dead-letters")
def dead_letters() -> None:
    """See what was refused, and try it again."""


def _spans(
    context: click.Context, option: click.Parameter, written: str | None
) -> list[tuple[int, int, int]]:
    spans = []
    for part in filter(None, (written or "").split(",")):
        found = _SPAN.fullmatch(part.strip())
        if found is None:
            text = f"`{part.strip()}` is no place, write partition:offset or partition:from-to"
            raise click.BadParameter(text, context, option)
        spans.append((int(found[1]), int(found[2]), int(found[3] or found[2])))
    return spans


def _reasons(
    context: click.Context, option: click.Parameter, written: tuple[str, ...]
) -> tuple[str, ...]:
    from governor.dead_letters import REASONS

    for one in written:
        if one not in REASONS:
            known = ", ".join(f"`{reason}`" for reason in REASONS)
            text = f"`{one}` is no reason, there are {known}"
            raise click.BadParameter(text, context, option)
    return written


def _choosing(command: Callable[..., None]) -> Callable[..., None]:
    for option in (
        click.option(
            "--reason", multiple=True, callback=_reasons, help="Only letters with this reason."
        ),
        click.option("--limit", type=click.IntRange(1), help="At most so many."),
        click.option("--offsets", callback=_spans, help="Only these: 0:17,1:3-9."),
    ):
        command = option(command)
    return command


@dead_letters.command(name="list")
@_choosing
@as_json
def list_(
    reason: tuple[str, ...],
    limit: int | None,
    offsets: list[tuple[int, int, int]],
    json_: bool,  # noqa: FBT001
) -> None:
    """Show the dead letters, without their content."""
    found = _found(reason, limit, offsets)
    if json_:
        say(found)
        return
    for letter in found:
        tell(_line(letter))
    click.echo(count(len(found), "dead letter"), err=True)


@dead_letters.command()
@_choosing
@click.option("--yes", is_flag=True, help="Do not ask.")
@as_json
def retry(
    reason: tuple[str, ...],
    limit: int | None,
    offsets: list[tuple[int, int, int]],
    yes: bool,  # noqa: FBT001
    json_: bool,  # noqa: FBT001
) -> None:
    """Publish dead letters again, as they came, to the topics that they came from.

    They stay among the dead letters as well; a copy that is refused again comes back as a new one.
    """
    import time

    from governor.dead_letters import retry as publish

    found = _found(reason, limit, offsets)
    if found and not yes:
        targets = ", ".join(sorted({letter.topic for letter in found}))
        question = f"publish {count(len(found), 'dead letter')} again to {targets}?"
        click.confirm(printable(question), abort=True, err=True)
    done = publish(settings(), found, time.time_ns() // 1_000_000)  # noqa: TID251
    if json_:
        say(done)
    else:
        click.echo(f"{count(len(done.published), 'dead letter')} published again")
    if done.left:
        places = [(f"{one.partition}:{one.offset}", why) for one, why in done.left]
        raise Failed([f"{place}: left, {why}" for place, why in places], DIFFERS)


def _found(
    reasons: tuple[str, ...], limit: int | None, spans: list[tuple[int, int, int]]
) -> "list[Letter]":
    from governor.dead_letters import letters

    def chosen(letter: "Letter") -> bool:
        return (not reasons or letter.reason in reasons) and (
            not spans
            or any(
                letter.partition == partition and first <= letter.offset <= last
                for partition, first, last in spans
            )
        )

    return letters(settings(), chosen, limit)


def _line(letter: "Letter") -> str:
    source = f"{letter.topic}[{letter.from_partition}]@{letter.from_offset}"
    key = "no key" if letter.key is None else letter.key
    again = f", retried {letter.retried_at}" if letter.retried_at else ""
    return (
        f"{letter.partition}:{letter.offset}  {letter.at}  {letter.reason}  {source}  "
        f"{letter.size:,} bytes  {key}{again}"
    )
