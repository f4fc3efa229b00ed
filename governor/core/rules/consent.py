"""Nothing goes out without a ground that holds now, and never against what the person said."""

from collections.abc import Sequence

from governor.core import model
from governor.core.case import Case, Check
from governor.core.consents import Pause, Said, last_pause, objects, said, speaking_of
from governor.core.instant import ceil_second
from governor.core.kind import Kind
from governor.core.policy import Category
from governor.core.standing import Consent
from governor.core.verdict import DEFER, RELEASE, SUPPRESS, Finding


def bind(kind: Kind) -> Check:
    """Bind to a kind of messages; every kind is bound."""
    category = kind.category
    purpose, bases = category.purpose, " or ".join(category.basis)
    contractual = category.contractual

    def check(case: Case, variant: model.Variant, at: int) -> list[Finding]:
        """Find whether a listed basis holds for this purpose, channel and topic, and no pause."""
        topic = case.candidate.topic
        matching = speaking_of(case.standing.consents, purpose, variant.channel, topic)
        code = _missing(category, matching, at)
        outcome = SUPPRESS if code else RELEASE
        findings = [Finding("consent", "basis", variant.id, outcome, code, True, bases)]
        pause = None if contractual else last_pause(matching)
        if pause is not None:
            findings.append(_paused(case, variant, pause, at))
        return findings

    return check


def _paused(case: Case, variant: model.Variant, pause: Pause, at: int) -> Finding:
    outcome = DEFER
    if pause.until is None:
        outcome = SUPPRESS
    elif at >= pause.until:
        outcome = RELEASE
    return case.finding(
        "consent",
        "pause",
        variant,
        outcome=outcome,
        code="person_paused",
        eligible_at=None if pause.until is None else ceil_second(pause.until),
    )


def _missing(category: Category, matching: Sequence[Consent], at: int) -> str | None:
    contractual = category.contractual
    if not contractual and objects(matching):
        return "objected"
    found = said(matching, category.basis)
    if found.withdrawn and not contractual:
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
