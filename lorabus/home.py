"""Where a home's servers are: `lorabus up` records them in `<home>/run`, every other command finds them there.

What the user has set in the environment always wins.
"""

import os
from collections.abc import Mapping, MutableMapping
from pathlib import Path

from deploy.native.records import load_all

STORE_NAMES = ("LORABUS_STORE", "LORABUS_S3_ENDPOINT", "LORABUS_S3_ACCESS_KEY", "LORABUS_S3_SECRET_KEY_FILE")


def home_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """`LORABUS_HOME`, or `.lorabus` in the working directory."""
    return Path(environ.get("LORABUS_HOME") or ".lorabus").resolve()


def adopt(environ: MutableMapping[str, str] = os.environ) -> Path:
    """Complete the environment with the addresses of what was started in the home; gives the home."""
    home = home_folder(environ)
    addresses = {name: running.address for name, running in load_all(home).items()}
    found = variables(home, addresses)
    if any(environ.get(name) for name in STORE_NAMES):
        # A store of the user's own must not be asked with the local store's credentials.
        found = {name: value for name, value in found.items() if name not in STORE_NAMES}
    for name, value in found.items():
        environ[name] = environ.get(name) or value
    return home


def variables(home: Path, addresses: Mapping[str, str]) -> dict[str, str]:
    """The settings that lead to the parts of a home, given the `host:port` of those that were started."""
    found = {"LORABUS_HOME": str(home)}
    if "kafka" in addresses:
        found["LORABUS_KAFKA"] = addresses["kafka"]
    if "ingest" in addresses:
        found["LORABUS_HTTP_ADDR"] = addresses["ingest"]
    if "registry" in addresses:
        found["LORABUS_INSECURE_REGISTRIES"] = addresses["registry"]
    if "zipkin" in addresses:
        found["OTEL_TRACES_EXPORTER"] = "zipkin"
        found["OTEL_EXPORTER_ZIPKIN_ENDPOINT"] = f"http://{addresses['zipkin']}/api/v2/spans"
        found["LORABUS_TRACE_URL"] = f"http://{addresses['zipkin']}/zipkin/traces/{{trace_id}}"
    if "minio" in addresses:
        found |= _bucket(home, addresses["minio"])
    return found


def _bucket(home: Path, address: str) -> dict[str, str]:
    from deploy.native.minio import credentials  # noqa: PLC0415 - only the stack profile has a bucket.

    login = credentials(home)
    values = ("s3://lorabus", f"http://{address}", login.access_key, str(login.secret_key_file))
    return dict(zip(STORE_NAMES, values, strict=True))
