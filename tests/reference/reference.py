"""A slow, readable second opinion on what governor must decide for a recorded history."""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterable
from itertools import groupby
from pathlib import Path
from typing import Any

import yaml

from tests.reference import intake
from tests.reference.case import Case
from tests.reference.facts import (
    TOLERANCE,
    Bad,
    Message,
    Person,
    Send,
    check_candidate,
    named_channels,
    time_of,
)
from tests.reference.rules import exposure_of, sum_of
from tests.reference.search import finding_time
from tests.reference.times import DAY, duration, parse_time, show_time
from tests.reference.verdict import Verdict, deadline, judge_message


class Reference:
    """One run over one history; `decisions`, `dead_letters` and `waiting` are what came of it."""

    def __init__(self, policy: dict[str, Any], *, with_findings: bool = True) -> None:
        self.policy = policy
        self.with_findings = with_findings
        self.arbitration: dict[str, Any] = policy.get("arbitration") or {}
        self.ahead: dict[str, list[str]] = {}
        self.channels = named_channels(policy)
        self.people: dict[str, Person] = {}
        self.controls: list[dict[str, Any]] = []
        self.decisions: list[dict[str, Any]] = []
        self.dead_letters: list[tuple[str, dict[str, Any]]] = []

    def run(self, events: Iterable[dict[str, Any]], until: int | None = None) -> None:
        """Play the events, then go on until `until`, or until nothing is due within 7 days."""
        last: int | None = None
        stamped = [(parse_time(event["at"]), event) for event in events]
        for at, group in groupby(stamped, key=lambda pair: pair[0]):
            if until is not None and at > until:
                break
            while last is not None and (due := self.next_due(last)) is not None and due < at:
                self.instant(due, [])
                last = due
            self.instant(at, [event for _, event in group])
            last = at
        while last is not None and (due := self.next_due(last)) is not None:
            if due > (until if until is not None else last + 7 * DAY):
                break
            self.instant(due, [])
            last = due

    def times_of(self, message: Message) -> set[int]:
        """The instants at which a waiting message is judged again by itself."""
        times = {message.eligible_at, message.expires_at, deadline(self.policy, message)}
        times.add(message.closes)
        return {at for at in times if at is not None}

    def next_due(self, after: int) -> int | None:
        """The next instant at which something that waits is due."""
        times = [
            at
            for person in self.people.values()
            for message in person.waiting()
            for at in self.times_of(message)
            if at > after
        ]
        return min(times, default=None)

    def instant(self, now: int, events: list[dict[str, Any]]) -> None:
        """Apply what is no candidate, judge what is woken or due, then the fresh candidates."""
        woken: set[tuple[str, str]] = set()
        for event in events:
            if event["type"] != "candidate":
                woken |= self.apply(event, now)
        keys = self.arbitration.get("rank", ["priority", "value", "created_at"])
        self.ahead = {}
        waiting = [(m, name) for name, person in self.people.items() for m in person.waiting()]
        due = {(name, m.data["id"]) for m, name in waiting if now in self.times_of(m)}
        # Of one household the best goes first, whoever it is for.
        for message, name in sorted(waiting, key=lambda one: (one[0].rank(keys), one[1])):
            identity = (name, message.data["id"])
            if identity in due or identity in woken:
                self.judge(name, message, now, woken_early=identity not in due)
        for event in events:
            if event["type"] == "candidate":
                self.fresh(event["data"], now, urgent=event.get("urgent") is True)

    def apply(self, event: dict[str, Any], now: int) -> set[tuple[str, str]]:
        """Take one event that is no candidate; give what it wakes."""
        try:
            if event["type"] == "control":
                intake.control(self.controls, event["data"], now)
                return self.covered(event["data"].get("scope") or {})
            name = intake.person_of(event["data"])
            person = self.people.setdefault(name, Person())
            heard = intake.READERS[event["type"]](person, event["data"], now)
        except Bad as bad:
            self.dead_letters.append((str(bad), event))
            return set()
        return {(name, m.data["id"]) for m in person.waiting()} if heard else set()

    def covered(self, scope: dict[str, Any]) -> set[tuple[str, str]]:
        """What waits in the scope of a control, by any of its variants' channels."""
        return {
            (name, message.data["id"])
            for name, person in self.people.items()
            for message in person.waiting()
            if all(
                wanted in [variant["channel"] for variant in message.variants]
                if key == "channel"
                else message.data.get(key) == wanted
                for key, wanted in scope.items()
            )
        }

    def fresh(self, data: dict[str, Any], now: int, *, urgent: bool) -> None:
        """Judge a candidate that arrives now or let it gather, or say why it is a dead letter."""
        try:
            message = self.admit(data, now)
        except Bad as bad:
            self.dead_letters.append((str(bad), {"type": "candidate", "data": data}))
            return
        if message is None:
            return
        if not urgent and now < message.expires_at:
            message.closes = self.window(self.people[data["person"]], data["category"], now)
        if message.closes is None:
            self.judge(data["person"], message, now, woken_early=False)

    def window(self, person: Person, category: str, now: int) -> int | None:
        """When the window closes in which a message that comes now gathers, None without one."""
        width = duration(self.arbitration.get("window", "0s"))
        exempt = "arbitration" in (self.policy["categories"][category].get("skips") or [])
        if not width or exempt:
            return None
        open_ones = [m.closes for m in person.waiting() if m.closes is not None]
        return open_ones[0] if open_ones else now + width

    def admit(self, data: dict[str, Any], now: int) -> Message | None:
        """Make a message of a candidate; None where its id is already known."""
        variants = check_candidate(data)
        if data["category"] not in self.policy["categories"]:
            raise Bad("unknown_category")
        if any(variant["channel"] not in self.channels for variant in variants):
            raise Bad("unknown_channel")
        person = self.people.setdefault(data["person"], Person())
        known = person.messages.get(data["id"])
        if known is not None and known.data != data:
            raise Bad("conflicting_id")
        created = time_of(data, "created_at", required=True)
        if created is not None and created > now + TOLERANCE:
            raise Bad("future_time")
        if known is not None:
            return None
        after = duration((self.policy.get("defaults") or {}).get("expires_after", "7d"))
        expires = time_of(data, "expires_at")
        message = Message(
            data=data,
            variants=variants,
            received=now,
            expires_at=now + after if expires is None else expires,
            not_before=time_of(data, "not_before"),
            cancelled=data["id"] in person.cancellations,
        )
        person.messages[data["id"]] = message
        return message

    def judge(self, name: str, message: Message, now: int, *, woken_early: bool) -> None:
        """Judge a message now, publish what is new, and log a release."""
        case = Case(self.policy, self.people[name], self.controls, message, now, people=self.people)
        if message.closes is not None and now >= message.closes:
            verdict = self.judge_at_closing(case, now, self.ahead.get(name, []))
        else:
            verdict = judge_message(case, now, woken_early=woken_early)
            if message.closes is not None and verdict.outcome != "suppress":
                return
        message.closes = None
        message.eligible_at = verdict.eligible_at
        state = (verdict.outcome, verdict.code, verdict.eligible_at)
        if state == message.last:
            return
        message.last = state
        message.attempt += 1
        message.final = verdict.outcome in ("release", "suppress")
        self.decisions.append(self.decision(case, verdict, now))
        if verdict.outcome == "review" and message.first_review is None:
            message.first_review = now
        if verdict.outcome == "release":
            message.released = True
            case.person.sends.append(self.entry(case, verdict.variant, now))
            self.ahead.setdefault(name, []).append(message.data["id"])

    def judge_at_closing(self, case: Case, now: int, ahead: list[str]) -> Verdict:
        """Judge a message whose window closes; what lost to those before it may be dropped."""
        verdict = judge_message(case, now, woken_early=False)
        dropped = self.arbitration.get("losers") == "suppress" and not case.skips("arbitration")
        if verdict.outcome == "release" or not ahead or not dropped:
            return verdict
        everything = case.person.sends
        case.person.sends = [send for send in everything if send.message not in ahead]
        without = judge_message(case, now, woken_early=False)
        case.person.sends = everything
        if without.outcome != "release":
            return verdict
        case.outranked = True
        return judge_message(case, now, woken_early=False)

    def entry(self, case: Case, variant: dict[str, Any], now: int) -> Send:
        """What the send log keeps of a release."""
        return Send(
            message=case.message.data["id"],
            at=now,
            attributes=case.attributes(variant),
            purpose=case.category["purpose"],
            counts=case.category.get("counts", True),
            techniques=list(variant["techniques"]),
            offer_ends_at=variant["offer_ends_at"],
            exposure=exposure_of(case, variant, now),
            household=case.household,
        )

    def decision(self, case: Case, verdict: Verdict, now: int) -> dict[str, Any]:
        """The decision in the words of the contract."""
        data = case.message.data
        return {
            "message": data["id"],
            "person": data["person"],
            "campaign": data["campaign"],
            "category": data["category"],
            "outcome": verdict.outcome,
            "final": case.message.final,
            "variant": verdict.variant["id"],
            "channel": verdict.variant["channel"],
            "code": verdict.code,
            "eligible_at": show_time(verdict.eligible_at),
            "attempt": case.message.attempt,
            "decided_at": show_time(now),
            "findings": self.findings(case, verdict, now) if self.with_findings else [],
            "intrusiveness": sum_of(case, verdict.variant, now),
        }

    def findings(self, case: Case, verdict: Verdict, now: int) -> list[dict[str, Any]]:
        """All that did not pass, variant by variant."""
        return [
            {
                "rule": finding.rule,
                "id": finding.id,
                "variant": view.variant["id"],
                "outcome": finding.outcome,
                "code": finding.code,
                "enforced": finding.enforced,
                "eligible_at": show_time(finding_time(case, view.variant, finding, now)),
            }
            for view in verdict.views
            for finding in view.findings
        ]


def judge(
    policy: dict[str, Any], events: Iterable[dict[str, Any]], until: str | None = None
) -> list[dict[str, Any]]:
    """The decisions that `governor simulate` must give for a policy and a history."""
    reference = Reference(policy)
    reference.run(events, None if until is None else parse_time(until))
    return reference.decisions


def main(arguments: list[str] | None = None) -> int:
    """Judge a history from files, with the flags of `governor simulate`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--policy", required=True, type=Path)
    parser.add_argument("--events", required=True, type=Path)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--until")
    options = parser.parse_args(arguments)
    reference = Reference(yaml.safe_load(options.policy.read_text()))
    lines = options.events.read_text().splitlines()
    until = None if options.until is None else parse_time(options.until)
    reference.run([json.loads(line) for line in lines if line.strip()], until)
    text = "".join(json.dumps(decision) + "\n" for decision in reference.decisions)
    if options.out is None:
        sys.stdout.write(text)
    else:
        options.out.write_text(text)
    outcomes = Counter(decision["outcome"] for decision in reference.decisions)
    reasons = Counter(reason for reason, _ in reference.dead_letters)
    print(f"decisions {dict(outcomes)}, dead letters {dict(reasons)}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
