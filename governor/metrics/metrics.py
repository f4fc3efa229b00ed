"""Counts what a worker did, a batch at a time; names that the policy does not know are `other`."""

from collections import Counter as Tally
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, product
from operator import attrgetter
from typing import Any, get_args

from governor.core import model
from governor.core.human_touch import MESSAGES
from governor.core.incoming import Told
from governor.core.instant import SECOND
from governor.core.policy import HumanSignal, Policy
from governor.core.resolution import Handover, Resolution
from governor.core.verdict import OUTCOME_NAMES, Outcome, Verdict
from governor.metrics.catalogue import CAUSES, REASONS, STEPS, Catalogue
from governor.metrics.prepared import (
    NONE,
    OTHER,
    capped_of,
    decision_labels,
    finding_labels,
    limits_of,
    purposes_of,
)

_ENFORCED = ("false", "true")
_NAMES = tuple(OUTCOME_NAMES[outcome] for outcome in Outcome)
_SAID = attrgetter("rule", "id", "outcome", "enforced")
_IGNORED = ("not_released",)
_FIXED = (
    ("waiting", ("defer", "review")),
    ("held_closed_seconds", CAUSES),
    ("batch_seconds", STEPS),
    ("controls", get_args(model.Control.model_fields["action"].annotation)),
    ("reviews", get_args(model.ReviewAnswer.model_fields["answer"].annotation)),
    ("feedback_ignored", _IGNORED),
)


class _Children(dict[tuple[str, ...], Any]):
    """The labelled children of a metric by their label values; looking one up makes it."""

    def __init__(self, family: Any) -> None:
        super().__init__()
        self._family = family

    def __missing__(self, labels: tuple[str, ...]) -> Any:
        child = self._family.labels(*labels)
        self[labels] = child
        return child

    def add(self, counts: Mapping[tuple[str, ...], int]) -> None:
        for labels, count in counts.items():
            self[labels].inc(count)

    def observe(self, amounts: Mapping[tuple[str, ...], Sequence[float]]) -> None:
        for labels, some in amounts.items():
            self[labels].observe_all(some)


class Metrics(Catalogue):
    """The metrics of one worker and the ways to count; not for use from several threads."""

    def __init__(self) -> None:
        super().__init__()
        self._categories: set[str] = set()
        self._capped: dict[str, str] = {}
        self._channels: set[str] = set()
        self._purposes: set[str] = {"*"}
        self._topics: set[str] = set()
        self._decisions = _Children(self.decisions)
        self._findings = _Children(self.findings)
        self._last_slots = _Children(self.last_slots)
        self._releases = _Children(self.release_seconds)
        self._direct = _Children(self.direct_release_seconds)
        self._steps = _Children(self.batch_seconds)
        self._candidates = _Children(self.candidates)
        self._feedback = _Children(self.feedback)
        self._consents = _Children(self.consent_changes)
        self._controls = _Children(self.controls)
        self._reviews = _Children(self.reviews)
        self._ignored = _Children(self.feedback_ignored)
        self._dead = _Children(self.dead_letters)
        self._released = _Children(self.releases)
        self._resubmitted = _Children(self.resubmissions)
        self._handovers = _Children(self.handovers)
        for family, values in _FIXED:
            for value in values:
                getattr(self, family).labels(value)

    def prepare(self, policy: Policy, topics: Iterable[str] = ()) -> None:
        """Start every series that can come up under *policy*; *topics* are those that are read.

        What an earlier policy named stays known, so that nothing drops out of a graph.
        """
        self._categories |= set(policy.categories)
        self._capped |= dict(capped_of(policy))
        self._channels |= policy.channels
        self._purposes |= set(purposes_of(policy))
        self._topics |= set(topics)
        for series, labels in self._started(policy):
            for values in labels:
                series[values]

    def _started(self, policy: Policy) -> Iterator[tuple[_Children, Iterable[tuple[str, ...]]]]:
        channels = [(channel,) for channel in sorted(policy.channels)]
        yield self._candidates, [(category,) for category in policy.categories]
        yield self._decisions, decision_labels(policy)
        yield self._findings, finding_labels(policy)
        yield self._last_slots, limits_of(policy)
        yield self._releases, channels
        yield self._direct, channels
        yield self._feedback, product(get_args(model.FeedbackKind), (*policy.channels, NONE))
        yield self._consents, product(get_args(model.ConsentAction), sorted(self._purposes))
        yield self._released, capped_of(policy)
        yield self._resubmitted, [(category,) for category in policy.categories]
        yield self._handovers, product((MESSAGES, *get_args(HumanSignal)), _ENFORCED)
        yield self._dead, product(sorted(self._topics), REASONS)

    def count_candidates(self, candidates: Iterable[model.Candidate]) -> None:
        """Count candidates as they are read."""
        known = self._categories
        tally = Tally(one.category if one.category in known else OTHER for one in candidates)
        for category, count in tally.items():
            self._candidates[category,].inc(count)

    def count_told(self, told: Iterable[Told]) -> None:
        """Count facts about people as they are read: consents, feedback, reviewers' answers."""
        for one in told:
            fact = one.fact
            if isinstance(fact, model.Feedback):
                self._feedback[fact.kind, self._channel(fact.channel)].inc()
            elif isinstance(fact, model.ConsentChange):
                purpose = fact.purpose if fact.purpose in self._purposes else OTHER
                self._consents[fact.action, purpose].inc()
            elif isinstance(fact, model.ReviewAnswer):
                self._reviews[fact.answer,].inc()

    def count_controls(self, controls: Iterable[model.Control]) -> None:
        """Count controls as they are read."""
        for control in controls:
            self._controls[control.action,].inc()

    def count_dead_letter(self, topic: str, reason: str) -> None:
        """Count one record that was put aside."""
        known = reason if reason in REASONS else OTHER
        self._dead[topic, known].inc()

    def count_notes(self, notes: Iterable[str]) -> None:
        """Count what facts came to, as a judgement notes it."""
        for note in notes:
            if note == "refunded":
                self.refunded.inc()
            elif note == "recounted":
                self.recounted.inc()
            elif note == "unknown_message":
                self.feedback_unmatched.inc()
            else:
                self._ignored[note if note in _IGNORED else OTHER,].inc()

    def count_handovers(self, handovers: Iterable[Handover]) -> None:
        """Count who was handed over to a human, once."""
        for one in handovers:
            if not one.repeat:
                self._handovers[one.why, _ENFORCED[not one.shadow]].inc()

    def count_batch(self, seconds: Mapping[str, float], messages: int) -> None:
        """Measure one batch: how long each step took and how much was judged."""
        for step, spent in seconds.items():
            self._steps[step if step in STEPS else OTHER,].observe(spent)
        self.batch_messages.observe(messages)

    def count_resolutions(self, resolutions: Iterable[Resolution], at: int) -> None:
        """Count what was decided, once published; *at* (ms) is that moment.

        A repeat is counted as such and nowhere else.
        """
        made, repeats = [], 0
        for one in resolutions:
            if one.repeat:
                repeats += 1
            elif not one.gathers:
                made.append(one)
        self.repeats.inc(repeats)
        self._decisions.add(Tally(self._decision(one) for one in made))
        self._count_releases([one for one in made if one.verdict.outcome is Outcome.RELEASE], at)
        found = chain.from_iterable(one.verdict.findings for one in made)
        for (rule, entry, said, enforced), count in Tally(map(_SAID, found)).items():
            self._findings[rule, entry, _NAMES[said], _ENFORCED[enforced]].inc(count)

    def set_policy(self, active: str | None, refused: str | None = None) -> None:
        """Tell which revision is in force and which was refused, if any."""
        self.policy_info.clear()
        if active is not None:
            self.policy_info.labels(active, "active").set(1)
        if refused is not None:
            self.policy_info.labels(refused, "refused").set(1)

    def set_waiting(self, deferred: int, in_review: int, overdue_seconds: float) -> None:
        """Tell how much waits, and for how long the oldest of what is due is overdue."""
        self.waiting.labels("defer").set(deferred)
        self.waiting.labels("review").set(in_review)
        self.waiting_overdue_seconds.set(max(0.0, overdue_seconds))

    def set_lag(self, lags: Mapping[tuple[str, int], int]) -> None:
        """Tell the lag of every partition that is owned; the others drop out."""
        self.partition_lag.clear()
        for (topic, partition), lag in lags.items():
            self.partition_lag.labels(topic, str(partition)).set(lag)

    def _channel(self, channel: str | None) -> str:
        if channel is None:
            return NONE
        return channel if channel in self._channels else OTHER

    def _decision(self, one: Resolution) -> tuple[str, str, str]:
        verdict = one.verdict
        variant = one.incoming.candidate.variants[verdict.variant]
        released = verdict.outcome is Outcome.RELEASE
        rule = NONE if released else _deciding_rule(verdict, variant.id)
        return _NAMES[verdict.outcome], rule, self._channel(variant.channel)

    def _count_releases(self, releases: Sequence[Resolution], at: int) -> None:
        seconds: dict[tuple[str, ...], list[float]] = defaultdict(list)
        direct: dict[tuple[str, ...], list[float]] = defaultdict(list)
        released: Tally[tuple[str, ...]] = Tally()
        for one in releases:
            candidate = one.incoming.candidate
            variant = candidate.variants[one.verdict.variant]
            channel, spent = self._channel(variant.channel), at - one.incoming.record_at
            seconds[channel,].append(max(0, spent) / SECOND)
            if not one.was_waiting:
                direct[channel,].append(max(0, spent) / SECOND)
            category = candidate.category if candidate.category in self._capped else OTHER
            released[category, self._capped.get(category, "false")] += 1
            if one.resubmitted:
                self._resubmitted[category,].inc()
            for entry in _last_slots(one.verdict, variant.id):
                self._last_slots[entry,].inc()
        self._releases.observe(seconds)
        self._direct.observe(direct)
        self._released.add(released)


def _last_slots(verdict: Verdict, variant: str) -> Iterator[str]:
    """Name the caps whose limit is used up by the release of *variant*."""
    for found in verdict.findings:
        if (
            found.window is not None
            and found.rule == "caps"
            and found.outcome is Outcome.RELEASE
            and found.variant == variant
            and isinstance(found.observed, (int, float))
            and found.observed + 1 == found.limit
        ):
            yield found.id


def _deciding_rule(verdict: Verdict, variant: str) -> str:
    """Name the rule of the finding that gave the verdict its code, as decide chose it."""
    for found in verdict.findings:
        if found.variant == variant and found.enforced and found.code == verdict.code:
            return found.rule
    return OTHER
