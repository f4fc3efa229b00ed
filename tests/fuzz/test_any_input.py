"""Any bytes and any JSON, as a record, as recorded events, as a policy and as a map.

Nothing crashes, no byte is lost, and what is refused is refused with its place. The everyday form
takes a moment, the long one more than 100,000 inputs: `python -m pytest tests/fuzz -m slow -s`.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any, get_args

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from governor.codec.decode import Reason
from governor.config import PolicyInvalid, load_policy, topics
from governor.config.defects import Defect
from governor.convert import InputInvalid, load_map
from governor.core.model import Variant
from governor.simulate import EventsInvalid, read_events, simulate
from tests.codec.examples import CANDIDATE, CONTROL, FACTS, SHORT
from tests.fuzz.nonsense import changed, damaged, value, written
from tests.security.desk import NOW, ROOT, Came, Desk, Record, grant

POLICY_TEXT = (ROOT / "config" / "policy.yaml").read_text()
POLICY: dict[str, Any] = yaml.safe_load(POLICY_TEXT)
MAP: dict[str, Any] = {
    "time": {"column": "at", "zone": "UTC", "format": "%Y-%m-%d %H:%M:%S"},
    "person": "who",
    "rows": [
        {
            "when": {"what": ["sent"]},
            "as": "candidate",
            "set": {"campaign": {"column": "c"}, "category": "promotional", "channel": "email"},
        },
        {
            "when": {"what": "open"},
            "as": "feedback",
            "set": {"kind": "opened"},
            "of": "last_candidate",
        },
    ],
    "assume": {"consent": {"purpose": "marketing", "basis": "consent", "before": "1d"}},
    "people": {"file": "people.csv", "columns": ["who", "lang"], "person": "who", "groups": "lang"},
    "repeat": {"column": "n", "every": "1d"},
    "response": {"column": "yes"},
}

MAP_TEXT = yaml.safe_dump(MAP).encode()
SMALL = yaml.safe_dump(POLICY).encode()

EXAMPLES = {
    topics.CANDIDATES: CANDIDATE,
    topics.URGENT: SHORT,
    topics.CANCELLATIONS: FACTS["cancellation"],
    topics.CONSENTS: FACTS["consent"],
    topics.PROFILES: FACTS["profile"],
    topics.FEEDBACK: FACTS["feedback"],
    topics.REVIEWS: FACTS["review"],
    topics.CONTROL: CONTROL,
}
OURS = {"decision", "variant", "send_before", "unsubscribe", "variants"}
PLACED = re.compile(r"[^:]+: .+", re.DOTALL).fullmatch
TIMES = [NOW] * 6 + [0, -1, 2**47, 2**62, NOW - 10**9, NOW + 10**9]
NAMES = ["traceparent", "tracestate", "content-type", "ce_id", "dlq_topic", "x"]
CONTENTS = [None, b"", b"application/cloudevents+json", b"text/plain", b"\xff", b"x" * 9_000]
KEYS = [None, None, b"p-42", b"", b"\xff"]


def a_record(chance: Random) -> Record:
    topic = chance.choice(sorted(EXAMPLES))
    value: bytes | None = written(chance, EXAMPLES[topic])
    if chance.random() < 0.1:
        value = chance.choice([None, chance.randbytes(40), b'{"a":' * 100, b"[" * 9_999])
    several = range(chance.choice([0, 0, 1, 3]))
    headers = [(chance.choice(NAMES), chance.choice(CONTENTS)) for _ in several]
    return Record(topic, value, chance.choice(KEYS), headers, chance.choice(TIMES))


seen: Counter[str] = Counter()


def goes_through(records: list[Record]) -> None:
    desk = Desk(SHIPPED, METRICS)
    desk.take(grant("p-42"), grant("p-42", purpose="personalisation"))
    for one in records:
        assert_kept(one, desk.take(one))


SHIPPED = load_policy(ROOT / "config" / "policy.yaml")
METRICS = Desk(SHIPPED).metrics


def assert_kept(one: Record, came: Came) -> None:
    intake = came.intake
    letters = came.to(topics.DEAD_LETTERS)
    taken = len(intake.told) + len(intake.controls) + len(came.judgement.resolutions)
    assert len(letters) == len(intake.letters) <= 1
    assert letters or taken, "a record left no trace"
    if letters:
        refused = intake.letters[0]
        assert refused.reason in get_args(Reason)
        assert PLACED(refused.detail), refused.detail
        assert refused.detail.isprintable()
        assert len(refused.detail) <= 500
        [letter] = letters
        assert (letter.key, letter.value) == (one.key, one.value)
        assert list(letter.headers)[: len(one.headers)] == list(one.headers)
        seen[refused.reason] += 1
        return
    seen["taken"] += 1
    for out in came.to(topics.RELEASED):
        assert_released(one, json.loads(out.value or b""))
        seen["released"] += 1


def assert_released(one: Record, released: dict[str, Any]) -> None:
    """Whatever the candidate carried is there as it came, but what is of its variants."""
    raw = json.loads(one.value or b"")
    if "specversion" in raw and isinstance(raw.get("data"), dict) and "person" not in raw:
        raw = raw["data"]
    of_variants = set(Variant.__struct_fields__) - {"id"} if raw.get("variants") else set()
    for name in raw.keys() - OURS - of_variants:
        assert released[name] == raw[name], name


def are_policies_or_refused(texts: list[bytes]) -> None:
    for data in texts:
        file = written_to("p.yaml", data)
        try:
            found = load_policy(file)
        except PolicyInvalid as refused:
            assert_placed(refused.defects, file, data)
            seen["policy refused"] += 1
        else:
            assert len(found.revision) == 12
            seen["policy"] += 1


def are_maps_or_refused(texts: list[bytes]) -> None:
    for data in texts:
        file = written_to("m.yaml", data)
        try:
            load_map(file)
        except InputInvalid as refused:
            assert_placed(refused.defects, file, data)
            seen["map refused"] += 1
        else:
            seen["map"] += 1


def written_to(name: str, data: bytes) -> Path:
    file = Path(FOLDER.name, name)
    file.write_bytes(data)
    return file


FOLDER = TemporaryDirectory()


def assert_placed(defects: list[Defect], file: Path, data: bytes) -> None:
    lines = len(data.decode("utf-8", "replace").splitlines()) + 1
    assert defects
    for defect in defects:
        assert defect.file == str(file)
        assert 0 <= defect.line <= lines
        assert defect.message
        assert str(defect).isprintable()
        assert str(defect).startswith(str(file))


def are_played_or_refused(events: list[bytes]) -> None:
    # One bad line ends a run, so most of them are short.
    for start in (0, 1, 2, 4, 8):
        file = written_to("e.jsonl", b"\n".join(events[start : 2 * start or 1]))
        lines: list[bytes] = []
        letters: list[bytes] = []
        try:
            simulate(SHIPPED, read_events(file), lines.append, dead_letters=letters.append)
        except EventsInvalid as refused:
            said = str(refused)
            seen["events refused"] += 1
        else:
            said = f"{file}:1: nothing"
            seen["events played"] += 1
        assert re.match(rf"{re.escape(str(file))}:\d+: .", said), said
        for line in (*lines, *letters):
            assert isinstance(json.loads(line), dict)


def _event(chance: Random) -> bytes:
    kind = chance.choice(sorted(KINDS))
    event = {"at": "2026-05-05T10:00:00Z", "type": kind, "data": KINDS[kind]}
    return written(chance, event)


def a_policy(chance: Random) -> bytes:
    way = chance.randrange(4)
    if way == 0:
        return chance.randbytes(chance.randint(0, 100))
    if way == 1:
        sections = {name: value(chance) for name in chance.sample(sorted(POLICY), 4)}
        return json.dumps({"version": 1, **sections}).encode()
    if way == 2:
        return damaged(chance, SMALL)
    return json.dumps(changed(chance, POLICY)).encode()


def a_map(chance: Random) -> bytes:
    way = chance.randrange(3)
    if way == 0:
        return chance.randbytes(chance.randint(0, 100))
    return written(chance, MAP) if way == 1 else damaged(chance, MAP_TEXT)


KINDS = {"candidate": CANDIDATE, "control": CONTROL, **FACTS}
FORMS: dict[str, tuple[Callable[[Random], Any], Callable[[Any], None], int]] = {
    "records": (a_record, goes_through, 60_000),
    "events": (_event, are_played_or_refused, 30_000),
    "policies": (a_policy, are_policies_or_refused, 8_000),
    "maps": (a_map, are_maps_or_refused, 8_000),
}
AT_ONCE = 10


def takes(form: str, batches: int) -> None:
    """Take so many batches of ten inputs; a failing one is found again by its seed."""
    make, check, _ = FORMS[form]

    @settings(max_examples=batches, suppress_health_check=list(HealthCheck))
    @given(st.randoms(use_true_random=True))
    def run(chance: Random) -> None:
        check([make(chance) for _ in range(AT_ONCE)])

    run()


@pytest.mark.parametrize("form", FORMS)
def test_any_input_is_taken_or_refused_with_its_place(form: str) -> None:
    takes(form, 20)


@pytest.mark.slow
@pytest.mark.timeout(3_600)
@pytest.mark.parametrize("form", FORMS)
def test_a_hundred_thousand_inputs_are_taken_or_refused(form: str) -> None:
    seen.clear()
    wanted = FORMS[form][2]
    takes(form, wanted // AT_ONCE)
    print(f"{form}: {wanted} inputs: {dict(seen.most_common())}")
