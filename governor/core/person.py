"""What comes up for one person at one moment, and how each of their messages is judged."""

from functools import partial

import msgspec

from governor.core import arbitrate, facts
from governor.core.calendar import place_of
from governor.core.case import Case
from governor.core.decide import decide
from governor.core.finish import finish
from governor.core.incoming import Incoming
from governor.core.record import (
    LOOK_AGAIN,
    again,
    held_up,
    is_final,
    marked,
    policy_fault,
    release_of,
    suppression_of,
    waiting_of,
    waits_as,
    waits_on,
    written,
)
from governor.core.resolution import Resolution
from governor.core.setting import Setting, Taken, Turn
from governor.core.sharing import Sharing
from governor.core.standing import SENT, Entry, Judged, Standing, Waiting, name64
from governor.core.verdict import RELEASE, SUPPRESS, Verdict

replace = msgspec.structs.replace


class Person:
    """One person's turn in the making."""

    def __init__(self, setting: Setting, standing: Standing, turn: Turn) -> None:
        self.setting = setting
        self.standing = standing
        self.turn = turn
        self.now = self._not_before_the_last_entry(turn.now)
        self.sharing = Sharing(setting, turn.key, standing.version)
        self._made: set[tuple[int, int]] = set()
        self.resolutions: list[Resolution] = []
        self.rejected: list[tuple[Incoming, str]] = []
        self.notes: list[str] = []

    def taken(self) -> Taken:
        """Return what the turn came to so far."""
        came_to = (self.resolutions, self.rejected, self.notes)
        return finish(self.setting, self.standing, self.turn, self.now, *came_to)

    def _not_before_the_last_entry(self, at: int) -> int:
        log = self.standing.log
        return max(at, log[-1].at) if log else at

    def catch_up(self) -> None:
        """Judge what was due before this turn, moment by moment."""
        while (moment := self.missed()) is not None:
            self.go_to(moment)
            self.judge_waiting(everything=False, until=moment)
        self.go_to(self.turn.now)

    def missed(self) -> int | None:
        """Return the first moment before this turn at which something is still to be judged."""
        moments = (
            self._moment(one)
            for one in self.standing.waiting
            if not is_final(self.standing, one.message)
        )
        return min((one for one in moments if one < self.turn.now), default=None)

    def go_to(self, moment: int) -> None:
        """Judge as of *moment* (ms) from here on."""
        self.now = self._not_before_the_last_entry(moment)

    def _moment(self, waiting: Waiting) -> int:
        """Return when to judge *waiting* again, also when its decision is this turn's own."""
        own = (waiting.message, waiting.attempt) in self._made
        return waiting.planned_at if own else waiting.wake_at

    def apply_told(self) -> bool:
        """Write down every fact; tell whether any of them wakes what waits."""
        wakes = False
        for told in self.turn.told:
            applied = facts.apply(self.setting.policy, self.standing, told, self.setting.alias)
            self.standing = applied.standing
            self.sharing.told(told.fact, self.standing)
            wakes = wakes or applied.wakes
            if applied.note is not None:
                self.notes.append(applied.note)
        return wakes

    def judge_waiting(self, *, everything: bool, until: int | None = None) -> None:
        """Judge again what was woken or is due (at *until*, by default now), the best first."""
        woken = self.woken(everything=everything, until=until)
        for waiting, incoming in arbitrate.ranked(self.setting.policy, woken):
            self.judge_again(waiting, incoming)

    def woken(self, *, everything: bool, until: int | None = None) -> list[arbitrate.Woken]:
        """Return what is to be judged again; while the gate is held, only mark it."""
        woken = []
        moment = self.now if until is None else until
        for waiting in self.standing.waiting:
            due = (self.turn.due or until is not None) and self._moment(waiting) <= moment
            if not (everything or due or (self.turn.covered and until is None)):
                continue
            incoming = self.setting.open_body(self.turn.key, waiting)
            if everything or due or (until is None and self.turn.covers(incoming.candidate)):
                woken.append((waiting, incoming))
        if self.turn.hold:
            self.standing = held_up(self.standing, [one for one, _ in woken], self.now)
            return []
        return woken

    def judge_again(self, waiting: Waiting, incoming: Incoming) -> None:
        """Judge what waits, and publish what is new about it."""
        looked_for = waiting.wake_at <= self.now
        if waiting.unsent:
            if (waiting.message, waiting.attempt) not in self._made:
                waiting = self._publish_again(waiting, incoming)
            if is_final(self.standing, waiting.message):
                return
        verdict = self._verdict(incoming, waiting, early=waiting.early(self.now))
        if arbitrate.gathers(waiting, self.now) and verdict.outcome is not SUPPRESS:
            if looked_for:
                self._wait_on(waiting, arbitrate.next_look(waiting, self.now))
            return
        unchanged = (verdict.outcome, verdict.code, verdict.eligible_at) == (
            waiting.outcome,
            waiting.code,
            waiting.eligible_at,
        )
        if verdict.final or not unchanged:
            self._resolve(incoming, verdict, waiting)
        elif looked_for and verdict.wake_at is not None:
            self._wait_on(waiting, verdict.wake_at)

    def _publish_again(self, waiting: Waiting, incoming: Incoming) -> Waiting:
        """Repeat what may never have been published, and leave word that it has been now."""
        self._made.add((waiting.message, waiting.attempt))
        self._repeat(incoming)
        later = replace(waiting, wake_at=self.now + LOOK_AGAIN)
        self.standing = waits_as(self.standing, {waiting: later})
        return later

    def _wait_on(self, waiting: Waiting, moment: int) -> None:
        """Look again at *moment*; what is unsent goes on being looked at until it is published."""
        look = min(moment, self.now + LOOK_AGAIN) if waiting.unsent else moment
        later = replace(waiting, wake_at=look, planned_at=moment)
        self.standing = waits_as(self.standing, {waiting: later})

    def judge_fresh(self, incoming: Incoming) -> None:
        """Judge a candidate, or repeat the verdict on an id that is known, as it came first."""
        known = self.standing.known(name64(incoming.candidate.id))
        if known is not None and known.digest != incoming.digest:
            self.rejected.append((incoming, "conflicting_id"))
        elif incoming.future:
            self.rejected.append((incoming, "future_time"))
        elif known is not None:
            waiting = self.standing.waits(known.message)
            kept = None if waiting is None else self.setting.open_body(self.turn.key, waiting)
            self._repeat(kept or incoming)
        elif until := arbitrate.gathering(self.setting.policy, self.standing, incoming, self.now):
            self._resolve(incoming, until, None, attempt=0)
        else:
            self._resolve(incoming, self._verdict(incoming, None, early=False), None)

    def judge_anew(self, incoming: Incoming, waiting: Waiting | None, attempt: int) -> Resolution:
        """Judge as if the decision number *attempt* had not been made."""
        verdict = self._verdict(incoming, waiting, early=False)
        if waiting is not None:
            waiting = replace(waiting, attempt=attempt - 1)
        self._resolve(incoming, verdict, waiting)
        return self.resolutions[-1]

    def _verdict(self, incoming: Incoming, waiting: Waiting | None, *, early: bool) -> Verdict:
        case = self._case(incoming, waiting, self.standing)
        if case is None:
            return policy_fault(incoming)
        if waiting is not None and arbitrate.closes(waiting, self.now):
            log = partial(self.sharing.log, incoming, self.standing)
            return arbitrate.at_closing(case, self.now, self._made, log)
        return decide(case, self.now, early=early)

    def _case(self, incoming: Incoming, waiting: Waiting | None, standing: Standing) -> Case | None:
        policy = self.setting.policy
        candidate = incoming.candidate
        category = policy.categories.get(candidate.category)
        if category is None:
            return None
        message = name64(candidate.id)
        received_at = waiting.received_at if waiting else self.now
        expires_at = candidate.expires_at
        if expires_at is None:
            expires_at = received_at + policy.defaults.expires_after
        taken_back = any(one.message == message for one in standing.cancelled)
        return Case(
            policy,
            category,
            candidate,
            standing,
            self.setting.control,
            place_of(standing.profile, policy.defaults),
            received_at,
            expires_at,
            stale=waiting is None and incoming.record_at < self.now - policy.retention.verdicts,
            cancelled=taken_back or (waiting is not None and waiting.cancelled),
            review_since=waiting.review_since if waiting else None,
            answers=tuple(one for one in standing.answers if one.message == message),
            household=self.sharing.log(incoming, standing, message),
        )

    def _resolve(
        self, incoming: Incoming, verdict: Verdict, waiting: Waiting | None, attempt: int = 1
    ) -> None:
        """Write a new verdict down and publish it."""
        at, seq = self.now, self.standing.version + 1
        attempt = waiting.attempt + 1 if waiting else attempt
        done: Entry | Judged | None = None
        if verdict.outcome is RELEASE:
            done = release_of(
                incoming,
                verdict,
                self.setting.policy,
                self.sharing.name(incoming, self.standing),
                at=at,
                attempt=attempt,
                seq=seq,
            )
            self.sharing.take(done)
        elif verdict.outcome is SUPPRESS:
            done = suppression_of(incoming, verdict, at=at, attempt=attempt, seq=seq)
        left: Waiting | None = None
        if waiting is not None:
            left = waits_on(waiting, verdict, at=at, attempt=attempt, seq=seq)
        elif not verdict.final:
            body = self.setting.seal_body(self.turn.key, incoming)
            left = waiting_of(incoming, verdict, at=at, attempt=attempt, seq=seq, body=body)
        message = name64(incoming.candidate.id)
        self._made.add((message, attempt))
        self.standing = written(self.standing, verdict, left, done, message)
        self._publish(incoming, verdict, (attempt, seq, at), done, left, waiting is not None)

    def _repeat(self, incoming: Incoming) -> None:
        """Publish again what was decided; the findings are made again as of that moment."""
        message = name64(incoming.candidate.id)
        waiting, known = self.standing.waits(message), self.standing.known(message)
        assert known is not None  # noqa: S101
        before = tuple(one for one in self.standing.log if one.seq < known.seq)
        at = known.decided_at if isinstance(known, Waiting) else known.at
        case = self._case(incoming, waiting, replace(self.standing, log=before))
        verdict = again(known)
        if case is not None:
            verdict = arbitrate.retold(case.as_of(at), known, verdict, at)
        if isinstance(known, Entry) and known.settled == SENT and at not in self.turn.tried:
            self.standing = marked(self.standing, known)
        self._publish(
            incoming,
            verdict,
            (known.attempt, known.seq, at),
            None if isinstance(known, Waiting) else known,
            waiting,
            # What was not final at first has waited, and may still have to be taken off.
            waiting is not None or known.attempt > 1 or arbitrate.has_window(self.setting.policy),
            repeat=True,
        )

    def _publish(
        self,
        incoming: Incoming,
        verdict: Verdict,
        mark: tuple[int, int, int],
        done: Entry | Judged | None,
        left: Waiting | None,
        was_waiting: bool,  # noqa: FBT001
        *,
        repeat: bool = False,
    ) -> None:
        candidate = incoming.candidate
        attempt, seq, at = mark
        self.resolutions.append(
            Resolution(
                incoming,
                self.turn.key,
                verdict,
                self.setting.decision_id(candidate.person, candidate.id, attempt),
                self.setting.policy.revision,
                attempt,
                seq,
                at,
                entry=done if isinstance(done, Entry) else None,
                waiting=None if verdict.final else left,
                was_waiting=was_waiting,
                repeat=repeat,
                reconstructed=repeat,
            )
        )
