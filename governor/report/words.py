"""The words of the page for what people did, and what each of it is worth."""

FEEDBACK = {
    "delivered": "delivered",
    "bounced": "bounced",
    "failed": "failed",
    "opened": "opens",
    "clicked": "clicks",
    "converted": "conversions",
    "dismissed": "dismissals",
    "replied": "replies",
    "complained": "complaints",
    "unsubscribed": "unsubscribes",
    "too_much": "“too much”",
    "less": "“less of this”",
    "more": "“more of this”",
    "human_contacted": "calls for a human",
}

WELCOME = ("opened", "clicked", "converted", "replied")
"""Feedback that a sender hopes for, in the order of the page."""

_WORTH = """
Opens are a poor measure: mail programs and privacy proxies fetch pictures on their own, so that
many an open was no person, and some people read without one.

An open is no consent, and a click is none either. Neither says that the message was wanted.

Feedback on a message that a ceiling withheld counts as lost. What the person would have done
instead, with the next message or unasked, is not known.

What withholding does later is not modelled: fewer messages may raise the attention that the others
get, and keep people from unsubscribing. None of that is in these numbers.

Who gets more messages may open more of them for other reasons. This is what went together in the
past, not what a ceiling causes; only a trial with groups drawn by lot would tell.

The recording begins with nobody under pressure, whatever was sent before, so that a first message
passes that later ones would not. It knows only what was sent then. Feedback that a message got at
its recorded time is taken to be worth the same where the message goes out later.
"""

WORTH = tuple(" ".join(remark.split()) for remark in _WORTH.strip().split("\n\n"))
"""What the reader of the trade-off must know before they trust it."""
