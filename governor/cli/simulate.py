"""The command that judges recorded events, with one policy or with two to compare."""

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from governor.cli.failures import DIFFERS, Failed
from governor.cli.output import apart, as_json, count, say, settings, tell
from governor.cli.recording import Recording, recording_of
from governor.cli.report import ReportWriter, report_writer

if TYPE_CHECKING:
    from governor.core.policy import Policy
    from governor.simulate import Sink, Summary

FILE = click.Path(path_type=Path)


def _moment(context: click.Context, option: click.Parameter, written: str | None) -> int | None:
    from governor.core.instant import parse_instant

    if written is None:
        return None
    try:
        return parse_instant(written)
    except ValueError as error:
        raise click.BadParameter(str(error), context, option) from None


def _drawable(context: click.Context, option: click.Parameter, path: Path | None) -> Path | None:
    """Refuse a report that cannot be drawn or written before anything is judged."""
    from importlib.util import find_spec

    if path is None:
        return None
    missing = [name for name in ("vl_convert", "jinja2") if find_spec(name) is None]
    if missing:
        names = ", ".join(f"`{name}`" for name in missing)
        text = f"needs {names}, run `pip install 'governor[report]'`"
        raise click.BadParameter(text, context, option)
    if path.is_dir() or not path.absolute().parent.is_dir():
        text = f"`{path}` is no file in a folder that is there"
        raise click.BadParameter(text, context, option)
    return path


@click.command()
@click.option("--policy", type=FILE, help="The policy. Default: GOVERNOR_POLICY.")
@click.option("--events", type=FILE, help="What happened, JSON Lines in order of `at`.")
@click.option("--log", type=FILE, help="Instead of events: a CSV export of another tool ...")
@click.option("--map", "map_", type=FILE, help="... and what its columns mean, YAML.")
@click.option("--compare", type=FILE, help="A second policy: tell which messages end differently.")
@click.option("--out", type=FILE, help="Where the decisions go. Default: standard output.")
@click.option("--until", callback=_moment, help="Run on to this moment, and no further.")
@click.option("--texts", is_flag=True, help="Say in each finding what it means.")
@click.option("--dead-letters", type=FILE, help="Where events go that are refused.")
@click.option("--report", type=FILE, callback=_drawable, help="One HTML page on all of it.")
@as_json
def simulate(
    policy: Path | None,
    events: Path | None,
    log: Path | None,
    map_: Path | None,
    compare: Path | None,
    out: Path | None,
    until: int | None,
    texts: bool,  # noqa: FBT001
    dead_letters: Path | None,
    report: Path | None,
    json_: bool,  # noqa: FBT001
) -> None:
    """Judge recorded events under a policy.

    They are judged as the worker would, on their own time. Writes one decision a line; what the
    run came to is told on standard error. With --compare the messages that end differently are
    printed instead (decisions of the first policy go to --out), and the exit code is 1 if there
    are any. With --report a page with charts is written as well; where a policy has a section
    `intrusiveness` the events are judged again under a row of ceilings for it.
    """
    from governor.collector import collect_rarely
    from governor.config import load_policy

    collect_rarely()
    apart([out, dead_letters, report], [policy, events, log, map_, compare])
    policy = policy or settings().policy
    first = load_policy(policy)
    second = load_policy(compare) if compare else None
    recording = recording_of(events, log, map_, again=report is not None)
    writer = report_writer(report, recording, (policy, compare), until, quiet=json_)
    with ExitStack() as opened:
        sink = _opened(opened, out or (None if second else Path("-")))
        letters = _opened(opened, dead_letters)
        play = _Play(recording, until, letters, _with_texts(sink, wanted=texts), writer)
        if second is None:
            _tell(play.judge(first, None), json_)
            play.write()
        else:
            play.compare(first, second, json_)


def _opened(stack: ExitStack, path: Path | None) -> "Sink | None":
    if path is None:
        return None
    write = stack.enter_context(click.open_file(str(path), "wb")).write

    def sink(line: bytes) -> None:
        write(line)

    return sink


def _with_texts(sink: "Sink | None", *, wanted: bool) -> "Sink | None":
    if sink is None or not wanted:
        return sink
    import msgspec

    from governor.explain import texts

    def write(line: bytes) -> None:
        decision = msgspec.json.decode(line)
        for finding, text in zip(decision["findings"], texts(decision), strict=True):
            finding["text"] = text
        sink(msgspec.json.encode(decision) + b"\n")

    return write


class _Play:
    def __init__(
        self,
        recording: Recording,
        until: int | None,
        letters: "Sink | None",
        decisions: "Sink | None",
        report: ReportWriter | None,
    ) -> None:
        from governor.ledger.keys import Pseudonyms

        self._names = Pseudonyms(settings().pseudonym_key)
        self._recording = recording
        self._until = until
        self._letters = letters
        self._decisions = decisions
        self._report = report

    def judge(self, policy: "Policy", ends: "dict[tuple[str, str], Ending] | None") -> "Summary":
        """Play the recording; note in *ends* how each message ends."""
        import msgspec

        from governor.simulate import simulate as play

        decisions = self._decisions
        tally = self._report.tally(policy, self._names) if self._report else None
        events = self._recording()

        def sink(line: bytes) -> None:
            if decisions is not None:
                decisions(line)
            if ends is not None:
                decision = msgspec.json.decode(line)
                ends[decision["person"], decision["message"]] = _ending(decision)
            if tally is not None:
                tally.decided(line)

        summary = play(
            policy,
            events if tally is None else tally.watching(events),
            sink,
            dead_letters=self._letters,
            names=self._names,
            until=self._until,
        )
        if self._report and tally is not None:
            self._report.add(tally, summary)
        return summary

    def write(self) -> None:
        """Write the report on what was judged, if there is to be one."""
        if self._report is not None:
            self._report.write()

    def compare(self, first: "Policy", second: "Policy", json_: bool) -> None:  # noqa: FBT001
        """Play the recording under both policies and print where they differ."""
        before: dict[tuple[str, str], Ending] = {}
        after: dict[tuple[str, str], Ending] = {}
        summaries = [self.judge(first, before)]
        self._letters = self._decisions = None
        summaries.append(self.judge(second, after))
        differing = [
            {
                "person": key[0],
                "message": key[1],
                "first": before.get(key),
                "second": after.get(key),
            }
            for key in dict.fromkeys((*before, *after))
            if before.get(key) != after.get(key)
        ]
        if json_:
            say({"messages": len({*before, *after}), "differing": differing})
        else:
            for one in differing:
                was, is_ = _words(one["first"]), _words(one["second"])
                tell(f"{one['message']} of {one['person']}: {was} -> {is_}")
        for policy, summary in zip((first, second), summaries, strict=True):
            if not json_:
                click.echo(f"policy {policy.revision}", err=True)
            _tell(summary, json_)
        self.write()
        if differing:
            text = (
                f"{count(len(differing), 'message')} of {len({*before, *after}):,} end differently"
            )
            raise Failed(text, DIFFERS)


Ending = dict[str, Any]


def _ending(decision: dict[str, Any]) -> Ending:
    """Return what counts of a message's last decision when two policies are compared."""
    ending = {name: decision[name] for name in ("outcome", "code", "variant", "channel")}
    if decision["outcome"] == "release":
        ending["at"] = decision["decided_at"]
    elif decision["outcome"] != "suppress":
        ending["eligible_at"] = decision["eligible_at"]
    return ending


def _words(ending: Any) -> str:
    if ending is None:
        return "refused"
    if ending["outcome"] == "release":
        return f"release {ending['variant']} by {ending['channel']} at {ending['at']}"
    since = f" until {ending['eligible_at']}" if ending.get("eligible_at") else ""
    return f"{ending['outcome']} {ending['code']}{since}"


def _tell(summary: "Summary", json_: bool) -> None:  # noqa: FBT001
    if json_:
        say(summary, err=True)
        return
    played = [
        count(summary.events, "event"),
        count(summary.candidates, "candidate"),
        count(summary.decisions, "decision"),
    ]
    ends = {
        "released": summary.released,
        "suppressed": summary.suppressed,
        "waiting": len(summary.waiting),
    }
    lines = [
        f"{', '.join(played)} up to {summary.until or 'no moment at all'}",
        ", ".join(f"{end} {number:,}" for end, number in ends.items()),
    ]
    codes = {code: number for code, number in summary.codes.items() if code != "released"}
    for title, counts in (
        ("why not", codes),
        ("refused", summary.rejected),
        ("handed over to a human", summary.handovers),
        ("to be handed over, in shadow", summary.handovers_in_shadow),
        ("said again under another id", summary.resubmissions),
    ):
        if counts:
            ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
            lines.append(f"{title}: " + ", ".join(f"{code} {number:,}" for code, number in ranked))
    lines += [f"waits: {message} of {key} ({state})" for key, message, state in summary.waiting]
    for line in lines:
        tell(line, err=True)
