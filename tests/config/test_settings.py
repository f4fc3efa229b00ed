"""Settings are read from the environment, all that is wrong is told at once, secrets are kept."""

from __future__ import annotations

import base64
import re
import ssl
from pathlib import Path

import pytest

from governor.config.settings import Settings, SettingsInvalid, environment, variables
from governor.config.variables import Address

ROOT = Path(__file__).parents[2]
KEY = base64.b64encode(bytes(range(32))).decode()


def problems(env: dict[str, str], *required: str) -> list[str]:
    with pytest.raises(SettingsInvalid) as caught:
        Settings.load(env, required=required)
    return caught.value.problems


def test_nothing_set_gives_the_defaults_of_the_contract() -> None:
    settings = Settings.load({})
    assert settings.brokers == ("localhost:9092",)
    assert settings.redis == "redis://localhost:6379/0"
    assert settings.policy == Path("config/policy.yaml")
    assert (settings.group, settings.topic_prefix, settings.instance) == ("governor", "", None)
    assert settings.metrics == Address("0.0.0.0", 9090)
    assert settings.api == Address("127.0.0.1", 8080)
    assert (settings.clock, settings.log, settings.data) == ("wall", "info", Path("data"))
    assert settings.session_timeout == 10_000


def test_everything_can_be_set() -> None:
    settings = Settings.load(
        {
            "GOVERNOR_BROKERS": "a:9092, b:9093",
            "GOVERNOR_REDIS": "redis+cluster://u:p@r:6379",
            "GOVERNOR_TOPIC_PREFIX": "replay-",
            "GOVERNOR_INSTANCE": "governor-0",
            "GOVERNOR_METRICS": "[::1]:0",
            "GOVERNOR_API_URL": "https://x.example/",
            "GOVERNOR_PSEUDONYM_KEY": KEY,
            "GOVERNOR_PAYLOAD_KEYS": f"new:{KEY},old:{KEY}",
            "GOVERNOR_CLOCK": "record",
            "GOVERNOR_LOG": "DEBUG",
            "GOVERNOR_DEAD_LETTER_LIMIT": "0",
            "GOVERNOR_SESSION_TIMEOUT": "6s",
        },
        required={"GOVERNOR_PSEUDONYM_KEY"},
    )
    assert settings.brokers == ("a:9092", "b:9093")
    assert settings.metrics == Address("::1", 0)
    assert settings.api_url == "https://x.example"
    assert settings.pseudonym_key == bytes(range(32))
    assert [name for name, _ in settings.payload_keys] == ["new", "old"]
    assert (settings.clock, settings.log, settings.dead_letter_limit) == ("record", "debug", 0)
    assert settings.session_timeout == 6_000


def test_an_empty_variable_counts_as_not_set() -> None:
    settings = Settings.load({"GOVERNOR_GROUP": "", "GOVERNOR_INSTANCE": " "})
    assert (settings.group, settings.instance) == ("governor", None)


def test_a_missing_required_one_is_named_with_what_to_do() -> None:
    (problem,) = problems({}, "GOVERNOR_PSEUDONYM_KEY")
    assert problem.startswith("GOVERNOR_PSEUDONYM_KEY: is missing")
    assert "openssl rand -base64 32" in problem


WRONG = [
    ("GOVERNOR_BROKERS", "kafka://a:1"),
    ("GOVERNOR_BROKERS", "a:99999"),
    ("GOVERNOR_BROKERS", ","),
    ("GOVERNOR_REDIS", "http://r"),
    ("GOVERNOR_TOPIC_PREFIX", "a b"),
    ("GOVERNOR_INSTANCE", "a/b"),
    ("GOVERNOR_METRICS", "localhost"),
    ("GOVERNOR_API", "8080"),
    ("GOVERNOR_API_URL", "x.example"),
    ("GOVERNOR_PSEUDONYM_KEY", "c2hvcnQ="),
    ("GOVERNOR_PSEUDONYM_KEY", "no base64"),
    ("GOVERNOR_PAYLOAD_KEYS", KEY),
    ("GOVERNOR_PAYLOAD_KEYS", f"a:{KEY},a:{KEY}"),
    ("GOVERNOR_CLOCK", "sundial"),
    ("GOVERNOR_LOG", "loud"),
    ("GOVERNOR_MAX_BYTES", "1 MiB"),
    ("GOVERNOR_MAX_BYTES", "0"),
    ("GOVERNOR_DEAD_LETTER_LIMIT", "-1"),
    ("GOVERNOR_SESSION_TIMEOUT", "10"),
    ("GOVERNOR_SESSION_TIMEOUT", "0s"),
    ("GOVERNOR_KAFKA_SECURITY_PROTOCOL", "TLS"),
    ("GOVERNOR_KAFKA_SSL_CAFILE", "/there/is/none"),
    ("GOVERNOR_KAFKA_SSL_CA", "/misspelt"),
    ("GOVERNOR_TOPIC_PREFX", "misspelt"),
]


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_a_malformed_one_is_named(name: str, value: str) -> None:
    assert any(problem.startswith(f"{name}: ") for problem in problems({name: value}))


def test_all_that_is_wrong_is_told_at_once() -> None:
    env = dict(reversed(WRONG))
    named = {problem.partition(":")[0] for problem in problems(env)}
    assert named >= set(env)


def test_the_record_clock_needs_a_prefix_so_that_no_sender_hears_a_replay() -> None:
    (problem,) = problems({"GOVERNOR_CLOCK": "record"})
    assert problem.startswith("GOVERNOR_CLOCK: ")
    assert "GOVERNOR_TOPIC_PREFIX" in problem
    prefixed = {"GOVERNOR_CLOCK": "record", "GOVERNOR_TOPIC_PREFIX": "r-"}
    assert Settings.load(prefixed).clock == "record"


def test_a_secret_may_stand_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(KEY + "\n")
    name = "GOVERNOR_PSEUDONYM_KEY_FILE"
    settings = Settings.load({name: str(file)}, required={"GOVERNOR_PSEUDONYM_KEY"})
    assert settings.pseudonym_key == bytes(range(32))
    gone = problems({name: str(tmp_path / "none")})
    assert gone == [f"{name}: cannot read `{tmp_path / 'none'}`: no such file or directory"]
    both = problems({name: str(file), "GOVERNOR_PSEUDONYM_KEY": KEY})
    assert both[0].startswith("GOVERNOR_PSEUDONYM_KEY: is set, and so is")


def test_what_is_no_secret_is_not_read_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "group"
    file.write_text("other")
    settings = Settings.load({"GOVERNOR_GROUP_FILE": str(file)})
    assert settings.group == "governor"
    assert settings.notes == ("GOVERNOR_GROUP_FILE: is not known and not used",)


@pytest.mark.parametrize("name", [name for name, secret in variables().items() if secret])
def test_no_secret_is_shown_neither_well_nor_malformed(name: str) -> None:
    told = "tell-nobody"
    shown = repr(problems({name: told})) if "KEY" in name or "REDIS" in name else ""
    good = {
        "GOVERNOR_REDIS": f"redis://:{told}@host/0",
        "GOVERNOR_KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
        "GOVERNOR_KAFKA_SASL_PLAIN_USERNAME": "me",
        "GOVERNOR_KAFKA_SASL_PLAIN_PASSWORD": told,
        "GOVERNOR_KAFKA_SSL_PASSWORD": told,
        "GOVERNOR_PSEUDONYM_KEY": KEY,
    }
    settings = Settings.load(good)
    shown += f"{settings!r} {settings} {settings.kafka}"
    assert told not in shown
    assert "\\x01\\x02" not in shown


def test_a_password_without_sasl_is_a_defect_and_sasl_without_a_password_too() -> None:
    (first,) = problems({"GOVERNOR_KAFKA_SASL_PLAIN_PASSWORD": "x"})
    assert first.startswith("GOVERNOR_KAFKA_SECURITY_PROTOCOL: is `PLAINTEXT`")
    named = problems({"GOVERNOR_KAFKA_SECURITY_PROTOCOL": "sasl_ssl"})
    assert [problem.partition(":")[0] for problem in named] == [
        "GOVERNOR_KAFKA_SASL_PLAIN_PASSWORD",
        "GOVERNOR_KAFKA_SASL_PLAIN_USERNAME",
    ]


def test_the_client_gets_its_options_by_its_own_names() -> None:
    plain = Settings.load({}).kafka.client_options()
    assert plain == {"security_protocol": "PLAINTEXT"}
    options = Settings.load(
        {
            "GOVERNOR_KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
            "GOVERNOR_KAFKA_SASL_MECHANISM": "scram-sha-512",
            "GOVERNOR_KAFKA_SASL_PLAIN_USERNAME": "me",
            "GOVERNOR_KAFKA_SASL_PLAIN_PASSWORD": "secret",
        }
    ).kafka.client_options()
    context = options.pop("ssl_context")
    assert isinstance(context, ssl.SSLContext)
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert options == {
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": "me",
        "sasl_plain_password": "secret",
    }


def test_what_kubernetes_sets_for_a_service_is_only_noted() -> None:
    settings = Settings.load(
        {
            "GOVERNOR_PORT": "tcp://10.0.0.1:9090",
            "GOVERNOR_KAFKA_SERVICE_HOST": "10.0.0.2",
            "GOVERNOR_KAFKA_PORT_9092_TCP_ADDR": "10.0.0.2",
            "GOVERNOR_CACHE": "/somewhere",
            "PATH": "/bin",
        }
    )
    assert [note.partition(":")[0] for note in settings.notes] == [
        "GOVERNOR_KAFKA_PORT_9092_TCP_ADDR",
        "GOVERNOR_KAFKA_SERVICE_HOST",
        "GOVERNOR_PORT",
    ]


def test_the_environment_goes_before_the_env_file(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(
        f"# keys\nGOVERNOR_GROUP=file\nGOVERNOR_LOG='debug'\nGOVERNOR_PSEUDONYM_KEY={KEY}\n"
    )
    env = environment(
        {"GOVERNOR_GROUP": "own", "GOVERNOR_LOG": "", "GOVERNOR_PSEUDONYM_KEY_FILE": "/k"}, tmp_path
    )
    assert (env["GOVERNOR_GROUP"], env["GOVERNOR_LOG"]) == ("own", "debug")
    assert "GOVERNOR_PSEUDONYM_KEY" not in env
    assert environment({"A": "b"}, tmp_path / "none") == {"A": "b"}


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Settings.load({}).group = "other"  # type: ignore[misc]


@pytest.mark.parametrize("file", [".env.example", "docs/operations.md"])
def test_every_variable_is_explained_and_nothing_else(file: str) -> None:
    named = re.compile(r"^(?:\| `)?(GOVERNOR_[A-Z_]+)", re.MULTILINE)
    found = set(named.findall((ROOT / file).read_text()))
    assert found == set(variables())


def test_the_example_file_is_complete_but_for_its_key(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text((ROOT / ".env.example").read_text())
    env = environment({}, tmp_path)
    (problem,) = problems(env, "GOVERNOR_PSEUDONYM_KEY")
    assert problem.startswith("GOVERNOR_PSEUDONYM_KEY: is missing")
    assert Settings.load({**env, "GOVERNOR_PSEUDONYM_KEY": KEY}).kafka == Settings.load({}).kafka
