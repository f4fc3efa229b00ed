"""The sample day at Marigold Shoes, and what must become of every message in it."""

import hashlib

from governor.demo.script import (
    Beat,
    Person,
    beat,
    broken,
    control,
    introduced,
    message,
    moment,
    offer,
    told,
)

SHOP_NAME = "Marigold Shoes"
# Of no use to anybody else: the people are invented, and one key makes every run the same.
KEY = hashlib.sha256(b"the sample day at Marigold Shoes").digest()

PEOPLE = {
    person.id: person
    for person in (
        Person("Anna", "Berlin", "DE", "Europe/Berlin"),
        Person("Ben", "Berlin", "DE", "Europe/Berlin"),
        Person("Chloé", "Paris", "FR", "Europe/Paris", holiday=True),
        Person("Dave", "New York", "US", "America/New_York"),
        Person("Emma", "the USA", "US"),
        Person("Femi", "London", "GB", "Europe/London", agreed="soft_opt_in"),
        Person("Greta", "Hamburg", "DE", "Europe/Berlin", agreed=None),
        Person("Hugo", "Lyon", "FR", "Europe/Paris", holiday=True),
        Person("Ines", "Madrid", "ES", "Europe/Madrid"),
        Person("Jonas", "Vienna", "AT", "Europe/Vienna"),
        Person("Kenji", "Tokyo", "JP", "Asia/Tokyo"),
        Person("Liv", "Oslo", "NO", "Europe/Oslo", wants_little=True),
        Person("Mia", "Munich", "DE", "Europe/Berlin", personal=False),
    )
}

_PROOF = {"notice_version": "2026-02", "method": "double opt-in"}
_HEALTH = {"uses": [{"attribute": "health", "source": "inferred"}]}
_BOUGHT = {"uses": [{"attribute": "purchase_history", "source": "observed"}]}
_NAME = {"uses": [{"attribute": "name"}]}
_HURRY = {"techniques": ["urgency"]}
_AT_19_30 = "2026-05-08T17:30:00Z"

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
    beat(
        "12:20",
        "It has become morning in New York. Anna opens her push.",
        told("feedback", "anna", message="spring-sale-anna", kind="opened", channel="push"),
    ),
    beat(
        "13:00",
        "An AI writes styling advice. The policy wants a human to look at it first.",
        offer("ai-stylist", "chloe", "push email", "review needs_review, release email"),
        offer("ai-stylist", "jonas", "push email", "review needs_review, suppress review_refused"),
        offer("ai-stylist", "femi", "push email", "review needs_review, suppress review_expired"),
    ),
    beat(
        "13:40",
        "Maria reviews: one approved, one refused, one she does not get to.",
        told(
            "review",
            "chloe",
            message="ai-stylist-chloe",
            reviewer="maria",
            answer="approve",
            reason="fits",
        ),
        told(
            "review",
            "jonas",
            message="ai-stylist-jonas",
            reviewer="maria",
            answer="refuse",
            reason="guesses his size",
        ),
    ),
    beat(
        "14:10",
        "Hugo complains about the spring sale. Nothing of that kind reaches him again.",
        told("feedback", "hugo", message="spring-sale-hugo", kind="complained", channel="email"),
        offer("afternoon-deal", "hugo", "email", "suppress consent_withdrawn"),
    ),
    beat(
        "14:30",
        "'Only two pairs left!' - but the offer has no end. Who hurries without a reason may not.",
        offer("two-left", "femi", "push email", "release email", personal=_HURRY),
    ),
    beat(
        "15:00",
        "An engine in a loop tells Jonas four times where his parcel is. Even what must arrive"
        " has a quota.",
        *(
            message(
                "transactional",
                "parcel",
                "jonas",
                expected,
                channel="email",
                id=f"parcel-jonas-{number}",
            )
            for number, expected in enumerate(
                [*["release email"] * 3, "defer bypass_quota, suppress kill_switch"], 1
            )
        ),
    ),
    beat(
        "15:30",
        "Two records that cannot be judged. Their bytes are kept, with the reason.",
        broken(b'{"id": "half-a-message", "per', "undecodable"),
        message("promo", "typo", "anna", "unknown_category", channel="email"),
    ),
    beat(
        "15:45",
        "A retry sends Anna's spring sale again. The verdict stands, and nothing is counted twice.",
        offer("spring-sale", "anna", "push email", None, created_at="2026-05-08T06:30:00.000Z"),
    ),
    beat(
        "16:10",
        "Greta signs up for the newsletter, but how she did is not on record.",
        told("consent", "greta", action="grant", purpose="newsletter", basis="consent"),
        message("newsletter", "may-letter", "greta", "suppress consent_unproven", channel="email"),
    ),
    beat(
        "16:30",
        "She confirms it by double opt-in. Now there is proof.",
        told(
            "consent",
            "greta",
            action="grant",
            purpose="newsletter",
            basis="consent",
            evidence=_PROOF,
        ),
        message("newsletter", "welcome-letter", "greta", "release email", channel="email"),
    ),
    beat(
        "17:10",
        "Femi wants to hear nothing until Monday.",
        told(
            "consent",
            "femi",
            action="pause",
            purpose="marketing",
            until="2026-05-11T09:00:00+01:00",
        ),
        offer("weekend-boots", "femi", "email", "defer person_paused, suppress kill_switch"),
    ),
    beat(
        "18:30",
        "Emma is somewhere in the USA; at last it is morning in all of it. Kenji opens his mail.",
        told("feedback", "kenji", message="summer-preview-kenji", kind="opened", channel="email"),
    ),
    beat(
        "18:40",
        "A flash sale by push, over at 19:30. What would come too late is dropped at once.",
        offer("flash-sale", "dave", "push", "release push", expires_at=_AT_19_30),
        offer("flash-sale", "emma", "push", "suppress quiet_hours", expires_at=_AT_19_30),
    ),
    beat(
        "21:10",
        "Night falls in Vienna.",
        offer("evening-picks", "jonas", "push", "defer quiet_hours, suppress kill_switch"),
    ),
    beat(
        "21:30",
        "The price feed is broken. Lena pulls the kill switch: all that waits is suppressed.",
        control("stop", "prices are wrong"),
    ),
    beat(
        "21:40",
        "Until somebody starts it again nothing goes out, not even a receipt.",
        message("transactional", "receipt", "dave", "suppress kill_switch", channel="email"),
    ),
)

BEGIN, END = moment("07:00"), moment("21:40")
