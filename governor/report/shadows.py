"""The section on rules in shadow: judged and counted, but without effect on any number above."""

from governor.report.blocks import Section, table
from governor.report.outcomes import sentence
from governor.report.tally import Tally

_HEAD = (
    "Entry | What it found | Messages judged | Spoke against | Went out all the same"
    " | It would have suppressed | It would have held back"
)


def shadows(tally: Tally) -> Section:
    """Show what each entry in shadow would have done to what went out."""
    if not tally.shadows:
        text = "No rule of this policy was in shadow, or none of those had anything to judge."
        return Section("shadow", "In shadow", text)
    found: dict[tuple[str, str], str] = {}
    for entry in sorted(tally.spoken):
        if entry[:2] in tally.shadows:
            found[entry[:2]] = sentence(tally, entry)
    rows = []
    for (rule, id), shadow in sorted(tally.shadows.items()):
        out, sentences = shadow.went_out, found.get((rule, id), "nothing")
        numbers = (len(shadow.judged), len(shadow.against), sum(out.values()))
        later = out["defer"] + out["review"]
        rows.append((f"{rule} {id}", sentences, *numbers, out["suppress"], later))
    text = (
        "These rules were judged and counted, but not enforced: nothing above or below contains"
        " their effect. Each is taken alone, on what really went out: once enforced, a rule changes"
        " what later messages meet, and another variant may go instead."
    )
    blocks = (table("Rules that were only watched", _HEAD, rows),)
    return Section("shadow", "In shadow: judged, not enforced", text, blocks)
