"""The sample day until noon, and what must become of every message in it."""

from governor.demo.people import PEOPLE
from governor.demo.script import (
    Beat,
    beat,
    control,
    introduced,
    message,
    offer,
    told,
)

_HEALTH = {"uses": [{"attribute": "health", "source": "inferred"}]}
_BOUGHT = {"uses": [{"attribute": "purchase_history", "source": "observed"}]}
_NAME = {"uses": [{"attribute": "name"}]}

BEATS: tuple[Beat, ...] = (
    beat("07:00", "The CRM tells who people are and what they agreed to.", *introduced(PEOPLE)),
    beat(
        "07:20",
        "A receipt rests on a contract, a recall on a legitimate interest: no consent is needed.",
        message("transactional", "receipt", "anna", "release email", channel="email"),
        message("service", "recall", "greta", "release email", channel="email"),
    ),
    beat(
        "08:30",
        "Dave asks for a code, on the urgent lane. The spring sale opens: by push, made for each"
        " person, or else by a plain mail.",
        message(
            "transactional", "one-time-code", "dave", "release sms", channel="sms", urgent=True
        ),
        offer("spring-sale", "anna", "push email", "release push"),
        offer("spring-sale", "ben", "push email", "release push"),
        offer("spring-sale", "chloe", "push email", "release email"),
        offer("spring-sale", "dave", "push email", "defer quiet_hours, release email"),
        offer("spring-sale", "emma", "push email", "defer quiet_hours, release email"),
        offer("spring-sale", "greta", "push email", "suppress no_consent"),
        offer("spring-sale", "hugo", "push email", "release email"),
        offer("spring-sale", "ines", "push email", "release push"),
        offer("spring-sale", "kenji", "push email", "release push"),
        offer("spring-sale", "mia", "push email", "release email"),
    ),
    beat(
        "09:10",
        "Another engine has boots. A push was just sent, so the quieter way is taken.",
        offer("weekend-boots", "anna", "push email", "release email"),
        offer("weekend-boots", "ines", "push email", "release email"),
    ),
    beat(
        "09:40",
        "A reminder for Ben, by push alone: it waits for the gap between two pushes.",
        offer("last-pairs", "ben", "push", "defer min_gap, suppress consent_withdrawn"),
    ),
    beat(
        "10:00",
        "A third offer within a day is not lost: it waits for a free slot.",
        offer("free-socks", "anna", "push email", "defer cap_reached, suppress kill_switch"),
        offer("free-socks", "ines", "push email", "defer cap_reached, release email"),
    ),
    beat(
        "10:15",
        "An AI has guessed that Jonas' knees hurt, and would say so. Another would call Liv, who"
        " wants to hear little, about all she bought.",
        offer("soft-soles", "jonas", "push email", "release email", personal=_HEALTH),
        offer("size-advice", "liv", "call email", "release email", personal=_BOUGHT),
    ),
    beat(
        "10:30",
        "Ben takes his consent back. It beats everything that is not out yet.",
        told("consent", "ben", action="withdraw", purpose="marketing"),
    ),
    beat(
        "10:45",
        "Ops pause the summer preview: a wrong price in the text.",
        control("pause", "wrong price", campaign="summer-preview"),
    ),
    beat(
        "10:50",
        "Its engine goes on sending.",
        offer("summer-preview", "kenji", "email", "defer paused_campaign, release email"),
        offer("summer-preview", "hugo", "email", "defer paused_campaign, suppress cancelled"),
    ),
    beat(
        "11:00",
        "The catalogue comes by post. Otto gets one.",
        offer("catalogue", "otto", "mail", "release mail"),
    ),
    beat(
        "11:05",
        "Paula lives with him: one to a home is enough.",
        offer("catalogue", "paula", "mail", "suppress household_cap"),
    ),
    beat(
        "11:10",
        "The engine takes Hugo's message back.",
        told("cancellation", "hugo", message="summer-preview-hugo", reason="bought already"),
    ),
    beat(
        "11:20",
        "The mail to Ines bounces. What did not arrive gives its slot back.",
        told("feedback", "ines", message="weekend-boots-ines", kind="bounced", channel="email"),
    ),
    beat(
        "11:40",
        "Ops resume the summer preview.",
        control("resume", "price corrected", campaign="summer-preview"),
    ),
    beat(
        "11:50",
        "A text message to Liv instead, with her name? It waits until less presses on her.",
        message(
            "promotional",
            "size-reminder",
            "liv",
            "defer too_intrusive, suppress kill_switch",
            variants=[{"id": "personal-sms", "channel": "sms", **_NAME}],
        ),
    ),
)
