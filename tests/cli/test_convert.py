"""`convert` makes of each row what the map says, and refuses rows that it cannot read."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from governor.codec.decode import decode_event
from governor.config import load_policy
from governor.convert import Conversion, load_map
from governor.core.instant import parse_instant
from tests.cli.commands import MAP, POLICY, ROOT, governor, lines, shared, written

LOG = """\
who,at,what,note
p-2,2026-05-05 12:00:00,sent,
p-1,2026-05-05 10:00:00,sent,x
p-1,2026-05-05 11:00:00,opened,
p-2,2026-05-05T09:00:00+02:00,sent,
p-2,2026-05-06 00:00:00,elsewhere,
"""


def converted(mapping: str = MAP, log: str = LOG) -> list[dict[str, Any]]:
    written("map.yaml", mapping)
    written("log.csv", log)
    result = governor("convert", "--log", "log.csv", "--map", "map.yaml", "--out", "e.jsonl")
    assert result.exit_code == 0, result.stderr
    return lines(Path("e.jsonl").read_bytes())


def refused(mapping: str = MAP, log: str = LOG) -> list[str]:
    written("map.yaml", mapping)
    written("log.csv", log)
    result = governor("convert", "--log", "log.csv", "--map", "map.yaml", "--out", "e.jsonl")
    assert result.exit_code == 3
    assert not Path("e.jsonl").exists()
    return result.stderr.splitlines()


def of(events: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [event["data"] for event in events if event["type"] == kind]


def test_rows_become_events_in_order_of_time() -> None:
    events = converted()
    assert [event["at"] for event in events] == [
        "2026-05-05T07:00:00Z",
        "2026-05-05T10:00:00Z",
        "2026-05-05T11:00:00Z",
        "2026-05-05T12:00:00Z",
    ]
    assert of(events, "candidate")[1] == {
        "id": "m-2",
        "person": "p-1",
        "campaign": "c",
        "category": "promotional",
        "channel": "email",
        "created_at": "2026-05-05T10:00:00Z",
    }
    assert of(events, "feedback") == [
        {
            "id": "f-3",
            "message": "m-2",
            "person": "p-1",
            "at": "2026-05-05T11:00:00Z",
            "kind": "opened",
        }
    ]


def test_events_go_to_standard_output_and_the_count_to_standard_error() -> None:
    written("map.yaml", MAP)
    written("log.csv", LOG)
    result = governor("convert", "--log", "log.csv", "--map", "map.yaml")
    assert len(lines(result.stdout)) == 4
    assert "5 rows of 2 people: 3 candidates, 1 piece of feedback" in result.stderr
    assert "1 row passed over" in result.stderr
    counted = governor("convert", "--log", "log.csv", "--map", "map.yaml", "--json")
    assert json.loads(counted.stderr)["candidates"] == 3


def test_a_byte_order_mark_and_gzip_make_no_difference() -> None:
    plain = converted()
    written("map.yaml", MAP)
    Path("log.csv.gz").write_bytes(gzip.compress("\ufeff".encode() + LOG.encode()))
    result = governor("convert", "--log", "log.csv.gz", "--map", "map.yaml")
    assert lines(result.stdout) == plain


def test_an_assumed_consent_comes_that_long_before_the_first_row_of_each_person() -> None:
    assume = "assume: {consent: {purpose: marketing, basis: consent, before: 1d}}\n"
    events = converted(MAP + assume)
    assert [(event["at"], event["data"]["person"]) for event in events[:2]] == [
        ("2026-05-04T07:00:00Z", "p-2"),
        ("2026-05-04T10:00:00Z", "p-1"),
    ]
    assert of(events, "consent")[0] == {
        "id": "c-1",
        "person": "p-2",
        "at": "2026-05-04T07:00:00Z",
        "action": "grant",
        "purpose": "marketing",
        "basis": "consent",
    }


def test_at_one_moment_consents_and_profiles_come_first_then_rows_as_they_stand() -> None:
    assume = "assume: {consent: {purpose: marketing, basis: consent, before: 0s}}\n"
    people = "people: {file: people.csv, columns: [id, lang], person: id, groups: lang}\n"
    written("people.csv", "p-1,de\n")
    rows = [f"p-{n},2026-05-05 10:00:00,sent,\n" for n in (3, 1, 2)]
    events = converted(MAP + assume + people, "who,at,what,note\n" + "".join(rows))
    kinds = [event["type"] for event in events]
    assert sorted(kinds[:4]) == ["consent", "consent", "consent", "profile"]
    assert [one["id"] for one in of(events, "candidate")] == ["m-1", "m-2", "m-3"]


def test_feedback_belongs_to_the_last_candidate_at_or_before_it() -> None:
    log = (
        "who,at,what\n"
        "p-1,2026-05-05 10:00:00,opened\n"  # the candidate of this very moment stands below
        "p-1,2026-05-05 10:00:00,sent\n"
        "p-2,2026-05-05 10:00:00,sent\n"
        "p-1,2026-05-05 11:00:00,sent\n"
        "p-1,2026-05-05 10:59:59,read\n"
        "p-1,2026-05-05 11:00:01,read\n"
    )
    about = {one["id"]: one["message"] for one in of(converted(log=log), "feedback")}
    assert about == {"f-1": "m-2", "f-5": "m-2", "f-6": "m-4"}


def test_feedback_without_a_candidate_is_left_out_and_counted() -> None:
    written("map.yaml", MAP)
    written("log.csv", "who,at,what\np-1,2026-05-05 10:00:00,opened\n")
    result = governor("convert", "--log", "log.csv", "--map", "map.yaml")
    assert result.exit_code == 0
    assert result.stdout == ""
    assert "1 piece of feedback had no candidate before it" in result.stderr


def test_a_no_to_all_further_messages_is_kept_without_a_candidate() -> None:
    mapping = MAP.replace("kind: opened", "kind: unsubscribed")
    events = converted(mapping, "who,at,what\np-1,2026-05-05 10:00:00,opened\n")
    assert of(events, "feedback")[0]["message"] == "unknown-1"


def test_values_come_from_columns_in_their_own_types() -> None:
    mapping = MAP.replace(
        "campaign: c,",
        "campaign: {column: note}, priority: {column: prio}, value: {column: worth}, "
        "expires_at: {column: end}, topic: {column: topic}, payload: {a: [1]},",
    )
    log = (
        "who,at,what,note,prio,worth,end,topic\n"
        'p-1,2026-05-05 10:00:00,sent,"spring, sale",70,0.5,2026-05-06,\n'
    )
    candidate = of(converted(mapping, log), "candidate")[0]
    assert candidate["campaign"] == "spring, sale"
    assert (candidate["priority"], candidate["value"]) == (70, 0.5)
    assert candidate["expires_at"] == "2026-05-06T00:00:00Z"
    assert "topic" not in candidate
    assert candidate["payload"] == {"a": [1]}


def test_times_are_read_in_the_zone_and_form_of_the_map() -> None:
    mapping = MAP.replace("zone: UTC", "zone: Europe/Berlin, format: '%d.%m.%Y %H:%M'")
    log = "who,at,what\np-1,05.05.2026 10:00,sent\np-1,05.01.2026 10:00,sent\n"
    assert [event["at"] for event in converted(mapping, log)] == [
        "2026-01-05T09:00:00Z",
        "2026-05-05T08:00:00Z",
    ]


def test_rows_can_be_consents() -> None:
    mapping = MAP + "  - {when: {what: bye}, as: consent, set: {action: withdraw, purpose: '*'}}\n"
    events = converted(mapping, "who,at,what\np-1,2026-05-05 10:00:00,bye\n")
    assert of(events, "consent") == [
        {
            "id": "r-1",
            "person": "p-1",
            "at": "2026-05-05T10:00:00Z",
            "action": "withdraw",
            "purpose": "*",
        }
    ]


def test_profiles_are_of_the_people_in_the_log() -> None:
    people = (
        "people: {file: sub/people.csv, columns: [id, since, firm, lang], person: id, "
        "groups: [lang], household: firm, created: since}\n"
    )
    written("sub/people.csv", "p-1,2026-01-01 00:00:00,h-7,de,more\np-9,x,h-8,en,more\n")
    profiles = of(converted(MAP + people), "profile")
    assert profiles == [
        {
            "person": "p-1",
            "at": "2026-01-01T00:00:00Z",
            "groups": {"lang": "de"},
            "household": "h-7",
        }
    ]


def test_a_row_can_stand_for_several_contacts_and_tell_what_came_of_them() -> None:
    more = "repeat: {column: n, every: 1d}\nresponse: {column: note}\n"
    log = "who,at,what,note,n\np-1,2026-05-05 10:00:00,sent,YES,3\np-2,2026-05-05,sent,no,0\n"
    events = converted(MAP + more, log)
    assert [(one["id"], one["created_at"]) for one in of(events, "candidate")] == [
        ("m-1", "2026-05-05T10:00:00Z"),
        ("m-1-2", "2026-05-06T10:00:00Z"),
        ("m-1-3", "2026-05-07T10:00:00Z"),
    ]
    assert [(one["message"], one["kind"]) for one in of(events, "feedback")] == [
        ("m-1-3", "converted")
    ]


def test_a_row_can_have_one_contact_for_each_of_its_dates() -> None:
    mapping = (
        "time: {zone: UTC}\nperson: who\ndates: [first, second]\n"
        "rows: [{as: candidate, set: {campaign: c, category: promotional, channel: call}}]\n"
    )
    log = "who,first,second\np-1,2026-05-05,2026-05-07\np-2,,2026-05-06\np-3,,\n"
    assert [(one["id"], one["person"]) for one in of(converted(mapping, log), "candidate")] == [
        ("m-1", "p-1"),
        ("m-2", "p-2"),
        ("m-1-2", "p-1"),
    ]


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("p-1,yesterday,sent,c", "log.csv:2: at: `yesterday` is no time as the map describes it"),
        ("p-1,,sent,c", "log.csv:2: at: is empty"),
        (",2026-05-05,sent,", "log.csv:2: names no person"),
        ("p-1,2026-05-05,sent", "log.csv:2: has 3 cells, expected 4"),
        ("p-1,2026-05-05,sent,a,b", "log.csv:2: has 5 cells, expected 4"),
        (f"{'p' * 257},2026-05-05,sent,", "log.csv:2: the person is longer than 256 bytes"),
        ('p-1,2026-05-05,"sent,', "log.csv:2: is no CSV: "),
        ("p-1,2026-05-05,sent,", "log.csv:2: campaign: is missing"),
    ],
)
def test_a_row_that_cannot_be_read_is_named_with_the_reason(row: str, says: str) -> None:
    mapping = MAP.replace("campaign: c,", "campaign: {column: note},")
    [told] = refused(mapping, f"who,at,what,note\n{row}\n")
    assert told.startswith(says)


def test_a_row_is_named_by_the_line_on_which_it_ends() -> None:
    text = 'who,at,what,note\n\np-1,2026-05-05,sent,"one\ntwo"\np-1,never,sent,c\n'
    [told] = refused(MAP, text)
    assert told.startswith("log.csv:5: at: `never`")
    [told] = refused(MAP, text.replace("never", "2026-05-05") + 'p-1,2026-05-05,sent,"a\nb')
    assert told.startswith("log.csv:7: is no CSV: ")


def test_a_person_that_cannot_be_read_is_named_by_the_line_too() -> None:
    Path("people.csv").write_text('id,name\np-1,"a\nb"\n,c\n')
    people = "people: {file: people.csv, person: id}\n"
    [told] = refused(MAP + people)
    assert told == "people.csv:4: names no person"


def test_all_bad_rows_are_told_at_once_up_to_a_number() -> None:
    log = "who,at,what,note\n" + "p-1,bad,sent,\n" * 30
    told = refused(log=log)
    assert told[0].startswith("log.csv:2: ")
    assert told[19].startswith("log.csv:21: ")
    assert told[20:] == ["log.csv: and 10 more like these"]


def test_a_time_without_a_zone_asks_for_one() -> None:
    [told] = refused(MAP.replace(", zone: UTC", ""), LOG.partition("p-1")[0])
    assert told == "log.csv:2: at: has no zone, name one in the map with `time.zone`"


def test_a_column_that_is_not_there_is_told_with_a_near_one() -> None:
    [told] = refused(MAP.replace("person: who", "person: whoo"))
    assert told == "log.csv: has no column `whoo` of the map, did you mean `who`?"


def test_broken_files_are_told() -> None:
    written("map.yaml", MAP)
    cut = gzip.compress(LOG.encode() * 100)[:-20]
    for content, says in ((b"who,at,what\n\xff,", "no UTF-8"), (cut, "ends in the middle")):
        Path("log.csv").write_bytes(content)
        result = governor("convert", "--log", "log.csv", "--map", "map.yaml")
        assert result.exit_code == 3
        assert says in result.stderr
    assert refused(log="")[0] == "log.csv: is empty, its first line names the columns"


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("person: who", "persn: who", "map.yaml:2: persn: unknown key, did you mean `person`?"),
        ("zone: UTC", "zone: Mars/Base", "map.yaml:1: time.zone: `Mars/Base` is no time zone"),
        ("kind: opened", "kind: opned", "set.kind: `opned` is unknown, did you mean `opened`?"),
        ("category: promotional, ", "", "`category` is missing, a candidate needs one"),
        ("channel: email", "chanel: email", "chanel: unknown field, did you mean `channel`?"),
        (", of: last_candidate", "", "`of` is missing, feedback needs `of: last_candidate`"),
        ("as: feedback", "as: answer", "`answer` is unknown"),
        ("campaign: c", "priority: 200, campaign: c", "set.priority: `200` is more than 100"),
        ("column: at, ", "", "map.yaml:1: time: `column` is missing"),
        ("person: who", "person: who\nperson: who", "`person` is there twice"),
    ],
)
def test_a_map_is_refused_with_line_and_reason(old: str, new: str, says: str) -> None:
    told = refused(MAP.replace(old, new))
    assert any(says in line for line in told), told
    assert all(line.startswith("map.yaml:") for line in told)


@given(
    st.lists(
        st.tuples(
            st.integers(1, 5), st.integers(0, 100_000), st.sampled_from(["sent", "opened", "x"])
        ),
        max_size=60,
    )
)
def test_events_are_in_order_and_valid_whatever_the_order_of_the_rows(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[int, int, str]]
) -> None:
    folder = tmp_path_factory.mktemp("order")
    policy = load_policy(written(folder / "p.yaml", POLICY))
    assume = "assume: {consent: {purpose: marketing, basis: consent, before: 1h}}\n"
    mapping = load_map(written(folder / "map.yaml", MAP + assume))
    log = "who,at,what\n" + "".join(
        f"p-{who},2026-05-{5 + second // 86400:02}T{second % 86400 // 3600:02}:"
        f"{second % 3600 // 60:02}:{second % 60:02},{what}\n"
        for who, second, what in rows
    )
    conversion = Conversion(written(folder / "log.csv", log), mapping, folder)
    events = list(conversion.events())
    assert [event.at for event in events] == sorted(event.at for event in events)
    seen: dict[str, str] = {}
    for event in events:
        decode_event(event.type, event.data, event.at, policy)  # type: ignore[arg-type]
        if event.type == "candidate":
            seen[event.data["id"]] = event.data["person"]
    for event in events:
        if event.type == "feedback":
            assert seen[event.data["message"]] == event.data["person"]
    sent = sum(what == "sent" for _, _, what in rows)
    opened = sum(what == "opened" for _, _, what in rows)
    tally = conversion.tally
    assert tally.candidates == sent
    assert tally.feedback + tally.orphans == opened
    assert tally.consents == len({who for who, _, _ in rows})


def test_the_real_log_is_converted_whole() -> None:
    log = shared("email_log.csv.gz")
    mapping = ROOT / "config" / "email-log" / "map.yaml"
    result = governor("convert", "--log", log, "--map", mapping, "--out", "e.jsonl", "--json")
    tally = json.loads(result.stderr)
    assert (tally["rows"], tally["people"], tally["orphans"]) == (90_389, 6_179, 0)
    assert (tally["candidates"], tally["feedback"]) == (60_920, 29_469)
    assert tally["consents"] == 6_179
    with Path("e.jsonl").open("rb") as made:
        moments = [parse_instant(json.loads(line)["at"]) for line in made]
    assert len(moments) == 60_920 + 29_469 + 6_179
    assert moments == sorted(moments)


def test_the_people_of_the_real_log_become_profiles() -> None:
    people = shared("email_log_people.csv.gz")
    written("log.csv", "user_id,occurred_at,action\n0,2022-05-06 09:30:00,sent_weekly_digest\n")
    mapping = (ROOT / "config" / "email-log" / "map.yaml").read_text()
    mapping += (
        f"people: {{file: {people}, columns: [user_id, created_at, company, language], "
        "person: user_id, groups: [language], household: company}\n"
    )
    written("map.yaml", mapping)
    result = governor("convert", "--log", "log.csv", "--map", "map.yaml")
    [profile] = of(lines(result.stdout), "profile")
    assert profile == {
        "person": "0",
        "at": "2022-05-05T09:30:00Z",
        "groups": {"language": "english"},
        "household": "5737",
    }
