"""How to reach Kafka: one place for addresses, TLS and SASL, for aiokafka clients and FastStream alike."""

import ssl
from typing import Any

from aiokafka.errors import KafkaConnectionError

from services.common.errors import StartError, Unreachable
from services.common.kafka import broken_names  # noqa: F401  # For every consumer of this process.
from services.common.settings import Settings, text_of

REQUEST_TIMEOUT_MS = 20_000


def client_options(settings: Settings) -> dict[str, Any]:
    """Give the arguments that every aiokafka client takes."""
    options: dict[str, Any] = {
        "bootstrap_servers": settings.kafka.split(","),
        "request_timeout_ms": REQUEST_TIMEOUT_MS,
        "security_protocol": settings.kafka_security.upper(),
    }
    if settings.kafka_security.endswith("ssl"):
        options["ssl_context"] = tls_context(settings)
    if settings.kafka_security.startswith("sasl"):
        options |= {
            "sasl_mechanism": settings.kafka_sasl_mechanism,
            "sasl_plain_username": settings.kafka_username,
            "sasl_plain_password": password(settings),
        }
    return options


def tls_context(settings: Settings) -> ssl.SSLContext:
    """Verify the broker against `LORABUS_KAFKA_CA_FILE`, or the system's authorities."""
    file = settings.kafka_ca_file
    try:
        return ssl.create_default_context(cafile=str(file) if file else None)
    except OSError as error:  # Also what ssl says of a file that holds no certificate.
        raise StartError(f"LORABUS_KAFKA_CA_FILE {file}: {error.strerror or error}") from error


def password(settings: Settings) -> str:
    """Read the SASL password from its file."""
    if settings.kafka_password_file is None or settings.kafka_username is None:
        raise StartError("SASL needs LORABUS_KAFKA_USERNAME and LORABUS_KAFKA_PASSWORD_FILE")
    return text_of(settings.kafka_password_file, "LORABUS_KAFKA_PASSWORD_FILE")


def unreachable(settings: Settings, error: KafkaConnectionError) -> Unreachable:
    """Turn a client's connection failure into one line that names the address."""
    return Unreachable("Kafka", settings.kafka, str(error).splitlines()[0] if str(error) else "")
