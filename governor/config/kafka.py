"""How to reach a Kafka that asks for TLS or a password, by the Kafka client's own option names."""

import ssl
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

_PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
_MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")


def _protocol(written: str) -> str:
    if written.upper() not in _PROTOCOLS:
        raise ValueError(f"`{written}` is none of {', '.join(_PROTOCOLS)}")
    return written.upper()


def _mechanism(written: str) -> str:
    if written.upper() not in _MECHANISMS:
        raise ValueError(f"`{written}` is none of {', '.join(_MECHANISMS)}")
    return written.upper()


def _file(written: str) -> str:
    if not Path(written).is_file():
        raise ValueError(f"there is no file `{written}`")
    return written


Readable = Annotated[str, AfterValidator(_file)]


class Kafka(BaseModel):
    """The options of the Kafka client that are set as GOVERNOR_KAFKA_ and their name."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    security_protocol: Annotated[str, AfterValidator(_protocol)] = Field(
        default="PLAINTEXT",
        description="`PLAINTEXT`, `SSL`, `SASL_PLAINTEXT` or `SASL_SSL`",
    )
    sasl_mechanism: Annotated[str, AfterValidator(_mechanism)] = Field(
        default="PLAIN", description="`PLAIN`, `SCRAM-SHA-256` or `SCRAM-SHA-512`"
    )
    sasl_plain_username: str | None = Field(default=None, description="name for SASL")
    sasl_plain_password: str | None = Field(
        default=None, repr=False, description="password for SASL"
    )
    ssl_cafile: Readable | None = Field(
        default=None, description="certificates to trust (PEM); default: those of the system"
    )
    ssl_certfile: Readable | None = Field(
        default=None, description="own certificate (PEM), where the broker asks for one"
    )
    ssl_keyfile: Readable | None = Field(
        default=None, description="key of the own certificate (PEM)"
    )
    ssl_password: str | None = Field(
        default=None, repr=False, description="password of that key file"
    )

    def client_options(self) -> dict[str, Any]:
        """Return the options for the client; ssl.SSLError or OSError for unusable files."""
        options: dict[str, Any] = {"security_protocol": self.security_protocol}
        if self.security_protocol.endswith("SSL"):
            context = ssl.create_default_context(cafile=self.ssl_cafile)
            if self.ssl_certfile is not None:
                context.load_cert_chain(self.ssl_certfile, self.ssl_keyfile, self.ssl_password)
            options["ssl_context"] = context
        if self.security_protocol.startswith("SASL"):
            options["sasl_mechanism"] = self.sasl_mechanism
            options["sasl_plain_username"] = self.sasl_plain_username
            options["sasl_plain_password"] = self.sasl_plain_password
        return options


def kafka_flaws(given: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Name what the options say against each other: the option and what is wrong."""
    protocol = given.get("security_protocol", "PLAINTEXT").upper()
    if protocol.startswith("SASL"):
        for name in ("sasl_plain_username", "sasl_plain_password"):
            if name not in given:
                yield name, f"is missing, `{protocol}` needs it"
    elif any(name.startswith("sasl_") for name in given):
        yield "security_protocol", f"is `{protocol}`, SASL needs `SASL_SSL` or `SASL_PLAINTEXT`"
    if not protocol.endswith("SSL") and any(name.startswith("ssl_") for name in given):
        yield "security_protocol", f"is `{protocol}`, certificates need `SSL` or `SASL_SSL`"
    if "ssl_keyfile" in given and "ssl_certfile" not in given:
        yield "ssl_certfile", "is missing, `GOVERNOR_KAFKA_SSL_KEYFILE` is the key of it"
