"""What is counted, under which names and labels, and that no label comes from a message."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
from prometheus_client import generate_latest

from governor.codec.rejected import Reason
from governor.config import load_policy
from governor.core import model
from governor.core.form import candidate_of
from governor.core.incoming import Incoming, Told
from governor.core.policy import Arbitration, Policy
from governor.core.resolution import Resolution
from governor.core.verdict import Finding, Outcome, Verdict
from governor.metrics import REASONS, Metrics

ROOT = Path(__file__).parents[2]

# As the contract gives them: name, type, labels.
CONTRACT = {
    "governor_candidates_total": ("counter", {"category"}),
    "governor_decisions_total": ("counter", {"outcome", "rule", "channel"}),
    "governor_findings_total": ("counter", {"rule", "id", "outcome", "enforced"}),
    "governor_release_seconds": ("histogram", {"channel"}),
    "governor_batch_seconds": ("histogram", {"step"}),
    "governor_batch_messages": ("histogram", set()),
    "governor_waiting": ("gauge", {"outcome"}),
    "governor_waiting_overdue_seconds": ("gauge", set()),
    "governor_conflicts_total": ("counter", set()),
    "governor_repeats_total": ("counter", set()),
    "governor_dead_letters_total": ("counter", {"topic", "reason"}),
    "governor_feedback_total": ("counter", {"kind", "channel"}),
    "governor_consent_changes_total": ("counter", {"action", "purpose"}),
    "governor_held_closed_seconds_total": ("counter", {"cause"}),
    "governor_policy_info": ("gauge", {"revision", "state"}),
    "governor_partition_lag": ("gauge", {"topic", "partition"}),
}


@pytest.fixture(scope="module")
def policy() -> Policy:
    return load_policy(ROOT / "config" / "policy.yaml")


@pytest.fixture
def metrics(policy: Policy) -> Metrics:
    made = Metrics()
    made.prepare(policy, ["outreach.candidates"])
    return made


def text_of(metrics: Metrics) -> str:
    return generate_latest(metrics.registry).decode()


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


def moved(metrics: Metrics, name: str) -> dict[tuple[str, ...], float]:
    """Return the samples of a name that are not 0, by their label values."""
    return {
        tuple(sample.labels.values()): sample.value
        for family in metrics.registry.collect()
        for sample in family.samples
        if sample.name == name and sample.value
    }


def candidate(**given: Any) -> model.Candidate:
    base = {
        "id": "m-1",
        "person": "p-42",
        "campaign": "spring-sale",
        "category": "promotional",
        "created_at": "2026-05-05T10:00:00Z",
        "variants": [{"id": "a", "channel": "push"}, {"id": "b", "channel": "email"}],
    }
    return candidate_of({**base, **given})


def resolution(
    verdict: Verdict, *, record_at: int = 0, given: Mapping[str, Any] | None = None, **more: Any
) -> Resolution:
    incoming = Incoming(candidate(**(given or {})), {}, 1, record_at)
    return Resolution(incoming, "k", verdict, "d-1", "p", 1, 1, 0, **more)


def verdict(outcome: Outcome, variant: int, code: str | None, *findings: Finding) -> Verdict:
    return Verdict(outcome, variant, code, None, findings)


@pytest.mark.parametrize("name", CONTRACT)
def test_every_metric_of_the_contract_is_there_from_the_start(name: str) -> None:
    kind, _ = CONTRACT[name]
    fresh = text_of(Metrics())
    assert f"# TYPE {name} {kind}\n" in fresh
    assert re.search(rf"^# HELP {name} \S", fresh, re.MULTILINE)


def test_metrics_without_labels_start_at_0_and_nothing_else_is_called_governor() -> None:
    metrics = Metrics()
    for name, (kind, labels) in CONTRACT.items():
        if not labels:
            assert value(metrics, f"{name}_count" if kind == "histogram" else name) == 0
    named = re.findall(r"^# TYPE (\S+)", text_of(metrics), re.MULTILINE)
    assert len(named) == len(set(named))
    assert not [name for name in named if name.endswith("_created")]
    assert {"process_cpu_seconds_total", "process_start_time_seconds"} <= set(named)


def test_the_labels_are_those_of_the_contract(metrics: Metrics) -> None:
    metrics.set_policy("9f3c21d07b44")
    metrics.set_lag({("outreach.candidates", 0): 3})
    found: dict[str, set[str]] = {}
    for family in metrics.registry.collect():
        for sample in family.samples:
            name = re.sub(r"_(bucket|count|sum)$", "", sample.name)
            found.setdefault(name, set()).update(set(sample.labels) - {"le"})
    for name, (_, labels) in CONTRACT.items():
        assert found[name] == labels, name


def test_a_policy_starts_the_series_of_all_its_names(metrics: Metrics, policy: Policy) -> None:
    for category in policy.categories:
        assert value(metrics, "governor_candidates_total", category=category) == 0
    for channel in policy.channels:
        labels = {"outcome": "release", "rule": "none", "channel": channel}
        assert value(metrics, "governor_decisions_total", **labels) == 0
        assert value(metrics, "governor_release_seconds_count", channel=channel) == 0
    labels = {"rule": "caps", "id": "promo-per-day", "outcome": "defer", "enforced": "true"}
    assert value(metrics, "governor_findings_total", **labels) == 0
    shadow = {"rule": "caps", "id": "same-subject", "outcome": "suppress", "enforced": "false"}
    assert value(metrics, "governor_findings_total", **shadow) == 0
    for reason in REASONS:
        labels = {"topic": "outreach.candidates", "reason": reason}
        assert value(metrics, "governor_dead_letters_total", **labels) == 0
    for cause in ("ledger", "policy", "clock", "consents"):
        assert value(metrics, "governor_held_closed_seconds_total", cause=cause) == 0
    assert value(metrics, "governor_waiting", outcome="review") == 0


def test_the_reasons_are_those_of_the_codec() -> None:
    assert get_args(Reason) == REASONS


def test_a_release_counts_once_under_none_and_its_channel(metrics: Metrics) -> None:
    passed = Finding("caps", "promo-per-day", "b", Outcome.RELEASE, limit=2, observed=0)
    held = Finding("quiet_hours", "nights", "a", Outcome.DEFER, "quiet_hours")
    release = verdict(Outcome.RELEASE, 1, None, held, passed)
    metrics.count_resolutions([resolution(release, record_at=1_000)], 1_250)
    assert moved(metrics, "governor_decisions_total") == {("release", "none", "email"): 1}
    assert moved(metrics, "governor_release_seconds_sum") == {("email",): 0.25}
    assert moved(metrics, "governor_direct_release_seconds_count") == {("email",): 1}
    assert moved(metrics, "governor_findings_total") == {
        ("quiet_hours", "nights", "defer", "true"): 1,
        ("caps", "promo-per-day", "release", "true"): 1,
    }


def test_a_repeat_counts_as_a_repeat_and_nowhere_else(metrics: Metrics) -> None:
    found = Finding("consent", "basis", "a", Outcome.SUPPRESS, "no_consent")
    again = resolution(verdict(Outcome.SUPPRESS, 0, "no_consent", found), repeat=True)
    metrics.count_resolutions([again, again], 0)
    assert value(metrics, "governor_repeats_total") == 2
    assert not moved(metrics, "governor_decisions_total")
    assert not moved(metrics, "governor_findings_total")


def test_what_gathers_is_no_decision_and_a_repeat_of_it_is_a_repeat(metrics: Metrics) -> None:
    waits = msgspec.structs.replace(resolution(verdict(Outcome.DEFER, 0, None)), attempt=0)
    again = msgspec.structs.replace(waits, repeat=True)
    metrics.count_resolutions([waits, again], 0)
    assert moved(metrics, "governor_decisions_total") == {}
    assert moved(metrics, "governor_findings_total") == {}
    assert value(metrics, "governor_repeats_total") == 1


def test_losers_have_series_of_their_own_where_they_are_dropped(policy: Policy) -> None:
    made = Metrics()
    made.prepare(policy.model_copy(update={"arbitration": Arbitration(losers="suppress")}))
    labels = {"outcome": "suppress", "rule": "arbitration", "channel": "push"}
    assert value(made, "governor_decisions_total", **labels) == 0
    finding = {"rule": "arbitration", "id": "losers", "outcome": "suppress", "enforced": "true"}
    assert value(made, "governor_findings_total", **finding) == 0


def test_the_rule_is_that_of_the_deciding_variants_first_strictest_enforced_finding(
    metrics: Metrics,
) -> None:
    findings = (
        Finding("consent", "basis", "a", Outcome.SUPPRESS, "no_consent"),
        Finding("consent", "basis", "b", Outcome.RELEASE),
        Finding("caps", "same-subject", "b", Outcome.SUPPRESS, "cap_reached", enforced=False),
        Finding("caps", "promo-per-day", "b", Outcome.RELEASE),
        Finding("quiet_hours", "nights", "b", Outcome.DEFER, "quiet_hours"),
        Finding("oversight", "sample", "b", Outcome.REVIEW, "needs_review"),
    )
    waits = verdict(Outcome.REVIEW, 1, "needs_review", *findings)
    metrics.count_resolutions([resolution(waits)], 0)
    assert moved(metrics, "governor_decisions_total") == {("review", "oversight", "email"): 1}


def test_a_rule_in_shadow_decides_nothing_even_with_the_same_code(metrics: Metrics) -> None:
    findings = (
        Finding("caps", "quota", "a", Outcome.SUPPRESS, "review_refused", enforced=False),
        Finding("oversight", "sample", "a", Outcome.SUPPRESS, "review_refused"),
    )
    metrics.count_resolutions(
        [resolution(verdict(Outcome.SUPPRESS, 0, "review_refused", *findings))], 0
    )
    assert moved(metrics, "governor_decisions_total") == {("suppress", "oversight", "push"): 1}


def test_a_deferral_without_hope_counts_as_suppressed_by_what_deferred(metrics: Metrics) -> None:
    findings = (
        Finding("consent", "basis", "a", Outcome.RELEASE),
        Finding("caps", "promo-per-day", "a", Outcome.DEFER, "cap_reached"),
    )
    metrics.count_resolutions(
        [resolution(verdict(Outcome.SUPPRESS, 0, "cap_reached", *findings))], 0
    )
    assert moved(metrics, "governor_decisions_total") == {("suppress", "caps", "push"): 1}


def test_what_waited_is_no_direct_release_and_time_never_runs_backwards(metrics: Metrics) -> None:
    release = verdict(Outcome.RELEASE, 0, None)
    waited = resolution(release, record_at=0, was_waiting=True)
    early = resolution(release, record_at=9_000)
    metrics.count_resolutions([waited, early], 8_000)
    assert moved(metrics, "governor_release_seconds_count") == {("push",): 2}
    assert moved(metrics, "governor_release_seconds_sum") == {("push",): 8}
    assert moved(metrics, "governor_direct_release_seconds_count") == {("push",): 1}


def test_a_batch_is_observed_as_its_amounts_are_one_by_one() -> None:
    amounts = [0.0, 0.0049, 0.005, 0.0051, 0.25, 1.0, 59.0, 60.0, 604_800.0, 604_801.0, 0.25]
    together, apart = Metrics(), Metrics()
    together.release_seconds.labels("push").observe_all(amounts)
    for amount in amounts:
        apart.release_seconds.labels("push").observe(amount)
    for part in ("bucket", "count", "sum"):
        name = f"governor_release_seconds_{part}"
        assert moved(together, name) == moved(apart, name) != {}


def test_the_last_slot_of_a_cap_is_a_near_miss_for_the_released_variant_only(
    metrics: Metrics,
) -> None:
    full: dict[str, Any] = {"limit": 2, "observed": 1, "window": "24h"}
    findings = (
        Finding("caps", "promo-per-week", "a", Outcome.RELEASE, **full),
        Finding("caps", "promo-per-day", "b", Outcome.RELEASE, **full),
        Finding("caps", "push-gap", "b", Outcome.RELEASE, limit=2.0, observed=1.0),
        Finding("caps", "quota", "b", Outcome.RELEASE, limit=20, observed=3, window="24h"),
    )
    metrics.count_resolutions([resolution(verdict(Outcome.RELEASE, 1, None, *findings))], 0)
    assert moved(metrics, "governor_last_slots_total") == {("promo-per-day",): 1}


def test_names_that_the_policy_does_not_know_are_other(metrics: Metrics) -> None:
    strange = {"category": "p-42", "variants": [{"id": "a", "channel": "p-42"}]}
    metrics.count_candidates([candidate(**strange)])
    metrics.count_resolutions([resolution(verdict(Outcome.RELEASE, 0, None), given=strange)], 0)
    at = "2026-05-05T10:00:00Z"
    about = {"person": "p-42", "at": at, "channel": "p-42"}
    feedback = model.Feedback.model_validate({**about, "id": "f", "message": "m", "kind": "opened"})
    consent = model.ConsentChange.model_validate(
        {**about, "id": "c", "action": "refuse", "purpose": "p-42"}
    )
    metrics.count_told([Told(feedback, 0), Told(consent, 0)])
    metrics.count_notes(["p-42"])
    metrics.count_dead_letter("outreach.candidates", "p-42")
    metrics.count_batch({"p-42": 1.0}, 1)
    assert "p-42" not in text_of(metrics)
    assert moved(metrics, "governor_candidates_total") == {("other",): 1}
    assert moved(metrics, "governor_feedback_total") == {("opened", "other"): 1}
    assert moved(metrics, "governor_consent_changes_total") == {("refuse", "other"): 1}


def test_a_suppression_without_a_finding_has_another_rule(metrics: Metrics) -> None:
    metrics.count_resolutions([resolution(verdict(Outcome.SUPPRESS, 0, "ledger_unavailable"))], 0)
    assert moved(metrics, "governor_decisions_total") == {("suppress", "other", "push"): 1}


def test_notes_of_a_judgement_have_counters_of_their_own(metrics: Metrics) -> None:
    metrics.count_notes(["refunded", "recounted", "unknown_message", "not_released", "refunded"])
    assert value(metrics, "governor_refunded_total") == 2
    assert value(metrics, "governor_recounted_total") == 1
    assert value(metrics, "governor_feedback_unmatched_total") == 1
    assert value(metrics, "governor_feedback_ignored_total", reason="not_released") == 1


def test_what_is_told_and_answered_is_counted(metrics: Metrics) -> None:
    at = "2026-05-05T10:00:00Z"
    answer = {"id": "r", "message": "m", "person": "p", "reviewer": "x", "at": at}
    metrics.count_told([Told(model.ReviewAnswer.model_validate({**answer, "answer": "refuse"}), 0)])
    control = {"id": "c", "at": at, "by": "ops", "action": "stop", "scope": {}}
    metrics.count_controls([model.Control.model_validate(control)])
    grant = {"id": "c", "person": "p", "at": at, "action": "withdraw", "purpose": "*"}
    metrics.count_told([Told(model.ConsentChange.model_validate(grant), 0)])
    assert value(metrics, "governor_reviews_total", answer="refuse") == 1
    assert value(metrics, "governor_controls_total", action="stop") == 1
    assert moved(metrics, "governor_consent_changes_total") == {("withdraw", "*"): 1}


def test_a_new_policy_takes_the_place_of_the_old_and_a_refused_one_stands_beside(
    metrics: Metrics,
) -> None:
    metrics.set_policy("aaa")
    metrics.set_policy("bbb", "ccc")
    assert moved(metrics, "governor_policy_info") == {("bbb", "active"): 1, ("ccc", "refused"): 1}


def test_a_partition_that_is_given_away_has_no_lag_any_more(metrics: Metrics) -> None:
    metrics.set_lag({("t", 0): 5, ("t", 1): 0})
    metrics.set_lag({("t", 1): 2})
    assert moved(metrics, "governor_partition_lag") == {("t", "1"): 2}


def test_what_waits_is_a_gauge(metrics: Metrics) -> None:
    metrics.set_waiting(3, 2, -1.0)
    assert value(metrics, "governor_waiting", outcome="defer") == 3
    assert value(metrics, "governor_waiting", outcome="review") == 2
    assert value(metrics, "governor_waiting_overdue_seconds") == 0


def test_two_workers_in_one_process_do_not_share_their_metrics() -> None:
    first, second = Metrics(), Metrics()
    first.repeats.inc()
    assert value(second, "governor_repeats_total") == 0
