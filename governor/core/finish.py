"""What a turn comes to once all is judged: whom to hand over, and what may be forgotten."""

from collections.abc import Sequence

from governor.core.handover import hand_over
from governor.core.incoming import Incoming
from governor.core.record import forget
from governor.core.resolution import Resolution
from governor.core.resubmission import marked
from governor.core.setting import Setting, Taken, Turn
from governor.core.standing import Standing


def finish(
    setting: Setting,
    standing: Standing,
    turn: Turn,
    now: int,
    resolutions: Sequence[Resolution],
    rejected: Sequence[tuple[Incoming, str]],
    notes: Sequence[str],
) -> Taken:
    """Return what *turn* came to, its clock at *now* (ms)."""
    policy = setting.policy
    standing, handover = hand_over(setting, standing, turn, resolutions, now)
    told = marked(policy, standing, resolutions)
    if setting.forgets and not turn.hold and standing.version != 0:
        standing = forget(policy, standing, now)
    return Taken(standing, told, tuple(rejected), tuple(notes), handover)
