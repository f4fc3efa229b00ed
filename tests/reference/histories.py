"""Random histories that sit on the borders: ties, exact windows, clock changes."""

from __future__ import annotations

from typing import Any

from tests.reference.policies import CAMPAIGNS, CHANNELS, TOPICS, PolicyMaker
from tests.reference.times import show_time

KINDS = (
    "delivered bounced bounced failed opened clicked dismissed unsubscribed complained "
    "too_much delivered clicked replied converted human_contacted human_contacted"
).split()


class Maker(PolicyMaker):
    """A policy and the events that happen under it."""

    def number(self, kind: str) -> str:
        """An id for an event."""
        self.count += 1
        return f"{kind}-{self.count}"

    def candidate(self) -> dict[str, Any]:
        """A candidate, sometimes one that was seen before, the same or changed."""
        person, identity = self.pick(self.people), self.pick(self.ids)
        known = self.seen.get((person, identity))
        if known:
            fresh = [i for i in self.ids if (person, i) not in self.seen]
            if not fresh or self.chance(0.25):
                return known if self.chance(0.6) else known | {"payload": {"changed": self.count}}
            identity = fresh[0]
        data: dict[str, Any] = {
            "id": identity,
            "person": person,
            "campaign": self.pick(CAMPAIGNS),
            "category": self.pick(["promo", "promo", "promo", "news", "trans"]),
            "created_at": self.said_at(),
        }
        data |= self.extras()
        if self.chance(0.5):
            data["channel"] = self.pick(CHANNELS)
        else:
            count = self.random.randint(1, 3)
            data["variants"] = [self.variant(i) for i in range(count)]
        return self.remember(person, identity, self.spoil(data))

    def extras(self) -> dict[str, Any]:
        """Some of the fields that a candidate may leave out."""
        choices = {
            "topic": (0.6, self.pick(TOPICS)),
            "priority": (0.4, self.pick([0, 10, 50, 90])),
            "value": (0.3, self.pick([0, 0.5, 0.8])),
            "expires_at": (0.25, self.ahead(40)),
            "not_before": (0.2, self.around(6)),
        }
        return {name: value for name, (share, value) in choices.items() if self.chance(share)}

    def remember(self, person: str, identity: str, data: dict[str, Any]) -> dict[str, Any]:
        """Keep a candidate to send it again."""
        self.seen[(person, identity)] = data
        return data

    def spoil(self, data: dict[str, Any]) -> dict[str, Any]:
        """Now and then make a candidate invalid."""
        if self.chance(0.04):
            return data | {"category": "unheard-of"}
        if self.chance(0.03):
            return {k: v for k, v in data.items() if k not in ("channel", "variants")} | {
                "channel": "pigeon"
            }
        if self.chance(0.03):
            return {k: v for k, v in data.items() if k != "campaign"}
        if self.chance(0.02):
            return data | {"created_at": "yesterday"}
        return data

    def variant(self, index: int) -> dict[str, Any]:
        """One variant."""
        variant: dict[str, Any] = {"id": f"v{index}", "channel": self.pick(CHANNELS)}
        if self.wide and self.chance(0.6):
            attributes = ["segment", "name", "health", "location", "unlisted"]
            sources = [None, "declared", "observed", "inferred", "third_party"]
            variant["uses"] = []
            for _ in range(self.pick([1, 1, 2])):
                use = {"attribute": self.pick(attributes)}
                source = self.pick(sources)
                if source:
                    use["source"] = source
                variant["uses"].append(use)
        if self.wide and self.chance(0.6):
            variant["techniques"] = [self.pick(["urgency", "scarcity", "social_proof"])]
            if self.chance(0.9):
                ends = [self.around(8), "2026-12-31T00:00:00Z", "2027-01-02T00:00:00Z"]
                variant["offer_ends_at"] = self.pick([*ends, ends[1]])
        if self.wide and self.chance(0.3):
            variant["justification"] = "because you asked"
        return variant

    def consent(self, *, first: bool = False) -> dict[str, Any]:
        """A consent change; the first ones are mostly grants."""
        actions = ["grant"] * 8 if first else ["grant"] * 5
        actions += "refuse withdraw object unobject unobject pause pause resume".split()
        actions += ["comfort_reset"] if self.wide else []
        action = "grant" if first and self.chance(0.9) else self.pick(actions)
        purposes = ["marketing"] * 4 + ["service", "contract"]
        if self.wide:
            purposes += ["personalisation"] * 4 + ["sensitive"] * 2
        data: dict[str, Any] = {
            "id": self.number("c"),
            "person": self.pick(self.people),
            "at": self.said_at(),
            "action": action,
            "purpose": self.pick(purposes),
        }
        if action == "comfort_reset":
            data["purpose"] = self.pick(["*", "*", None, "marketing"])
            return data
        if self.chance(0.4):
            data["channel"] = self.pick(CHANNELS)
        if self.chance(0.15):
            data["topic"] = self.pick(TOPICS[1:])
        if action == "grant":
            self.grant(data)
        elif self.chance(0.15):
            data["purpose"] = "*"
        if action == "pause" and self.chance(0.75):
            data["until"] = self.ahead(10)
        return data

    def grant(self, data: dict[str, Any]) -> None:
        """Fill in what only a grant has, now and then wrongly."""
        bases = ["consent", "consent", "consent", "soft_opt_in", "legitimate_interest", "contract"]
        if self.chance(0.97):
            data["basis"] = self.pick(bases)
        if self.chance(0.02):
            data["purpose"] = "*"
        if self.chance(0.3):
            data["expires_at"] = self.ahead(16)
        if self.chance(0.5):
            data["evidence"] = {"notice_version": "2", "method": "form", "source": "web"}
            if self.chance(0.2):
                del data["evidence"]["method"]

    def welcome(self, person: str, policy: dict[str, Any]) -> list[dict[str, Any]]:
        """Grants under which most of what the policy knows may be sent."""
        wanted = [
            (entry["purpose"], entry.get("basis", ["consent"])[0])
            for entry in policy["categories"].values()
            if self.chance(0.9)
        ]
        if self.wide:
            wanted += [(p, "consent") for p in ("personalisation", "sensitive") if self.chance(0.7)]
        grants = []
        for purpose, basis in wanted:
            data = {
                "id": self.number("c"),
                "person": person,
                "at": show_time(self.now),
                "action": "grant",
                "purpose": purpose,
                "basis": basis,
            }
            if self.chance(0.85):
                data["evidence"] = {"notice_version": "1", "method": "form"}
            if self.chance(0.1):
                data["expires_at"] = self.ahead(24)
            grants.append(data)
        return grants

    def profile(self) -> dict[str, Any]:
        """A profile."""
        place = self.pick(
            [
                {},
                {"time_zone": "Europe/Berlin", "country": "DE", "region": "BY"},
                {"time_zone": "America/New_York", "country": "US"},
                {"country": "DE", "region": "BE"},
                {"country": "PT"},
                {"time_zone": "Asia/Kolkata"},
            ]
        )
        if self.chance(0.08):
            place = {"country": "US"}
        data: dict[str, Any] = {"person": self.pick(self.people), "at": self.said_at()} | place
        if self.chance(0.3):
            data["comfort"] = {"max_per_week": self.random.randint(0, 3)}
        if self.wide and self.chance(0.3):
            data.setdefault("comfort", {})["level"] = self.pick(["low", "normal", "high"])
        if self.wide and self.chance(0.35):
            data["vulnerabilities"] = [self.pick(["debt", "gambling"])]
        if self.wide and self.chance(0.4):
            birthday = self.pick([self.ahead(4), self.ahead(30)])
            born = {"born": f"{int(birthday[:4]) - 18}{birthday[4:10]}"}
            data |= self.pick([{"minor": True}, {"minor": False}, born, born])
        return data

    def feedback(self) -> dict[str, Any]:
        """Feedback on something sent, not sent, or never seen."""
        person, identity = self.pick(self.people), self.pick(self.ids)
        known = [key for key in self.seen if key[0] == person]
        if known and self.chance(0.75):
            identity = self.pick(known)[1]
        data = {
            "id": self.number("f"),
            "message": identity if self.chance(0.93) else "never",
            "person": person,
            "at": self.said_at(),
            "kind": self.pick(KINDS),
        }
        if data["message"] not in [key[1] for key in known] and self.chance(0.4):
            data["channel"] = self.pick(CHANNELS)
        if self.chance(0.02):
            data["kind"] = "shrugged"
        return self.perhaps_again(data)

    def perhaps_again(self, data: dict[str, Any]) -> dict[str, Any]:
        """Now and then feedback that was read before, or another that says the same."""
        earlier = [one for one in self.told if one["person"] == data["person"]]
        self.told.append(data)
        draw = self.rivalry.random()
        if not earlier or draw > 0.16:
            return data
        again = self.rivalry.choice(earlier)
        if draw < 0.08:
            return again
        return data | {name: again[name] for name in ("kind", "at")}

    def cancellation(self) -> dict[str, Any]:
        """A cancellation of a message or of a campaign."""
        data = {"id": self.number("x"), "person": self.pick(self.people), "at": self.said_at()}
        if self.chance(0.6):
            return data | {"message": self.pick(self.ids)}
        return data | {"campaign": self.pick(CAMPAIGNS)}

    def answer(self) -> dict[str, Any]:
        """A reviewer's answer, mostly on something that has come."""
        person, identity = self.pick(self.people), self.pick(self.ids)
        if self.seen and self.chance(0.7):
            person, identity = self.pick(list(self.seen)[-4:])
        data = {
            "id": self.number("r"),
            "message": identity,
            "person": person,
            "reviewer": self.pick(["ann", "bob"]),
            "at": self.said_at(),
            "answer": self.pick(["approve", "approve", "refuse"]),
            "reason": "seen",
        }
        if self.chance(0.25):
            data["variant"] = self.pick(["v0", "v1", "only"])
        return data

    def control(self) -> dict[str, Any]:
        """A control record."""
        scopes = [{}, {"campaign": "spring"}, {"channel": "push"}, {"category": "promo"}]
        scopes += [{"campaign": "spring", "channel": "email"}]
        return {
            "id": self.number("k"),
            "at": self.said_at(),
            "by": "ops",
            "action": self.pick(["pause", "pause", "resume", "resume", "stop", "start", "start"]),
            "scope": self.pick(scopes),
            "reason": "because",
        }

    def events(self, policy: dict[str, Any]) -> list[dict[str, Any]]:
        """A history in order of `at`."""
        found = []
        kinds = ["candidate"] * 14 + ["consent"] * 2 + ["feedback"] * 3 + ["profile"]
        kinds += ["cancellation"] + (["control"] if self.chance(0.5) else [])
        kinds += ["review"] * (8 if "review" in policy else 0)
        for person in self.people:
            if self.chance(0.88):
                found += [self.event("consent", grant) for grant in self.welcome(person, policy)]
        for _ in range(len(self.people) * self.random.randint(0, 2)):
            found.append(self.event("consent", self.consent(first=True)))
        for _ in range(self.random.randint(8, 34)):
            if self.chance(0.6):
                self.now += self.random.choice([1, 1, 1, 2, 3]) * self.step
            if self.chance(0.03):
                self.now += 500
            kind = self.pick(kinds)
            make = {"review": self.answer}.get(kind) or getattr(self, kind)
            found.append(self.event(kind, make()))
        return found

    def event(self, kind: str, data: dict[str, Any]) -> dict[str, Any]:
        """The line of one event."""
        line: dict[str, Any] = {"at": show_time(self.now), "type": kind, "data": data}
        if kind == "candidate" and self.rivalry.random() < 0.06:
            line["urgent"] = True
        return line


def history(seed: int, *, wide: bool = False) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The policy and the events of a seed; `wide` adds the sections of the second step."""
    maker = Maker(seed, wide=wide)
    policy = maker.policy()
    return policy, maker.events(policy)
