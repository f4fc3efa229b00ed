"""Every file in `broken/` is refused with the lines and messages that its head names."""

import re
from pathlib import Path

import pytest

from governor.config import PolicyInvalid, load_policy, read_policy
from governor.core.policy import NOT_BUILT

BROKEN = sorted((Path(__file__).parent / "broken").glob("*.yaml"))
EXPECTED = re.compile(r"# ([0-9]+): (.*)")


def expected(file: Path) -> list[str]:
    found = [EXPECTED.fullmatch(line) for line in file.read_text().splitlines()]
    return [f"{file}:{match[1]}: {match[2]}" for match in found if match]


@pytest.mark.parametrize("file", BROKEN, ids=lambda file: file.stem)
def test_a_broken_policy_is_refused_with_the_place_and_the_reason(file: Path) -> None:
    with pytest.raises(PolicyInvalid) as refused:
        load_policy(file)
    assert [str(defect) for defect in refused.value.defects] == expected(file)


@pytest.mark.parametrize("file", BROKEN, ids=lambda file: file.stem)
def test_a_message_speaks_no_python(file: Path) -> None:
    for line in expected(file):
        assert not re.search(r"\b(pydantic|Input|None|True|dict|tuple|frozenset|NoneType)\b", line)
        assert not line.endswith(".")


def test_there_is_a_broken_policy_for_each_thing_that_is_not_built() -> None:
    assert len([file for file in BROKEN if file.stem.startswith("not-built-")]) == len(NOT_BUILT)


def test_ten_defects_in_one_file_are_all_named() -> None:
    file = Path(__file__).parent / "broken" / "ten-defects.yaml"
    with pytest.raises(PolicyInvalid) as refused:
        load_policy(file)
    assert len(refused.value.defects) == 10


def test_a_defect_shows_its_place_first() -> None:
    text = "version: 1\ncategories: {a: {purpose: b}}\ncaps:\n- {id: c, limit: -1, window: 1d}\n"
    with pytest.raises(PolicyInvalid) as refused:
        read_policy(text, "config/policy.yaml")
    assert str(refused.value) == "config/policy.yaml:4: caps[0].limit: `-1` is less than 0"
