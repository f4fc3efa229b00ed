"""Whether the ledger is whole: what is written in it about itself, and which server answers."""

from collections.abc import Mapping

import msgspec


class Trust(msgspec.Struct, frozen=True):
    """What a ledger tells of itself.

    `epoch` names it for life; None: it is empty. A worker vouches for it every second: `counter`
    then rises, `at` is that moment (ms), `offsets` what was applied of the inputs, by topic and
    partition. All of that is as old as the ledger's last write that has not been lost, so a
    ledger that was cut short tells from where to go on. `server` is the server that was vouched
    for, `running` the one that answers now: another one may have lost its last writes.
    """

    running: str
    epoch: str | None = None
    counter: int = 0
    at: int = 0
    server: str | None = None
    offsets: Mapping[str, Mapping[int, int]] = {}

    @property
    def scattered(self) -> bool:
        """Whether several servers hold the ledger, of which each may lose its own last writes."""
        return "," in self.running

    @property
    def same_server(self) -> bool:
        """Whether the server that answers is the one that was vouched for."""
        return self.server == self.running


def read_trust(stored: Mapping[bytes, bytes], running: str) -> Trust:
    """Read the fields of the record of trust."""
    fields = {name.decode(): value.decode() for name, value in stored.items()}
    if "epoch" not in fields:
        return Trust(running)
    offsets: dict[str, dict[int, int]] = {}
    for name, value in fields.items():
        if name.startswith("offset:"):
            topic, _, partition = name.removeprefix("offset:").rpartition("/")
            offsets.setdefault(topic, {})[int(partition)] = int(value)
    return Trust(
        running,
        fields["epoch"],
        int(fields.get("counter", 0)),
        int(fields.get("at", 0)),
        fields.get("server"),
        offsets,
    )


def write_trust(at: int, offsets: Mapping[str, Mapping[int, int]]) -> list[str | int]:
    """Return names and values, in turn, of what a worker says in the record of trust."""
    fields: list[str | int] = ["at", at]
    for topic, applied in offsets.items():
        for partition, offset in applied.items():
            fields += [f"offset:{topic}/{partition}", offset]
    return fields
