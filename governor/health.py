"""Whether this worker judges, and whether it is stuck: what the orchestrator and ops ask for."""

import logging
from collections import defaultdict
from collections.abc import Callable
from typing import NamedTuple, TypedDict

from governor.metrics import CAUSES, Cause, Metrics

log = logging.getLogger(__name__)

STUCK_AFTER = 30.0


class Reason(TypedDict):
    """Why a worker is not ready or not live."""

    cause: str
    detail: str


class Hold(NamedTuple):
    """Since when the gate is held for a cause."""

    since: float
    detail: str


class Health:
    """The state of one worker, as its parts report it; *clock* gives monotonic seconds.

    INVARIANT (fail-closed): a worker that has not heard from its policy, its ledger and its
    partitions is not ready.
    """

    def __init__(
        self, metrics: Metrics, clock: Callable[[], float], lag: Callable[[], int] = lambda: 0
    ) -> None:
        """*lag* tells how many records of the owned partitions are not applied yet."""
        self._metrics = metrics
        self._clock = clock
        self._lag = lag
        self._partitions: int | None = None
        self._revision: str | None = None
        self._refused: str | None = None
        self._trusted = False
        self._holds: dict[Cause, Hold] = {}
        self._holders: dict[Cause, set[object]] = defaultdict(set)
        self._counted_to: dict[Cause, float] = {}
        self._moved_at = clock()
        self._behind_since: float | None = None

    @property
    def held(self) -> bool:
        """Whether anything holds the gate closed."""
        return bool(self._holds)

    @property
    def excused(self) -> bool:
        """Whether no progress is to be expected: something outside of this worker is amiss.

        Consents that lag excuse nothing: what makes them lag may be that this worker is stuck.
        """
        return any(cause != "consents" for cause in self._holds)

    def holds(self, cause: Cause) -> bool:
        """Tell whether the gate is held for *cause*."""
        return cause in self._holds

    def progress(self) -> None:
        """Note that records were applied or a message was judged again."""
        self._moved_at = self._clock()
        self._behind_since = None

    def hold(self, cause: Cause, detail: str = "", by: object = None) -> None:
        """Hold the gate closed; held twice for a cause counts once.

        Where several may hold it for one cause, each says *by* whom it is held.
        """
        now = self._clock()
        self._holders[cause].add(by)
        known = self._holds.get(cause)
        if known is None:
            log.warning("the gate is held (%s): %s", cause, detail)
        self._holds[cause] = Hold(known.since if known else now, detail)
        self._counted_to.setdefault(cause, now)

    def release(self, cause: Cause, by: object = None) -> None:
        """End the hold for *cause*, if there is one and nobody but *by* holds it."""
        self._count_held()
        self._holders[cause].discard(by)
        held = None if self._holders[cause] else self._holds.pop(cause, None)
        if held is not None:
            del self._counted_to[cause]
            log.warning("no longer held (%s), after %.1f s", cause, self._clock() - held.since)

    def assigned(self, partitions: int | None) -> None:
        """Note how many partitions are owned; None: not known yet, or being redistributed."""
        if partitions != self._partitions:
            self._partitions = partitions
            self.progress()

    def ledger_trusted(self, trusted: bool) -> None:  # noqa: FBT001
        """Note whether the ledger answers and is known to have lost nothing."""
        self._trusted = trusted

    def policy_loaded(self, revision: str) -> None:
        """Note the policy in force; an earlier refusal is settled."""
        self._revision, self._refused = revision, None
        self._metrics.set_policy(revision)

    def policy_refused(self, revision: str, detail: str) -> None:
        """Note that a policy was refused; one that is in force stays, and the worker ready."""
        self._refused = detail
        self._metrics.set_policy(self._revision, revision)

    def reasons(self) -> list[Reason]:
        """Say why the worker does not judge now; empty: it is ready."""
        found: list[Reason] = []
        if self._revision is None:
            found.append({"cause": "policy", "detail": self._refused or "no policy is loaded yet"})
        if not self._trusted and "ledger" not in self._holds:
            found.append({"cause": "ledger", "detail": "the ledger is not known to be complete"})
        now = self._clock()
        for cause, held in self._holds.items():
            length = f"held for {now - held.since:.0f} s"
            found.append({"cause": cause, "detail": f"{held.detail}, {length}".lstrip(", ")})
        if self._partitions is None:
            found.append({"cause": "assignment", "detail": "no partitions are assigned yet"})
        return found

    def policy(self) -> dict[str, str | None]:
        """Name the policy in force, and what is wrong with a changed one that was refused."""
        return {"revision": self._revision, "refused": self._refused}

    def stuck(self) -> Reason | None:
        """Say why the worker should be restarted, None while it works or has nothing to do."""
        lag = self._watch()
        if self._behind_since is None:
            return None
        idle = self._clock() - max(self._behind_since, self._moved_at)
        if idle <= STUCK_AFTER:
            return None
        detail = f"{lag} records behind and none applied for {idle:.0f} s"
        return {"cause": "progress", "detail": detail}

    def settle(self) -> None:
        """Bring the metrics up to now; called every second and before a scrape."""
        self._count_held()
        self._metrics.ready.set(not self.reasons())
        self._metrics.live.set(self.stuck() is None)
        self._metrics.trusted.set(self._trusted)

    def _watch(self) -> int:
        """Note since when there is something to do and nothing that excuses from doing it."""
        excused = self.excused or not self._partitions
        lag = 0 if excused else self._lag()
        if lag <= 0:
            self._behind_since = None
        elif self._behind_since is None:
            self._behind_since = self._clock()
        return lag

    def _count_held(self) -> None:
        now = self._clock()
        for cause in CAUSES:
            if cause in self._holds:
                spent = now - self._counted_to[cause]
                self._metrics.held_closed_seconds.labels(cause).inc(max(0.0, spent))
                self._counted_to[cause] = now
