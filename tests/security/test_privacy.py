"""A real worker over traffic in which everything personal carries a mark, and where the mark is."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any, cast

import pytest
from redis import Redis

from governor.config import topics
from governor.ledger.keys import Pseudonyms
from tests.e2e.conftest import MakeStage
from tests.e2e.kit import KEY, NAMES, Stage
from tests.e2e.values import (
    Json,
    answer,
    cancellation,
    candidate,
    closed_zone,
    consent,
    control,
    feedback,
    moment,
    policy,
    profile,
)
from tests.servers import RedisServer

MARK = "zzmarkzz01"
PERSON = f"{MARK}.person@example.org"
SECRET = f"{MARK}.secret"


def marked(message: str, person: str = PERSON, **more: Any) -> Json:
    """A candidate in which all that is personal or content carries the mark."""
    content = {"subject": f"Dear {SECRET}", "body": [SECRET, {SECRET: SECRET}]}
    about = {
        "payload": {"address": SECRET, "list": [SECRET] * 3},
        "household": f"{MARK}.household",
        "address_hash": SECRET,
        "model": {"id": SECRET, "reasons": [SECRET]},
        "a_field_of_a_newer_engine": SECRET,
    }
    if "variants" not in more:
        about |= {"content": content, "justification": SECRET}
    return candidate(person, message, **{**about, **more})


def variants() -> list[Json]:
    uses = [{"attribute": "browsing_history", "source": "inferred"}]
    return [
        {"id": "v1", "channel": "push", "uses": uses, "content": SECRET, "justification": SECRET},
        {"id": "v2", "channel": "email", "content": SECRET},
    ]


def everything_happens(stage: Stage) -> None:
    """Send something of every kind, right and wrong, and wait until it is judged."""
    known = {"household": f"{MARK}.household", "time_zone": closed_zone(), "x": SECRET}
    evidence = {"notice_version": SECRET, "method": SECRET, "source": SECRET, "text_sha256": SECRET}
    stage.tell(topics.PROFILES, profile(PERSON, **known))
    stage.tell(topics.CONSENTS, consent(PERSON, id=SECRET, evidence=evidence, jurisdiction=SECRET))
    stage.tell(topics.CANDIDATES, marked("m-1"), marked("m-2", variants=variants()))
    stage.tell(topics.CANDIDATES, marked("m-3", channel="call"), marked("m-4", campaign="reviewed"))
    stage.tell(topics.CANDIDATES, marked("m-5", channel="push", not_before=moment(600)))
    stage.tell(topics.URGENT, marked("m-6", category="transactional"))
    for number in range(1, 7):
        stage.decision(PERSON, f"m-{number}")
    said = {"id": SECRET, "detail": SECRET}
    stage.tell(topics.FEEDBACK, feedback(PERSON, "m-1", "bounced", **said))
    stage.tell(topics.FEEDBACK, feedback(PERSON, f"{MARK}.unknown", "opened", **said))
    stage.tell(topics.REVIEWS, answer(PERSON, "m-4", reviewer=f"{MARK}.ann", reason=SECRET))
    stage.tell(topics.REVIEWS, answer(NAMES.of(PERSON), "m-9", reviewer=SECRET, reason=SECRET))
    stage.tell(topics.CANCELLATIONS, cancellation(PERSON, message="m-3", reason=SECRET))
    stage.tell(topics.CONTROL, control("stop", campaign="other") | {"by": SECRET, "reason": SECRET})
    stage.final(PERSON, "m-3")


def nothing_goes_well(stage: Stage) -> int:
    """Send what is refused for every reason; return how many."""
    good = marked("m-7")
    wrong = [
        marked("m-1", payload=SECRET + "2"),
        marked("m-7", category="unheard-of"),
        marked("m-7", channel="pigeon"),
        marked("m-7", created_at=SECRET),
        marked("m-7", created_at=moment(3600)),
        marked("m-7", priority=SECRET, value=[SECRET], model=SECRET),
        marked("m-7", variants=[{SECRET: SECRET}], **{SECRET: SECRET}),
        {**good, "id": SECRET * 100},
        {**good, "payload": SECRET * 200_000},
    ]
    for one in wrong:
        stage.send(topics.CANDIDATES, one)
    stage.send(
        topics.PROFILES, profile(PERSON, groups={SECRET: 1, f"{MARK}_g": [SECRET]}, born=SECRET)
    )
    stage.send(topics.CONSENTS, consent(PERSON, purpose=SECRET, action=SECRET))
    stage.send(
        topics.CONSENTS, consent(PERSON), key=f"{MARK}.other", headers=[(MARK, MARK.encode())]
    )
    broken = [b"{" + SECRET.encode(), json.dumps(good).encode()[:-2], SECRET.encode() + b"\xff"]
    for text in broken:
        for topic in (topics.CANDIDATES, topics.FEEDBACK):
            stage.send(topic, text, key=PERSON)
    stage.flush()
    count = len(wrong) + 3 + 2 * len(broken)
    stage.wait_for(lambda: len(stage.letters(bool)) >= count)
    return count


def dump(url: str) -> bytes:
    """Everything that Redis holds: each key with all that is in it, as it lies there."""
    with Redis.from_url(url, protocol=2) as redis:
        keys = list(cast("Any", redis.scan_iter(count=1_000)))
        assert keys
        plain = [cast("bytes", redis.get(key)) for key in keys if redis.type(key) == b"string"]
        whole = [cast("bytes", redis.dump(key)) for key in keys]
        other = [
            repr(redis.hgetall(key) if redis.type(key) == b"hash" else redis.zrange(key, 0, -1))
            for key in keys
            if redis.type(key) != b"string"
        ]
        return b"\n".join([*keys, *plain, *whole, *(text.encode() for text in other)])


def traces(text: bytes) -> list[bytes]:
    """Where the mark is, in any case and in the encodings that a log or a ledger might use."""
    forms = [MARK.encode(), MARK.encode().hex().encode(), MARK.encode("utf-16-le")]
    forms += [MARK[::-1].encode(), *_in_base64(MARK)]
    return [
        text[max(0, at.start() - 40) : at.end() + 40]
        for form in forms
        for at in re.finditer(re.escape(form), text, re.IGNORECASE)
    ]


def _in_base64(word: str) -> list[bytes]:
    """The middles of *word* in base64, at each of the three places that it can begin."""
    return [base64.b64encode(b"x" * shift + word.encode())[4:12] for shift in range(3)]


@pytest.mark.parametrize("level", ["info", "debug"])
def test_no_person_and_no_content_is_in_logs_metrics_health_redis_decisions_or_what_waits(
    make_stage: MakeStage, own_redis: RedisServer, level: str
) -> None:
    stage = make_stage(policy(persuasion={"vulnerable": ["debt"]}), redis=own_redis.url)
    worker = stage.worker(log=level).wait_until_ready()
    everything_happens(stage)
    letters = nothing_goes_well(stage)
    # An outage, a bad policy and a crash: what goes wrong is told of as well.
    own_redis.pause()
    stage.tell(topics.CANDIDATES, marked("m-8", channel="push"))
    stage.wait_for(lambda: "ledger" in worker.reasons())
    pages = [worker.ask(page)[1] for page in ("/metrics", "/health/ready", "/health/live")]
    own_redis.resume()
    stage.decision(PERSON, "m-8")
    stage.rule_by("version: 1\n")
    stage.wait_for(lambda: "refused" in worker.words)
    pages += [worker.ask(page)[1] for page in ("/metrics", "/health/ready")]
    worker.kill()
    stage.rule_by(policy())
    again = stage.worker(log=level).wait_until_ready()
    stage.tell(topics.CANDIDATES, marked("m-10", channel="push"))
    stage.decision(PERSON, "m-10")
    pages += [again.ask(page)[1] for page in ("/metrics", "/health/ready")]
    ledger = dump(own_redis.url)
    assert again.stop() == 0

    decided, waiting = stage.found(topics.DECISIONS), stage.found(topics.WAITING)
    assert len(decided) >= 9
    assert len(waiting) >= 4
    assert len(stage.letters(bool)) >= letters
    sights = {
        "logs": (worker.words + again.words).encode(),
        "pages": "\n".join(pages).encode(),
        "redis": ledger,
        "decisions": b"\n".join(repr(one).encode() + (one.value or b"") for one in decided),
        "waiting": b"\n".join(repr(one).encode() + (one.value or b"") for one in waiting),
        "files": b"\n".join(one.read_bytes() for one in files(stage.folder / "data")),
    }
    found = {place: traces(sight) for place, sight in sights.items()}
    assert found == {place: [] for place in sights}
    # It can be seen where it belongs, so it would be seen where it does not.
    assert traces(b"".join(one.value or b"" for one in stage.found(topics.RELEASED)))
    assert traces(b"".join(one.value or b"" for one in stage.letters(bool)))
    for secret in (KEY, KEY.rstrip("=")):
        assert not [place for place, sight in sights.items() if secret.encode() in sight]


def files(folder: Path) -> list[Path]:
    return [one for one in folder.rglob("*") if one.is_file()] if folder.exists() else []


def test_the_mark_is_found_however_it_is_written() -> None:
    for before in ("", "a", "ab", '{"person": "'):
        text = f"{before}{MARK}{MARK}.person".encode()
        assert traces(text)
        assert traces(text.upper())
        assert traces(text.hex().encode())
        assert traces(base64.b64encode(text))
    assert traces(b"nothing of it") == []


def test_without_the_key_a_pseudonym_says_nothing_about_its_person() -> None:
    other = Pseudonyms(bytes(32))
    assert NAMES.of(PERSON) != other.of(PERSON)


def test_addresses_and_passwords_of_services_are_in_no_log_and_on_no_page(
    make_stage: MakeStage, own_redis: RedisServer
) -> None:
    with Redis.from_url(own_redis.url) as redis:
        redis.acl_setuser(
            "gov", enabled=True, passwords=["+zzpassword"], keys=["*"], categories=["+@all"]
        )
    url = own_redis.url.replace("redis://", "redis://gov:zzpassword@")
    stage = make_stage(redis=url)
    worker = stage.worker(log="debug").wait_until_ready()
    with Redis.from_url(own_redis.url) as redis:
        redis.acl_setuser("gov", enabled=True, reset_passwords=True, passwords=["+another"])
        redis.client_kill_filter(_type="normal", skipme=True)
    stage.wait_for(lambda: "ledger" in worker.reasons())
    pages = "".join(worker.ask(page)[1] for page in ("/metrics", "/health/ready"))
    assert "invalid username-password" in pages + worker.words
    assert "zzpassword" not in pages + worker.words
    worker.kill()
