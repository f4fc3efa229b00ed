"""Nothing goes out without a ground that holds now, and never against what the person said."""

from collections.abc import Iterator

from governor.core import model
from governor.core.case import Case
from governor.core.consents import Pause, Said, last_pause, objects, said
from governor.core.instant import ceil_second
from governor.core.verdict import Finding, Outcome


def check(case: Case, variant: model.Variant, at: int) -> Iterator[Finding]:
    """Find whether a listed basis holds for this purpose, channel and topic, and no pause."""
    category = case.category
    about = (category.purpose, variant.channel, case.candidate.topic)
    code = _missing(case, about, at)
    yield case.finding(
        "consent",
        "basis",
        variant,
        outcome=Outcome.SUPPRESS if code else Outcome.RELEASE,
        code=code,
        limit=" or ".join(category.basis),
    )
    pause = None if category.contractual else last_pause(case.standing.consents, *about)
    if pause is not None:
        yield _paused(case, variant, pause, at)


def _paused(case: Case, variant: model.Variant, pause: Pause, at: int) -> Finding:
    outcome = Outcome.DEFER
    if pause.until is None:
        outcome = Outcome.SUPPRESS
    elif at >= pause.until:
        outcome = Outcome.RELEASE
    return case.finding(
        "consent",
        "pause",
        variant,
        outcome=outcome,
        code="person_paused",
        eligible_at=None if pause.until is None else ceil_second(pause.until),
    )


def _missing(case: Case, about: tuple[str, str, str | None], at: int) -> str | None:
    category = case.category
    consents = case.standing.consents
    if not category.contractual and objects(consents, *about):
        return "objected"
    found = said(consents, category.basis, *about)
    if found.withdrawn and not category.contractual:
        return "consent_withdrawn"
    holding = [grant for grant in found.grants if grant.expires_at is None or at < grant.expires_at]
    if category.proof is None:
        return None if holding or category.asserted else _why_none(found)
    if any(grant.proven for grant in holding):
        return None
    lapsed = len(holding) < len(found.grants)
    return "consent_unproven" if (holding or category.asserted) and not lapsed else _why_none(found)


def _why_none(found: Said) -> str:
    if found.grants:
        return "consent_expired"
    return "consent_withdrawn" if found.withdrawn else "no_consent"
