"""The sample day from noon on, and what must become of every message in it."""

from governor.demo.script import (
    Beat,
    beat,
    broken,
    control,
    message,
    offer,
    recommendation,
    told,
)

_PROOF = {"notice_version": "2026-02", "method": "double opt-in"}
_BOUGHT = {"uses": [{"attribute": "purchase_history", "source": "observed"}]}
_HURRY = {"techniques": ["urgency"]}
_HURRY_TRULY = {**_HURRY, "offer_ends_at": "2026-05-08T22:00:00Z"}
_CROWD = {"techniques": ["social_proof"]}
_AT_19_30 = "2026-05-08T17:30:00Z"

BEATS: tuple[Beat, ...] = (
    beat(
        "12:20",
        "It has become morning in New York. Anna opens her push.",
        told("feedback", "anna", message="spring-sale-anna", kind="opened", channel="push"),
    ),
    beat(
        "12:25",
        "The shoes that Kenji waited for are back: one slot a day is kept for that. It is his third"
        " automated message, so that the CRM is asked to have a human call.",
        offer(
            "trail-shoes",
            "kenji",
            "push email",
            "release email",
            hands_over="messages",
            priority=90,
        ),
    ),
    beat(
        "12:30",
        "An engine recommends sandals to Paula. What recommends gathers for five minutes first.",
        recommendation("sandals", "paula", "suppress outranked", value=0.4),
    ),
    beat(
        "12:32",
        "Another engine has wool socks for her, and expects more of them.",
        recommendation("wool-socks", "paula", "release push", value=0.9),
    ),
    beat(
        "12:36",
        "The window closes: the better one goes. Anna opens her mail.",
        told("feedback", "anna", message="weekend-boots-anna", kind="opened", channel="email"),
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
        "Hugo complains about the spring sale. No offer reaches him again, and a question waits"
        " until a human was in touch with him.",
        told(
            "feedback",
            "hugo",
            hands_over="complained",
            message="spring-sale-hugo",
            kind="complained",
            channel="email",
        ),
        offer("afternoon-deal", "hugo", "email", "suppress consent_withdrawn"),
        message(
            "service", "how-was-it", "hugo", "defer needs_human, release email", channel="email"
        ),
    ),
    beat(
        "14:25",
        "Tom from the shop calls him and makes it good.",
        told(
            "feedback",
            "hugo",
            message="spring-sale-hugo",
            kind="human_contacted",
            channel="call",
        ),
    ),
    beat(
        "14:30",
        "'Only two pairs left!' - but the offer has no end. Who hurries without a reason may not.",
        offer("two-left", "femi", "push email", "release email", personal=_HURRY),
    ),
    beat(
        "14:40",
        "This one does end tonight, and may hurry Otto. Nora lost somebody, and is told plainly.",
        offer("ends-tonight", "otto", "push email", "release push", personal=_HURRY_TRULY),
        offer("ends-tonight", "nora", "push email", "release email", personal=_HURRY_TRULY),
    ),
    beat(
        "14:50",
        "'Everybody wears them!', Otto would hear next. To press him once in two days is enough.",
        message(
            "promotional",
            "crowd-favourite",
            "otto",
            "defer pressure_budget, suppress kill_switch",
            variants=[{"id": "pressing", "channel": "email", **_CROWD}],
        ),
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
        "15:50",
        "An engine tells Mia what she knows, under a new id. Her limits allow it; it is counted.",
        offer("spring-sale", "mia", "email", "release email", id="spring-sale-mia-anew"),
    ),
    beat(
        "16:00",
        "Too much, says Paula, and her ceiling falls. A text about all she bought has to wait.",
        told("feedback", "paula", message="wool-socks-paula", kind="too_much"),
        message(
            "promotional",
            "size-tip",
            "paula",
            "defer too_intrusive, release sms",
            variants=[{"id": "personal-sms", "channel": "sms", **_BOUGHT}],
        ),
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
        "16:45",
        "It was Paula's son who had her phone. She begins anew, and what was learned is forgotten.",
        told("consent", "paula", action="comfort_reset"),
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
