"""What ops set in the environment: where governor finds its services, and its keys."""

import difflib
import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, Self

from dotenv import dotenv_values
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from governor.config.kafka import Kafka, kafka_flaws
from governor.config.variables import (
    Address,
    Brokers,
    Clock,
    Count,
    Key,
    Keys,
    Level,
    Listen,
    Milliseconds,
    Name,
    Positive,
    Prefix,
    RedisUrl,
    Url,
)
from governor.core.instant import SECOND

_PREFIX = "GOVERNOR_"
_FILE = "_FILE"
# Read by the tests and the demo themselves.
_ELSEWHERE = frozenset({"GOVERNOR_CACHE"})
# What Kubernetes sets in every pod for a service with such a name.
_SERVICE_LINK = re.compile(r"_(SERVICE_(HOST|PORT)|PORT)(_|$)")


class SettingsInvalid(Exception):
    """Settings that cannot be used; every problem has the variable's name first."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__("\n".join(problems))


class Settings(BaseModel):
    """The settings of a command; a field is set by GOVERNOR_ and its name, durations are in ms.

    What is left out of `repr` is a secret and may also be given as the name of a file.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    brokers: Brokers = Field(
        default=("localhost:9092",), description="Kafka's bootstrap servers, with commas between"
    )
    redis: RedisUrl = Field(
        default="redis://localhost:6379/0",
        repr=False,
        description="the ledger: `redis://`, `rediss://` (TLS), `redis+cluster://`, "
        "`redis+sentinel://`",
    )
    policy: Path = Field(default=Path("config/policy.yaml"), description="a file or a folder")
    group: Name = Field(default="governor", description="the consumer group of all workers")
    topic_prefix: Prefix = Field(default="", description="goes in front of every topic")
    instance: Name | None = Field(
        default=None,
        description="a stable name of this worker: a restart under it gets its partitions back",
    )
    metrics: Listen = Field(
        default=Address("0.0.0.0", 9090),  # noqa: S104
        description="where metrics and health listen",
    )
    api: Listen = Field(
        default=Address("127.0.0.1", 8080), description="where `governor api` listens"
    )
    api_url: Url | None = Field(
        default=None, description="public address of `governor api`, for links in messages"
    )
    pseudonym_key: Key | None = Field(
        default=None, repr=False, description="keys the pseudonyms of people: 32 bytes in base64"
    )
    payload_keys: Keys = Field(
        default=(),
        repr=False,
        description="encrypt what waits, as `id:key,id:key`, the first one from now on; default: "
        "one derived from the pseudonym key",
    )
    clock: Clock = Field(
        default="wall",
        description="`record`: a replay, now is the record's time; needs a topic prefix",
    )
    data: Path = Field(default=Path("data"), description="a folder that the worker may write to")
    log: Level = Field(default="info", description="`debug`, `info`, `warning` or `error`")
    max_bytes: Positive = Field(
        default=1_048_576, description="a larger record is not judged: dead letter `oversized`"
    )
    dead_letter_limit: Count = Field(
        default=10_000,
        description="so many bad records in a row, and none good, stop the worker; `0`: never",
    )
    session_timeout: Milliseconds = Field(
        default=10 * SECOND, description="a worker unheard of for so long loses its partitions"
    )
    kafka: Kafka = Field(default=Kafka(), description="options of the Kafka client")
    notes: tuple[str, ...] = Field(
        default=(), description="what is odd and no defect, to be logged; no variable"
    )

    @classmethod
    def load(cls, env: Mapping[str, str], required: Collection[str] = ()) -> Self:
        """Read the settings from *env*; SettingsInvalid tells everything that is wrong at once.

        *required* are the variables that the command cannot do without. An empty variable counts
        as not set.
        """
        problems: list[str] = []
        raw: dict[str, Any] = {}
        for variable, secret in variables().items():
            given = _given(env, variable, secret, problems)
            if given is None:
                if variable in required:
                    problems.append(f"{variable}: is missing, set it{_or_file(variable, secret)}")
                continue
            name = variable.removeprefix(_PREFIX).lower()
            inner = name.removeprefix("kafka_")
            (raw if inner == name else raw.setdefault("kafka", {}))[inner] = given
        problems += _between(raw)
        odd, notes = _unknown(env)
        problems += odd
        try:
            made = cls.model_validate({**raw, "notes": notes})
        except ValidationError as error:
            problems += [_problem(detail) for detail in error.errors(include_url=False)]
            raise SettingsInvalid(sorted(set(problems))) from None
        if problems:
            raise SettingsInvalid(sorted(set(problems)))
        return made


def variables() -> dict[str, bool]:
    """Name every variable, and whether it is a secret that may also come from a file."""
    own = {name: field for name, field in Settings.model_fields.items() if name != "notes"}
    del own["kafka"]
    named = {f"{_PREFIX}{name.upper()}": not field.repr for name, field in own.items()}
    for name, field in Kafka.model_fields.items():
        named[f"{_PREFIX}KAFKA_{name.upper()}"] = not field.repr
    return named


def environment(environ: Mapping[str, str], folder: Path) -> dict[str, str]:
    """Add what the `.env` file in *folder* says to *environ*, which goes before it."""
    env = dict(environ)
    for name, value in dotenv_values(folder / ".env", interpolate=False).items():
        twin = name.removesuffix(_FILE) if name.endswith(_FILE) else name + _FILE
        if value is not None and not environ.get(name) and not environ.get(twin):
            env[name] = value
    return env


def _given(
    env: Mapping[str, str],
    variable: str,
    secret: bool,  # noqa: FBT001
    problems: list[str],
) -> str | None:
    value = env.get(variable, "").strip()
    file = env.get(variable + _FILE, "").strip() if secret else ""
    if value and file:
        problems.append(f"{variable}: is set, and so is `{variable}{_FILE}`, keep one of them")
    if value or not file:
        return value or None
    try:
        return Path(file).read_text(encoding="utf-8").strip() or None
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is no text"
        problems.append(f"{variable}{_FILE}: cannot read `{file}`: {why.lower()}")
        return None


def _or_file(variable: str, secret: bool) -> str:  # noqa: FBT001
    makes = " (make one with `openssl rand -base64 32`)" if variable.endswith("_KEY") else ""
    return f" or `{variable}{_FILE}`{makes}" if secret else ""


def _between(raw: Mapping[str, Any]) -> Iterator[str]:
    """Name what the settings say against each other."""
    if raw.get("clock", "").lower() == "record" and not raw.get("topic_prefix"):
        yield (
            "GOVERNOR_CLOCK: `record` needs `GOVERNOR_TOPIC_PREFIX`, so that a replay never "
            "reaches the senders"
        )
    for name, flaw in kafka_flaws(raw.get("kafka", {})):
        yield f"{_PREFIX}KAFKA_{name.upper()}: {flaw}"


def _unknown(env: Mapping[str, str]) -> tuple[list[str], tuple[str, ...]]:
    """Sort variables that are not known into problems (a name is near) and notes (all others)."""
    known = variables()
    named = {*known, *(name + _FILE for name, secret in known.items() if secret), *_ELSEWHERE}
    problems, notes = [], []
    for name in sorted(set(env) - named):
        if not name.startswith(_PREFIX):
            continue
        option = name.startswith(_PREFIX + "KAFKA_") and not _SERVICE_LINK.search(name)
        near = difflib.get_close_matches(name, named, n=1, cutoff=0.6 if option else 0.9)
        if near:
            problems.append(f"{name}: is not known, did you mean `{near[0]}`?")
        else:
            notes.append(f"{name}: is not known and not used")
    return problems, tuple(notes)


def _problem(detail: Any) -> str:
    name = _PREFIX + "_".join(str(part) for part in detail["loc"]).upper()
    context = detail.get("ctx", {})
    words = str(context["error"]) if "error" in context else detail["msg"]
    if detail["type"] == "literal_error":
        words = f"is none of {context['expected'].replace(chr(39), '`')}"
    return f"{name}: {words}"
