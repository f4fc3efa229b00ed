"""Policy files and folders as they lie on a disk, in any state."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from governor.config import Defect, PolicyInvalid, load_policy, read_policy
from governor.config.policy_file import stamp

ROOT = Path(__file__).parents[2]
SHIPPED = ROOT / "config" / "policy.yaml"
SMALL = "version: 1\ncategories: {promotional: {purpose: marketing}}\n"


def defects(path: Path) -> list[str]:
    with pytest.raises(PolicyInvalid) as refused:
        load_policy(path)
    return [str(defect).replace(f"{path.parent}/", "") for defect in refused.value.defects]


@pytest.mark.parametrize("name", ["policy.yaml", "email-log/policy.yaml"])
def test_a_shipped_policy_is_valid(name: str) -> None:
    assert "promotional" in load_policy(ROOT / "config" / name).categories


def test_the_email_log_policy_lets_one_mail_a_week_through_by_day() -> None:
    policy = load_policy(ROOT / "config" / "email-log" / "policy.yaml")
    (cap,) = policy.caps
    (hours,) = policy.quiet_hours
    assert (cap.limit, cap.window and cap.window.ms, cap.at_cap) == (1, 7 * 86_400_000, "suppress")
    assert hours.allow.days == (((480, 1260),),) * 7
    assert (hours.outside, policy.defaults.time_zone) == ("defer", "UTC")


def test_the_shipped_policy_explains_every_key_it_uses() -> None:
    text = SHIPPED.read_text()
    assert text.startswith("# yaml-language-server: $schema=policy.schema.json\n")
    assert text.count("#") > 50


def test_a_byte_order_mark_is_no_defect(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_bytes(b"\xef\xbb\xbf" + SMALL.encode())
    assert load_policy(tmp_path / "p.yaml").version == 1


def test_windows_line_ends_are_no_defect(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_bytes(SMALL.replace("\n", "\r\n").encode())
    assert load_policy(str(tmp_path / "p.yaml")) == read_policy(SMALL, "p.yaml")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "p.yaml:1: is empty, a policy needs `version` and `categories`"),
        (b"version: 1\nx: \xff\n", "p.yaml:2: is no UTF-8 text, save the file as UTF-8"),
        (b"version: 1\nx: \x00\n", "p.yaml:2: a character that no text file holds"),
        (b"#" * (1024 * 1024 + 1), "p.yaml: is larger than 1 MiB"),
        (b"a" * 1024 * 1024, "p.yaml:1: a policy has keys, begin with `version: 1`"),
    ],
)
def test_bytes_that_are_no_policy_are_refused(tmp_path: Path, data: bytes, message: str) -> None:
    (tmp_path / "p.yaml").write_bytes(data)
    assert defects(tmp_path / "p.yaml") == [message]


def test_a_file_that_is_not_there_is_a_defect(tmp_path: Path) -> None:
    found = defects(tmp_path / "p.yaml")
    assert found == ["p.yaml: cannot be read: no such file or directory"]


def test_a_folder_without_policies_is_a_defect(tmp_path: Path) -> None:
    assert defects(tmp_path) == [f"{tmp_path.name}: the folder holds no `*.yaml`"]


def test_anchors_and_merge_keys_save_typing() -> None:
    policy = read_policy(
        SMALL
        + "caps:\n"
        + "  - &first {id: a, match: {channel: sms}, limit: 1, window: 24h}\n"
        + "  - {<<: *first, id: b, limit: 2}\n",
        "p.yaml",
    )
    first, second = policy.caps
    assert (second.id, second.limit, second.match) == ("b", 2, first.match)


def test_keys_that_look_like_numbers_or_booleans_are_names() -> None:
    policy = read_policy("version: 1\ncategories: {404: {purpose: a}, on: {purpose: b}}", "p")
    assert set(policy.categories) == {"404", "on"}


def test_a_folder_is_one_policy(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(SMALL + "caps: [{id: a, min_gap: 1h}]\n")
    (tmp_path / "b.yaml").write_text(
        "version: 1\ncaps: [{id: b, min_gap: 2h}]\ncategories: {service: {purpose: service}}\n"
    )
    (tmp_path / "c.yml").write_text("caps: [{id: c, min_gap: 3h}]\n")
    (tmp_path / "notes.txt").write_text("no policy")
    (tmp_path / "scenarios").mkdir()
    (tmp_path / "scenarios" / "c.yaml").write_text("no policy")
    policy = load_policy(tmp_path)
    assert [cap.id for cap in policy.caps] == ["a", "b", "c"]
    assert set(policy.categories) == {"promotional", "service"}


def test_every_file_of_a_folder_is_looked_at_for_changes(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(SMALL)
    seen = [stamp(tmp_path)]
    for name in ("b.yaml", "c.yml"):
        (tmp_path / name).write_text("defaults: {country: DE}\n")
        seen.append(stamp(tmp_path))
    (tmp_path / "c.yml").write_text("defaults: {country: FR}  \n")
    seen.append(stamp(tmp_path))
    assert len(set(seen)) == 4


def test_a_folder_with_the_same_key_twice_names_both_places(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(SMALL + "defaults: {country: DE}\n")
    (tmp_path / "b.yaml").write_text(
        "version: 2\ncategories: {promotional: {purpose: ads}}\ndefaults:\n  country: FR\n"
        "caps: [{id: a, limit: -1, window: 1d}]\n"
    )
    with pytest.raises(PolicyInvalid) as refused:
        load_policy(tmp_path)
    a, b = str(tmp_path / "a.yaml"), str(tmp_path / "b.yaml")
    assert refused.value.defects == [
        Defect(b, 1, f"`version` is there twice, first in {a}:1"),
        Defect(b, 2, f"`categories.promotional` is there twice, first in {a}:2"),
        Defect(b, 4, f"`defaults.country` is there twice, first in {a}:3"),
        Defect(b, 5, "caps[0].limit: `-1` is less than 0"),
    ]


def test_a_folder_with_an_unreadable_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(SMALL)
    (tmp_path / "b.yaml").write_text("caps: [\n")
    with pytest.raises(PolicyInvalid) as refused:
        load_policy(tmp_path)
    assert [Path(defect.file).name for defect in refused.value.defects] == ["b.yaml"]


def refusals(file: Path) -> list[Defect]:
    try:
        load_policy(file)
    except PolicyInvalid as refused:
        return refused.defects or [Defect(str(file), -1, "refused without a reason")]
    return []


def read_or_refuse(data: bytes) -> None:
    with TemporaryDirectory() as folder:
        file = Path(folder) / "p.yaml"
        file.write_bytes(data)
        lines = len(data.decode("utf-8", "replace").splitlines()) + 1
        assert all(0 <= defect.line <= lines for defect in refusals(file))


@given(st.binary(max_size=200))
def test_random_bytes_are_a_policy_or_refused(data: bytes) -> None:
    read_or_refuse(data)


@given(st.text(alphabet="ab:-[]{}&*<>!|#'\"%@`,? \n\t\\x0U.1~", max_size=60))
def test_random_yaml_is_a_policy_or_refused(text: str) -> None:
    read_or_refuse(text.encode())


@given(st.data())
def test_a_damaged_policy_is_a_policy_or_refused(data: st.DataObject) -> None:
    text = SHIPPED.read_text()
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(text)))
        length = data.draw(st.integers(0, 20))
        text = text[:start] + data.draw(st.text(max_size=5)) + text[start + length :]
    read_or_refuse(text.encode("utf-8", "surrogatepass"))


KEYS = st.sampled_from(
    "version categories caps quiet_hours review rules when match category channel purpose basis "
    "skips quota limit window min_gap silence_after per reserve allow mon-sun sun holiday jitter "
    "id retention history defaults time_zone country modes caps.a persuasion budget intrusiveness "
    "repeat learned depth channels fairness groups arbitration rank unavailable ledger".split()
)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.sampled_from(["24h", "200d", "a", "none", "08:00-21:00", "person", "DE", "UTC", ""])
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=25,
)


@given(st.dictionaries(KEYS, VALUES, max_size=6))
def test_any_value_in_any_place_is_a_policy_or_refused(written: dict[str, object]) -> None:
    read_or_refuse(json.dumps({"version": 1, **written}).encode())
