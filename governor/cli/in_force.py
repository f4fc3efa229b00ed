"""A policy in short: what it puts in force, and what ops may not expect of it."""

from collections.abc import Iterator

from governor.core.instant import format_length
from governor.core.policy import WEEKDAYS, Allow, Cap, Match, Policy, Span


def in_force(policy: Policy) -> dict[str, list[str]]:
    """Say in short lines what each section comes to; sections without effect are absent."""
    places = [policy.defaults.time_zone, policy.defaults.country]
    sections = {
        "place": [", ".join(place for place in places if place)] if any(places) else [],
        "categories": list(_categories(policy)),
        "caps": [_cap(cap) for cap in policy.caps],
        "quiet hours": [
            f"{entry.id}: {_hours(entry.allow)}, else {entry.outside}{_about(entry.match)}"
            for entry in policy.quiet_hours
        ],
        "intrusiveness": list(_intrusiveness(policy)),
        "personal data": list(_personal_data(policy)),
        "persuasion": list(_persuasion(policy)),
        "arbitration": list(_arbitration(policy)),
        "review": list(_review(policy)),
        "human touch": list(_human_touch(policy)),
        "kept": [
            f"verdicts {format_length(policy.retention.verdicts)}",
            f"history {format_length(policy.retention.history)}",
        ],
        "shadow": [name for name, mode in policy.modes.root.items() if mode == "shadow"],
    }
    return {title: lines for title, lines in sections.items() if lines}


def warnings(policy: Policy) -> Iterator[str]:
    """Name what is valid and yet may surprise."""
    yield from _placeless(policy)
    for cap in policy.caps:
        if cap.limit == 0:
            yield f"caps: `{cap.id}` has `limit: 0` and lets nothing through"
    for name in sorted(policy.human_touch.hold) if policy.human_touch else ():
        if policy.categories[name].contractual:
            yield f"human_touch: holds `{name}`, which rests on contract or law and may have to go"
    yield from _waiting_for_rivals(policy)
    for rule in policy.review.rules:
        if rule.sample == 0:
            yield f"review: `{rule.id}` has `sample: 0` and takes nothing"


def _waiting_for_rivals(policy: Policy) -> Iterator[str]:
    if policy.arbitration is None or not policy.arbitration.window:
        return
    window = format_length(policy.arbitration.window)
    for name, category in policy.categories.items():
        if category.contractual and "arbitration" not in category.skips:
            yield (
                f"arbitration: messages of `{name}` wait {window} for others too, unless they come "
                "on the urgent topic; let it skip `arbitration` if they must not"
            )


def _placeless(policy: Policy) -> Iterator[str]:
    if policy.defaults.country is not None:
        return
    calendar = any(cap.window and cap.window.kind != "rolling" for cap in policy.caps)
    if policy.defaults.time_zone is None and (policy.quiet_hours or calendar):
        yield (
            "defaults: neither `time_zone` nor `country` is set; people of whom no place is known "
            "are held to the strictest of all clocks on Earth"
        )
    for entry in policy.quiet_hours:
        if entry.allow.holiday is not None:
            yield (
                f"quiet_hours: `{entry.id}` has hours for a `holiday`, which only people whose "
                "country is known have; set `defaults.country`"
            )


def _categories(policy: Policy) -> Iterator[str]:
    for name, category in policy.categories.items():
        parts = [f"{category.purpose} on {' or '.join(category.basis)}"]
        if category.proof:
            parts.append("proof required")
        if category.skips:
            parts.append(f"skips {', '.join(sorted(category.skips))}")
        if not category.counts:
            parts.append("counts for no cap")
        if category.quota:
            quota = category.quota
            parts.append(
                f"quota {quota.limit} in {format_length(quota.window)}, then {quota.at_quota}"
            )
        yield f"{name}: {'; '.join(parts)}"


def _cap(cap: Cap) -> str:
    if cap.min_gap is not None:
        what = f"{format_length(cap.min_gap)} apart"
    elif cap.silence_after is not None and cap.window is not None:
        what = f"silence for {cap.window.text} after {' or '.join(cap.silence_after)}"
    else:
        what = f"at most {cap.limit} in {cap.window.text if cap.window else ''}"
    if cap.reserve is not None:
        kept, least = cap.reserve.slots, cap.reserve.priority_at_least
        what += f", {kept} of them only for priority {least} or more"
    per = "" if cap.per == ("person",) else f" per {' and '.join(cap.per)}"
    return f"{cap.id}: {what}{per}, else {cap.at_cap}{_about(cap.match)}"


def _intrusiveness(policy: Policy) -> Iterator[str]:
    section = policy.intrusiveness
    if section is None:
        return
    comfort = section.comfort
    yield (
        f"at most {section.ceiling:g} points, or what people chose (low {comfort.low:g}, normal"
        f" {comfort.normal:g}, high {comfort.high:g}), else {section.above}"
    )
    learns = "moves with what people do" if comfort.learn else "does not move"
    half_life = format_length(section.half_life)
    yield f"what was sent weighs half after {half_life}; the ceiling {learns}"


def _personal_data(policy: Policy) -> Iterator[str]:
    section = policy.personal_data
    if section is None:
        return
    yield f"deeper than {section.free}: only with consent to {section.purpose}"
    if section.sensitive:
        named = ", ".join(sorted(section.sensitive))
        yield f"{named}: only with consent to sensitive, never inferred or bought"


def _persuasion(policy: Policy) -> Iterator[str]:
    section = policy.persuasion
    if section is None:
        return
    if section.urgency is not None:
        yield "urgency and scarcity: only with a true end of the offer"
    if section.budget is not None:
        budget = section.budget
        yield f"any technique: at most {budget.limit} in {format_length(budget.window)}, else defer"
    if section.vulnerable is not None:
        yield f"none for {', '.join(('minors', *sorted(section.vulnerable)))}"


def _arbitration(policy: Policy) -> Iterator[str]:
    section = policy.arbitration
    if section is None:
        return
    yield f"first by {', then '.join(section.rank)}"
    if section.window:
        drops = {"wait": "wait", "suppress": "are dropped"}[section.losers]
        window = format_length(section.window)
        yield f"judged together {window} after the first; those that lose {drops}"


def _review(policy: Policy) -> Iterator[str]:
    for rule in policy.review.rules:
        share = "" if rule.sample == 1 else f"{rule.sample * 100:g} % of "
        eyes = "1 reviewer" if rule.reviewers == 1 else f"{rule.reviewers} reviewers"
        yield f"{rule.id}: {share}what matches, {eyes}{_about(rule.when)}"
    if policy.review.rules:
        review = policy.review
        yield f"unanswered after {format_length(review.deadline)}: {review.on_deadline}"


def _human_touch(policy: Policy) -> Iterator[str]:
    section = policy.human_touch
    if section is None:
        return
    reasons = [] if section.messages is None else [f"{section.messages} messages"]
    reasons += section.signals or ()
    held = ", ".join(sorted(section.hold))
    yield f"after {' or '.join(reasons)}: {held} {section.then} until a human was in touch"


def _about(match: Match) -> str:
    named = {
        "category": match.category,
        "campaign": match.campaign,
        "channel": match.channel,
        "topic": match.topic,
    }
    parts = [f"{key} {', '.join(sorted(names))}" for key, names in named.items() if names]
    return f" [{'; '.join(parts)}]" if parts else ""


def _hours(allow: Allow) -> str:
    groups: list[tuple[list[str], tuple[Span, ...]]] = []
    for day, spans in zip(WEEKDAYS, allow.days, strict=True):
        if groups and groups[-1][1] == spans:
            groups[-1][0].append(day)
        else:
            groups.append(([day], spans))
    texts = [
        f"{days[0] if len(days) == 1 else f'{days[0]}-{days[-1]}'} {_spans(spans)}"
        for days, spans in groups
    ]
    if allow.holiday is not None:
        texts.append(f"holiday {_spans(allow.holiday)}")
    return ", ".join(texts)


def _spans(spans: tuple[Span, ...]) -> str:
    return " and ".join(f"{_clock(start)}-{_clock(end)}" for start, end in spans) or "none"


def _clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"
