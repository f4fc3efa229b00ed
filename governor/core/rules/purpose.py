"""A message knows no more of the person than they agreed to, and nothing guessed of a minor."""

from collections.abc import Iterator
from functools import partial

from governor.core import model
from governor.core.age import is_minor
from governor.core.case import Case, Check
from governor.core.consents import last_pause, objects, said, speaking_of
from governor.core.kind import Kind
from governor.core.policy import PersonalData
from governor.core.score import depth_of
from governor.core.verdict import RELEASE, SUPPRESS, Finding

_SENSITIVE = "sensitive"
_GUESSED = ("inferred", "third_party")


def bind(kind: Kind) -> Check | None:
    """Bind to a kind of messages, unless the policy has no such rule or exempts them."""
    section = kind.policy.personal_data
    if section is None or "purpose" in kind.category.skips:
        return None
    return partial(_check, section)


def _check(section: PersonalData, case: Case, variant: model.Variant, at: int) -> Iterator[Finding]:
    """Find whether the personal data that this variant uses may be used for this person."""
    if not variant.uses:
        return
    yield _free(case, variant, section, at)
    sensitive = [use for use in variant.uses if use.attribute in section.sensitive]
    if sensitive:
        yield _sensitive(case, variant, sensitive, at)
    if any(use.source in _GUESSED for use in variant.uses):
        minor = is_minor(case.standing.profile, case.place, at)
        yield _finding(case, variant, "minor", "minor", refused=minor)


def _free(case: Case, variant: model.Variant, section: PersonalData, at: int) -> Finding:
    depth = depth_of(case.policy, variant)
    return _finding(
        case,
        variant,
        "free",
        "personalisation_refused",
        refused=depth > section.free and not _agreed(case, section.purpose, variant, at),
        limit=section.free,
        observed=depth,
    )


def _sensitive(case: Case, variant: model.Variant, uses: list[model.Use], at: int) -> Finding:
    guessed = any(use.source in _GUESSED for use in uses)
    return _finding(
        case,
        variant,
        "sensitive",
        "sensitive_data",
        refused=guessed or not _agreed(case, _SENSITIVE, variant, at),
        observed=", ".join(sorted({use.attribute for use in uses})),
    )


def _agreed(case: Case, purpose: str, variant: model.Variant, at: int) -> bool:
    """Tell whether consent to *purpose* stands and is neither objected to nor paused."""
    topic = case.candidate.topic
    matching = speaking_of(case.standing.consents, purpose, variant.channel, topic)
    grants = said(matching, ("consent",)).grants
    if not any(grant.expires_at is None or at < grant.expires_at for grant in grants):
        return False
    pause = last_pause(matching)
    paused = pause is not None and (pause.until is None or at < pause.until)
    return not paused and not objects(matching)


def _finding(
    case: Case,
    variant: model.Variant,
    id: str,
    code: str,
    *,
    refused: bool,
    limit: float | None = None,
    observed: float | str | None = None,
) -> Finding:
    outcome = SUPPRESS if refused else RELEASE
    return case.finding(
        "purpose", id, variant, outcome=outcome, code=code, limit=limit, observed=observed
    )
