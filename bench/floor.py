"""`python -m bench.floor`: what each part of the way costs by itself.

Everything happens in this process, without Kafka and Redis: the rest of what a worker takes is
theirs, their clients' and Faust's.
"""

import asyncio
import gc
import sys
import time
from collections.abc import Callable
from typing import Final

import msgspec
from rich.console import Console
from rich.table import Table

from bench import load
from bench.stage import POLICY
from governor.codec.decode import decode_candidate
from governor.codec.digest import digest64
from governor.config.policy_file import load_policy
from governor.core.form import candidate_of
from governor.core.incoming import Incoming
from governor.core.resolution import Resolution
from governor.ledger.keys import Pseudonyms, Sealer, payload_keys
from governor.ledger.memory import MemoryLedger
from governor.ledger.packing import pack, unpack
from governor.ledger.protocol import Change
from governor.service import Arrivals, Governor
from governor.stream.outgoing import Writer

_CANDIDATES: Final = 6_000
_PEOPLE: Final = 20_000
_BATCH: Final = 500
_ROUNDS: Final = 10
_SENDS: Final = 8
_KEY: Final = b"k" * 32

_Record = tuple[bytes, bytes]
_Row = tuple[str, float]


def main() -> int:
    """Measure and print; ends with 0."""
    gc.disable()
    raw = load.candidates(load.people(_PEOPLE, _CANDIDATES, "floor"))
    for title, rows in (
        ("governor's own parts", _parts(raw)),
        ("of it in libraries", _libraries(raw)),
    ):
        table = Table(title, "us a candidate", caption=f"least of {_ROUNDS}, processor time")
        for part, spent in rows:
            table.add_row(part, f"{spent:.1f}")
        Console().print(table)
    return 0


def _parts(raw: list[_Record]) -> list[_Row]:
    now = time.time_ns() // 1_000_000
    policy, names = load_policy(POLICY), Pseudonyms(_KEY)
    judged: list[Resolution] = []

    def read() -> list[Incoming]:
        digests = names.digest_key
        return [decode_candidate(v, (), key, now, policy, digest_key=digests) for key, v in raw]

    incoming = read()
    keys = [names.of(one.candidate.person) for one in incoming]
    writer = Writer("", Sealer(*payload_keys(_KEY, None)))
    standing = load.standing(now, load.sends_before(now, _SENDS))

    async def judge() -> float:
        ledger = MemoryLedger()
        await ledger.commit([Change(key, 0, standing) for key in dict.fromkeys(keys)])
        governor = Governor(policy, ledger, names)
        began = time.process_time()
        judged.clear()
        for start in range(0, len(incoming), _BATCH):
            some = Arrivals(fresh=incoming[start : start + _BATCH])
            judged.extend((await governor.judge(some, now + start)).resolutions)
        return time.process_time() - began

    spent = min(asyncio.run(judge()) for _ in range(_ROUNDS))
    record = pack(standing)
    return [
        ("reading a candidate", _least(read)),
        ("judging it, the turn and the send log included", spent / _CANDIDATES * 1e6),
        ("writing decision and release", _least(lambda: writer.resolutions(judged))),
        (f"unpacking a standing of {_SENDS} sends", _least(lambda: _often(unpack, record))),
        ("packing it", _least(lambda: _often(pack, standing))),
    ]


def _libraries(raw: list[_Record]) -> list[_Row]:
    """Return what compiled code of others takes, which a quicker judgement would not spare."""
    values = [value for _, value in raw]
    parse, write = msgspec.json.Decoder().decode, msgspec.json.Encoder().encode
    objects = [parse(value) for value in values]
    names = Pseudonyms(_KEY)
    asked = [(one["person"], one["id"], 1) for one in objects]
    return [
        ("parsing the JSON", _least(lambda: [parse(value) for value in values])),
        ("holding it to its form", _least(lambda: [candidate_of(one) for one in objects])),
        ("hashing it as a JSON value", _least(lambda: [digest64(one, _KEY) for one in objects])),
        ("writing it again", _least(lambda: [write(one) for one in objects])),
        ("the decision's id", _least(lambda: [names.decision_id(*one) for one in asked])),
    ]


def _often(work: Callable[..., object], what: object) -> None:
    for _ in range(_CANDIDATES):
        work(what)


def _least(work: Callable[[], object]) -> float:
    """Return what each of so many candidates takes (us) when *work* does them all."""
    best = float("inf")
    for _ in range(_ROUNDS):
        began = time.process_time()
        work()
        best = min(best, time.process_time() - began)
    return best / _CANDIDATES * 1e6


if __name__ == "__main__":
    sys.exit(main())
