"""The commands about one person: what is known of them, in words."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from governor.cli.failures import DIFFERS, Failed
from governor.cli.output import as_json, count, say, settings

if TYPE_CHECKING:
    from governor.core.about import About, Ease, Permission
    from governor.person import Found, Waits


@click.group()
def person() -> None:
    """See what is known of one person."""


@person.command()
@click.argument("id_", metavar="ID")
@as_json
def show(id_: str, json_: bool) -> None:  # noqa: FBT001
    """Tell what the ledger holds of the person ID (or of a pseudonym from a decision).

    What they agreed to, how much they take, how much was sent, what waits and what holds it. No
    content of any message. Exit code 1 when nothing is known.
    """
    import asyncio

    from governor.person import look_up

    chosen = settings(["GOVERNOR_PSEUDONYM_KEY"])
    found = asyncio.run(look_up(chosen, id_))
    if found is None:
        raise Failed("nothing is known of this person", DIFFERS)
    if json_:
        say(_timed(found))
    else:
        click.echo("\n".join(_words(found)))


_TIMES = frozenset(
    "expires_at paused_until at matters_until reset_at last_contact since eligible_at".split()
)


def _timed(found: "Found") -> Any:
    """Return *found* as JSON values, its moments as RFC 3339."""
    import msgspec

    from governor.core.instant import format_length

    def timed(value: Any, name: str = "") -> Any:
        if isinstance(value, dict):
            return {key: timed(one, key) for key, one in value.items()}
        if isinstance(value, list):
            return [timed(one) for one in value]
        if name == "window":
            return format_length(value)
        return _time(value) if name in _TIMES and value is not None else value

    return timed(msgspec.to_builtins(found))


def _time(at: int) -> str:
    from governor.core.instant import format_instant

    return format_instant(at)


def _words(found: "Found") -> Iterator[str]:
    known = found.about
    yield f"{found.person} (version {known.version})"
    yield from _section("consents", map(_permission, known.permissions))
    yield from _section("comfort", _comfort(known.comfort))
    yield from _section("sent", _sent(known))
    yield from _section("waits", map(_waits, found.waiting))
    yield from _section("holds", _holds(known))


def _section(title: str, lines: Any) -> Iterator[str]:
    yield f"{title}:"
    shown = list(lines)
    yield from (f"  {line}" for line in shown or ["nothing"])


def _permission(one: "Permission") -> str:
    place = [one.purpose]
    place += [f"by {one.channel}"] if one.channel else []
    place += [f"on {one.topic}"] if one.topic else []
    text = f"{' '.join(place)}: {one.state.replace('none', 'nothing was said')}"
    if one.bases:
        text += f" ({', '.join(one.bases).replace('_', ' ')})"
    if one.expires_at is not None:
        text += f", until {_time(one.expires_at)}"
    if one.paused:
        until = f" until {_time(one.paused_until)}" if one.paused_until is not None else ""
        text += f", paused{until}"
    return text


def _comfort(one: "Ease") -> Iterator[str]:
    yield f"said: {one.level or 'nothing'}"
    if one.max_per_week is not None:
        yield f"at most {one.max_per_week} a week"
    if one.ceiling is not None:
        yield f"takes {one.ceiling:g} points now; learned: times {one.factor:g}"
    for lesson in one.because:
        by = f" by {lesson.channel}" if lesson.channel else ""
        yield f"because of `{lesson.kind}`{by}, last at {_time(lesson.at)}"
    if one.matters_until is not None:
        yield f"which matters until about {_time(one.matters_until)}"
    if one.reset_at is not None:
        yield f"the person began anew at {_time(one.reset_at)}"


def _sent(known: "About") -> Iterator[str]:
    from governor.core.instant import format_length

    for one in known.sent:
        channels = ", ".join(f"{name} {number}" for name, number in one.by_channel.items())
        text = f"{format_length(one.window)}: {count(one.sent, 'message')}"
        text += f" ({channels})" if channels else ""
        text += f", {one.counted} of them count" if one.counted != one.sent else ""
        text += f"; {one.returned} came back" if one.returned else ""
        yield text


def _waits(one: "Waits") -> str:
    name = one.message or "a message that cannot be opened"
    campaign = f" of {one.campaign} by {one.channel}" if one.campaign else ""
    later = f", possible from {_time(one.eligible_at)}" if one.eligible_at is not None else ""
    return f"{name}{campaign}: {one.outcome} {one.code} since {_time(one.since)}{later}"


def _holds(known: "About") -> Iterator[str]:
    if known.human is not None:
        why = known.human.why
        cause = "too many messages" if why == "messages" else f"`{why}`"
        text = f"a human is to be in touch first: {cause} since {_time(known.human.since)}"
        text += ", handed over" if known.human.told else ", not handed over yet"
        yield text + ("" if known.human.enforced else " (shadow: not enforced)")
    if known.last_contact is not None:
        yield f"a human was last in touch at {_time(known.last_contact)}"
    for one in known.control:
        yield f"by ops, for everybody: {one}"
