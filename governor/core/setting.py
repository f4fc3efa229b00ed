"""What a turn is taken with, and what comes of it."""

from collections.abc import Callable

import msgspec

from governor.core.incoming import Incoming, Told
from governor.core.model import Candidate
from governor.core.policy import Policy
from governor.core.resolution import Handover, Resolution
from governor.core.shared import Shared
from governor.core.standing import ControlState, Scope, Standing, Waiting


class Setting(msgspec.Struct, frozen=True):
    """What is in force for everybody, and how names become ids and bodies are kept.

    `decision_id` names a decision by person, message and attempt. `forgets`: what is older than
    the policy's retention is dropped (a simulation keeps it). `shared` are the households, there
    where the policy counts by them; turns note in it what they reserve.
    """

    policy: Policy
    control: ControlState
    alias: Callable[[str], str]
    decision_id: Callable[[str, str, int], str]
    open_body: Callable[[str, Waiting], Incoming]
    seal_body: Callable[[str, Incoming], bytes]
    forgets: bool = True
    shared: Shared | None = None


class Turn(msgspec.Struct, frozen=True):
    """What comes up for one person at one moment (ms).

    `covered` are the scopes of controls that have just arrived: what waits under them is judged
    again. `due`: look at what waits for its time as well. `catch_up`: judge first, each at its own
    time, what was due before (a replay, whose clock jumps). `hold`: the gate is held, so facts are
    written down and what they wake is only marked, to be judged when it opens. `places`: where
    each of `fresh` stood among what arrived for everybody. `tried`: when this very turn was taken
    before, and its answer was lost; what was decided then was told to nobody.
    """

    key: str
    now: int
    told: tuple[Told, ...] = ()
    fresh: tuple[Incoming, ...] = ()
    covered: tuple[Scope, ...] = ()
    due: bool = False
    catch_up: bool = False
    hold: bool = False
    places: tuple[int, ...] = ()
    tried: frozenset[int] = frozenset()

    def covers(self, candidate: Candidate) -> bool:
        """Tell whether one of the new controls is about *candidate*, on any of its channels."""
        return any(
            scope.covers(candidate.campaign, variant.channel, candidate.category)
            for scope in self.covered
            for variant in candidate.variants
        )


class Taken(msgspec.Struct, frozen=True):
    """What a turn came to. `rejected` are dead letters with their reason, `notes` for metrics.

    `handover` is what a human is to be told, or would be if the rule were not in shadow.
    """

    standing: Standing
    resolutions: tuple[Resolution, ...]
    rejected: tuple[tuple[Incoming, str], ...]
    notes: tuple[str, ...]
    handover: Handover | None = None
