"""Deliberate bugs, to see that the oracle finds each: the proof that it can say no.

A mutation is applied inside the process that is to be wrong, before it starts; the product has
no place for any of this.
"""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any

import msgspec

from governor import service
from governor.core import facts, model, person, score
from governor.core.comfort import factor_of
from governor.core.hours import Hours
from governor.core.household import Household
from governor.core.instant import DAY, HOUR, SECOND
from governor.core.policy import Cap, Policy
from governor.core.rules import caps, consent, persuasion
from governor.core.shared import Shared
from governor.core.sharing import Sharing
from governor.core.standing import RECOUNTED, REFUNDED, SENT, STRANGER, ControlState, Judged
from governor.core.verdict import Outcome, Score, Verdict
from governor.households import Households
from governor.ledger.keys import Pseudonyms
from governor.ledger.memory import MemoryLedger
from governor.ledger.protocol import Change, HouseholdChange, LedgerUnavailable
from governor.ledger.redis import RedisLedger
from governor.service import Governor
from governor.stream import publisher
from governor.stream.assignment import Assignment
from governor.stream.clock_watch import ClockWatch
from governor.stream.ledger_watch import LedgerWatch
from governor.stream.outgoing import Writer
from governor.stream.producer import Outbox, Outgoing, OversizedError

MUTATIONS: dict[str, Callable[[], None]] = {}
SHARED: set[str] = set()
"""Those that only show where people share households."""

NAMED = {
    "controls-read-again-count-again": "tests/core/test_control.py"
    "::test_a_control_that_is_read_again_does_not_undo_what_came_after_it",
    "log-made-anew-taken-for-the-old": "tests/stream/test_transport_order.py"
    "::test_nothing_lost_a_log_that_ends_before_what_was_read_is_read_from_its_start",
    "large-record-repeats-all-others": "tests/stream/test_producer.py"
    "::test_what_only_this_topic_finds_too_large_is_refused_and_all_else_is_taken",
    "household-given-back-by-whoever-was-overtaken": "tests/service/test_households.py"
    "::test_never_above_a_cap_of_a_household_under_any_interleaving",
    "late-word-stays-while-the-ledger-is-away": "tests/stream/test_publisher.py"
    "::test_who_says_too_late_that_a_message_waits_takes_it_back_though_the_ledger_is_away",
    "clock-not-looked-at": "tests/stream/test_clock_watch.py"
    "::test_fail_closed_wall_time_that_was_moved_is_not_believed",
    "lost-writes-not-missed": "tests/faults/test_ledger_watch.py"
    "::test_a_restart_is_noticed_and_read_again_from_what_survived",
    "server-that-drops-keys-used": "tests/faults/test_ledger_watch.py"
    "::test_a_server_that_would_drop_standings_is_not_used",
}
"""The bugs that no run in virtual time can meet, or hardly ever, and the test that notices each."""

_replace = msgspec.structs.replace
_tasks: set[asyncio.Future[Any]] = set()


def apply(name: str) -> None:
    """Break the product in this process."""
    MUTATIONS[name]()


def mutation(breaks: Callable[[], None]) -> Callable[[], None]:
    MUTATIONS[breaks.__name__.replace("_", "-")] = breaks
    return breaks


def shared_mutation(breaks: Callable[[], None]) -> Callable[[], None]:
    """Note a bug that only shows where people share households."""
    SHARED.add(breaks.__name__.replace("_", "-"))
    return mutation(breaks)


def _patch(place: Any, name: str, make: Callable[[Any], Any]) -> None:
    setattr(place, name, make(getattr(place, name)))


def _aside(work: Awaitable[Any]) -> None:
    task = asyncio.ensure_future(work)
    _tasks.add(task)
    task.add_done_callback(_tasks.discard)


# --- the ledger


@mutation
def no_version_check() -> None:
    """A commit writes whatever stands there by now."""

    def blind(write: Any) -> Any:
        def write_anyway(self: MemoryLedger, change: Change) -> bool:
            known = self._standings.get(change.key)
            written: bool = write(self, _over(change, known.version if known else 0))
            return written

        return write_anyway

    def blindly(commit: Any) -> Any:
        async def commit_anyway(self: RedisLedger, changes: Sequence[Change]) -> list[bool]:
            _, standings = await self.load([change.key for change in changes])
            pairs = zip(changes, standings, strict=True)
            written: list[bool] = await commit(self, [_over(c, s.version) for c, s in pairs])
            return written

        return commit_anyway

    _patch(MemoryLedger, "_write", blind)
    _patch(RedisLedger, "commit", blindly)


def _over(change: Change, version: int) -> Change:
    return Change(change.key, version, change.standing)


@mutation
def conflict_taken_for_success() -> None:
    """What was overtaken is published although it was not written."""

    def always(commit: Any) -> Any:
        async def commit_and_hope(self: Any, changes: Sequence[Change]) -> list[bool]:
            written: list[bool] = await commit(self, changes)
            return [True for _ in written]

        return commit_and_hope

    _patch(MemoryLedger, "commit", always)
    _patch(RedisLedger, "commit", always)


@mutation
def published_before_commit() -> None:
    """What is decided goes to the broker before it is written to the ledger."""
    fresh: list[Any] = []
    parts: list[publisher.Parts] = []

    def remembering(init: Any) -> Any:
        def remember(self: Any, given: publisher.Parts) -> None:
            init(self, given)
            parts[:] = [given]

        return remember

    def noting(take: Any) -> Any:
        def note(*arguments: Any) -> Any:
            taken = take(*arguments)
            fresh.extend(resolution for turn in taken for resolution in turn.resolutions)
            return taken

        return note

    def early(init: Any) -> Any:
        def begin(self: Governor, policy: Any, ledger: Any, *more: Any, **other: Any) -> None:
            init(self, policy, _Early(ledger, fresh, parts), *more, **other)

        return begin

    _patch(publisher.Publisher, "__init__", remembering)
    _patch(service, "take_turns", noting)
    _patch(Governor, "__init__", early)


class _Early:
    """A ledger that first publishes every release that is about to be written to it."""

    def __init__(self, ledger: Any, fresh: list[Any], parts: list[publisher.Parts]) -> None:
        self._ledger, self._fresh, self._parts = ledger, fresh, parts

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ledger, name)

    async def commit(self, changes: Sequence[Change]) -> list[bool]:
        decided = [one for one in self._fresh if one.verdict.outcome is Outcome.RELEASE]
        self._fresh.clear()
        if self._parts and decided:
            await self._parts[0].outbox.send(self._parts[0].writer.resolutions(decided))
        written: list[bool] = await self._ledger.commit(changes)
        return written


# --- households


@shared_mutation
def household_written_over_any_version() -> None:
    """What others have reserved meanwhile is written over."""

    def always(commit: Any) -> Any:
        async def commit_anyhow(self: Any, changes: Sequence[HouseholdChange]) -> list[bool]:
            known = await self.households([change.key for change in changes])
            forced = [
                _replace(change, expected=now.version)
                for change, now in zip(changes, known, strict=True)
            ]
            written: list[bool] = await commit(self, forced)
            return written

        return commit_anyhow

    _patch(MemoryLedger, "commit_households", always)
    _patch(RedisLedger, "commit_households", always)


@shared_mutation
def household_told_after_the_release() -> None:
    """Nothing is reserved; a slot is written only once the person's release is."""

    def late(_: Any) -> Any:
        def touch(self: Sharing, entry: Any) -> None:
            if entry.household is not None:
                self._touch(entry.household, entry.message)

        return touch

    _patch(Sharing, "take", late)


@shared_mutation
def household_given_back_by_whoever_was_overtaken() -> None:
    """A reservation is given back when the person's commit conflicts, whoever has it by now."""

    def hasty(settle: Any) -> Any:
        async def give_back(self: Households, done: Any) -> None:
            for key, owed in self._owed.items():
                for name, message in owed:
                    done[name].append((key, message, _replace(STRANGER, version=10**9)))
            await settle(self, done)

        return give_back

    _patch(Households, "settle", hasty)


@shared_mutation
def household_never_settled() -> None:
    """What was reserved stays so, and nothing is given back."""

    async def idle(self: Households, done: Any) -> None:
        return None

    _patch(Households, "settle", lambda _: idle)


@shared_mutation
def household_freed_without_asking() -> None:
    """What was reserved a moment ago is free, whatever came of it."""

    def blind(get: Any) -> Any:
        def taken(self: Shared, name: str) -> Household:
            household: Household = get(self, name)
            return _replace(household, slots=tuple(s for s in household.slots if s.hold is None))

        return taken

    _patch(Shared, "get", blind)


# --- the rules


@mutation
def counted_at_delivery() -> None:
    """A release takes its slot when it is delivered, not when it is decided."""

    def settling(settle: Any) -> Any:
        def count(standing: Any, entry: Any, feedback: model.Feedback) -> Any:
            if feedback.kind == "delivered" and entry.settled == SENT:
                changed = _replace(entry, settled=RECOUNTED)
                log = tuple(changed if one is entry else one for one in standing.log)
                return _replace(standing, log=log), None
            return settle(standing, entry, feedback)

        return count

    _patch(facts, "_settle", settling)
    _patch(caps, "counted", lambda _: lambda log: [e for e in log if e.settled == RECOUNTED])


@mutation
def refunded_twice() -> None:
    """A bounce gives the slot back also when it was given back and taken again."""

    def settling(settle: Any) -> Any:
        def refund(standing: Any, entry: Any, feedback: model.Feedback) -> Any:
            if feedback.kind in ("bounced", "failed"):
                entry_ = _replace(entry, settled=REFUNDED)
                log = tuple(entry_ if one is entry else one for one in standing.log)
                return _replace(standing, log=log), None
            return settle(standing, entry, feedback)

        return refund

    _patch(facts, "_settle", settling)


@mutation
def window_border_closed() -> None:
    """A send at `s` still counts at `s` plus the window."""

    def closed(limit: int, window: int, sends: list[int], at: int) -> tuple[int, int | None]:
        inside = sorted(sent for sent in sends if sent >= at - window)
        if limit == 0 or len(inside) < limit:
            return len(inside), None
        return len(inside), (inside[len(inside) - limit] + window) // SECOND * SECOND + SECOND

    _patch(caps, "_rolling", lambda _: closed)


@mutation
def window_a_second_short() -> None:
    """A slot is free a second early."""

    def short(rolling: Any) -> Any:
        def count(limit: int, window: int, sends: list[int], at: int) -> Any:
            return rolling(limit, window - SECOND, sends, at)

        return count

    _patch(caps, "_rolling", short)


@mutation
def reserve_for_all() -> None:
    """Messages of any priority take the slots that are reserved."""
    _patch(Cap, "open_to", lambda _: lambda cap, priority: cap.limit)


@mutation
def objection_lifted_by_a_grant() -> None:
    """Whoever agrees once more no longer objects."""

    def lifted(objects: Any) -> Any:
        def ask(consents: Any) -> bool:
            grants = [one.at for one in consents if one.action == "grant"]
            stands: bool = objects([one for one in consents if one.at >= max(grants, default=0)])
            return stands

        return ask

    _patch(consent, "objects", lifted)


@mutation
def tie_goes_to_the_grant() -> None:
    """Of a grant and a withdrawal of one instant the grant holds."""

    def lenient(said: Any) -> Any:
        def ask(consents: Any, bases: Any) -> Any:
            later = tuple(
                _replace(one, at=one.at + 1) if one.action == "grant" else one for one in consents
            )
            return said(later, bases)

        return ask

    _patch(consent, "said", lenient)


@mutation
def quiet_hours_an_hour_off() -> None:
    """The person's clock is taken for an hour ahead."""

    def shifted(next_open: Any) -> Any:
        def ask(self: Hours, place: Any, at: int) -> int | None:
            opening: int | None = next_open(self, place, at + HOUR)
            return None if opening is None else opening - HOUR

        return ask

    _patch(Hours, "next_open", shifted)


@mutation
def controls_read_again_count_again() -> None:
    """A control that comes once more undoes what came after it."""

    def forgetful(apply_control: Any) -> Any:
        def again(state: ControlState, control: model.Control) -> ControlState:
            applied: ControlState = apply_control(_replace(state, applied=()), control)
            return applied

        return again

    for place in (service, facts):
        _patch(place, "apply_control", forgetful)


# --- how much, and how it presses


@mutation
def half_life_ignored() -> None:
    """What was sent presses on as on the first day, whatever half-life the policy names."""

    def endless(init: Any) -> Any:
        def begin(self: Governor, policy: Policy, *more: Any, **other: Any) -> None:
            section = policy.intrusiveness
            if section is not None:
                section = section.model_copy(update={"half_life": 365 * DAY})
            init(self, policy.model_copy(update={"intrusiveness": section}), *more, **other)

        return begin

    _patch(Governor, "__init__", endless)


@mutation
def ceiling_compared_before_adding() -> None:
    """A message goes while what presses already is below the ceiling, however much it adds."""

    def hasty(reckon: Any) -> Any:
        def without(self: score.Scale, at: int) -> Score:
            found: Score = reckon(self, at)
            return _replace(found, after=found.pressure)

        return without

    _patch(score.Scale, "score", hasty)


@mutation
def bounced_presses_on() -> None:
    """What did not arrive presses as if it had."""
    _patch(score, "counted", lambda _: lambda log: [one for one in log if one.counts])


@mutation
def nothing_learned() -> None:
    """Complaints, dismissals and clicks leave the ceiling where it is."""
    _patch(facts, "learn", lambda _: lambda section, known, kind, at: known)


@mutation
def clicks_raise_what_was_said() -> None:
    """What is learned raises the ceiling of people who said how much they want."""

    def raised(ceiling_of: Any) -> Any:
        def ask(section: Any, standing: Any, at: int) -> float:
            factor = factor_of(section, standing, at)
            said = standing.profile is not None and standing.profile.comfort.level is not None
            ceiling: float = ceiling_of(section, standing, at)
            return ceiling * max(factor, 1.0) if said else ceiling

        return ask

    _patch(score, "ceiling_of", raised)


@mutation
def budget_counts_what_was_given_back() -> None:
    """A message that bounced uses up the budget."""
    _patch(persuasion, "REFUNDED", lambda _: None)


@mutation
def budget_of_what_counts_alone() -> None:
    """What enters no cap does not enter the budget either."""

    def narrow(budget: Any) -> Any:
        def judge(case: Any, *more: Any) -> Any:
            log = tuple(one for one in case.standing.log if one.counts)
            return budget(_replace(case, standing=_replace(case.standing, log=log)), *more)

        return judge

    _patch(persuasion, "_budget", narrow)


@mutation
def offer_prolonged() -> None:
    """Whoever was told once when an offer ends is told another time the next time."""
    _patch(persuasion, "_first_offer", lambda _: lambda case, at: None)


# --- what waits


@mutation
def woken_without_judging() -> None:
    """What has waited long enough goes out, whatever has happened meanwhile."""

    def trusting(judge: Any) -> Any:
        def release(self: Any, incoming: Any, waiting: Any, *, early: bool) -> Verdict:
            due = waiting is not None and waiting.eligible_at is not None
            if due and self.now >= waiting.eligible_at:
                return Verdict(Outcome.RELEASE, waiting.variant, None, None, ())
            verdict: Verdict = judge(self, incoming, waiting, early=early)
            return verdict

        return release

    _patch(person.Person, "_verdict", trusting)


@mutation
def waiting_entry_forgotten() -> None:
    """Nothing is kept of what has to wait."""

    def forgetting(written: Any) -> Any:
        def forget(standing: Any, verdict: Verdict, left: Any, done: Any, message: int) -> Any:
            return written(standing, verdict, None, done, message)

        return forget

    _patch(person, "written", forgetting)


@mutation
def unpublished_not_looked_at_again() -> None:
    """A crash between a waking's commit and its publishing is not made good."""

    def done(written: Any) -> Any:
        def forget(standing: Any, verdict: Verdict, left: Any, done: Any, message: int) -> Any:
            left = left if left is None else _replace(left, unsent=False, wake_at=left.planned_at)
            return written(standing, verdict, None if verdict.final else left, done, message)

        return forget

    _patch(person, "written", done)


@mutation
def control_ignored_for_what_waits() -> None:
    """A pause or a stop binds only what is fresh."""

    def unbound(judge: Any) -> Any:
        def ignore(self: Any, incoming: Any, waiting: Any, *, early: bool) -> Verdict:
            setting = self.setting
            if waiting is not None:
                self.setting = _replace(setting, control=ControlState())
            try:
                verdict: Verdict = judge(self, incoming, waiting, early=early)
            finally:
                self.setting = setting
            return verdict

        return ignore

    _patch(person.Person, "_verdict", unbound)


@mutation
def late_word_on_what_waits_stays() -> None:
    """Whoever says too late that a message waits does not take it back."""

    def deaf(published: Any) -> Any:
        async def let_go(self: Governor, resolutions: Iterable[Any]) -> list[Any]:
            await published(self, resolutions)
            return []

        return let_go

    _patch(Governor, "published", deaf)


@mutation
def late_word_stays_while_the_ledger_is_away() -> None:
    """Whoever says too late that a message waits asks the ledger once, and no more if not ours."""

    async def once(self: Any, resolutions: Any, alive: Any) -> None:
        while resolutions:
            try:
                resolutions = await self.parts.governor.published(resolutions)
            except LedgerUnavailable as error:
                if not alive():
                    return
                await self.wait_for_ledger(error)
            else:
                await self._send(self.parts.writer.waiting(resolutions), alive)

    _patch(publisher.Publisher, "_let_go", lambda _: once)


# --- repeats


@mutation
def repeat_judged_anew() -> None:
    """A message that comes again is judged again."""

    def anew(judge: Any) -> Any:
        def judge_fresh(self: Any, incoming: Any) -> None:
            self._resolve(incoming, self._verdict(incoming, None, early=False), None)

        return judge_fresh

    _patch(person.Person, "judge_fresh", anew)


@mutation
def suppressions_not_remembered() -> None:
    """Only releases are known when they come again."""

    def forgetting(written: Any) -> Any:
        def forget(standing: Any, verdict: Verdict, left: Any, done: Any, message: int) -> Any:
            return written(
                standing, verdict, left, None if isinstance(done, Judged) else done, message
            )

        return forget

    _patch(person, "written", forgetting)


@mutation
def repeated_release_taken_back() -> None:
    """Whoever was frozen takes back a release that somebody else has published meanwhile."""

    def stubborn(reconsider: Any) -> Any:
        def judge(setting: Any, standing: Any, release: Any, now: int) -> Any:
            log = tuple(_replace(one, settled=SENT) for one in standing.log)
            return reconsider(setting, _replace(standing, log=log), release, now)

        return judge

    _patch(service, "reconsider", stubborn)


@mutation
def another_decision_id_each_time() -> None:
    """A repeat of a decision carries an id of its own."""
    numbers = itertools.count()

    def numbered(decision_id: Any) -> Any:
        def name(self: Pseudonyms, person: str, message: str, attempt: int) -> str:
            return f"{decision_id(self, person, message, attempt)}-{os.getpid()}-{next(numbers)}"

        return name

    _patch(Pseudonyms, "decision_id", numbered)


# --- publishing and acknowledging


@mutation
def acknowledged_before_delivery() -> None:
    """A source is let go while its outputs are still on their way."""

    def hasty(send: Any) -> Any:
        async def send_aside(self: Any, records: list[Outgoing], alive: Any) -> bool:
            _aside(send(self, records, alive))
            return True

        return send_aside

    _patch(publisher.Publisher, "_send", hasty)


@mutation
def decisions_lost_in_a_crash() -> None:
    """Only releases are waited for."""

    def halfway(send: Any) -> Any:
        async def send_half(self: Any, records: list[Outgoing], alive: Any) -> bool:
            decisions = [one for one in records if one.topic.endswith("outreach.decisions")]
            if decisions:
                _aside(send(self, decisions, alive))
            others = [one for one in records if one not in decisions]
            sent: bool = not others or await send(self, others, alive)
            return sent

        return send_half

    _patch(publisher.Publisher, "_send", halfway)


@mutation
def dead_letters_dropped() -> None:
    """What cannot be used disappears."""
    _patch(Writer, "letters", lambda _: lambda self, letters, at: [])


@mutation
def offsets_ahead_of_the_work() -> None:
    """What was fetched is committed, applied or not."""

    def ahead(committable: Any) -> Any:
        def fetched(self: Assignment) -> dict[Any, int]:
            return {
                each: progress.fetched
                for each, progress in self._of.items()
                if progress.fetched is not None and progress.fetched != progress.committed
            }

        return fetched

    _patch(Assignment, "committable", ahead)


@mutation
def log_made_anew_taken_for_the_old() -> None:
    """What a topic holds that was deleted and made anew is taken for known."""
    _patch(Assignment, "begin_again", lambda _: lambda self, batches, seen: [])


@mutation
def large_record_repeats_all_others() -> None:
    """What the broker takes is published again with what it finds too large."""

    def together(send: Any) -> Any:
        async def send_all(self: Outbox, records: Sequence[Outgoing]) -> None:
            try:
                await send(self, records)
            except OversizedError:
                raise OversizedError(records) from None

        return send_all

    _patch(Outbox, "send", together)


# --- what must be trusted


@mutation
def clock_not_looked_at() -> None:
    """Wall time is believed however it jumps."""
    _patch(ClockWatch, "off", lambda _: lambda self: None)


@mutation
def lost_writes_not_missed() -> None:
    """A ledger that was restarted, emptied or set back is used as it is."""
    _patch(LedgerWatch, "_whole", lambda _: lambda self, trust: trust.epoch is not None)


@mutation
def server_that_drops_keys_used() -> None:
    """A Redis that may drop standings is used."""

    def careless(check: Any) -> Any:
        async def check_nothing(self: RedisLedger) -> int:
            self._may_ask = False
            at: int = await check(self)
            return at

        return check_nothing

    _patch(RedisLedger, "check_server", careless)
