"""A real MinIO on loopback: data and its random credentials under `<home>/minio`."""

from contextlib import closing
from dataclasses import dataclass, field
from datetime import timedelta
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import stamina

from deploy.native.go_tools import tool
from deploy.native.part import Site
from deploy.native.process import PartSpec, base_env
from deploy.native.secret_file import kept

PORT = 9000


class BucketError(Exception):
    """A bucket could not be created."""


@dataclass(frozen=True)
class Credentials:
    """What a client needs; the secret also stands alone in a file, for `LORABUS_S3_SECRET_KEY_FILE`."""

    access_key: str
    secret_key: str = field(repr=False)
    secret_key_file: Path


@dataclass(frozen=True)
class Server:
    """A running MinIO at `host:port`, plain HTTP."""

    address: str
    login: Credentials

    @property
    def endpoint(self) -> str:
        """For `LORABUS_S3_ENDPOINT`."""
        return f"http://{self.address}"

    def create_bucket(self, bucket: str) -> None:
        """Create the bucket; one that this user owns already is fine."""
        import obstore  # noqa: PLC0415
        from obstore.store import S3Store  # noqa: PLC0415

        store = S3Store(
            bucket,
            endpoint=self.endpoint,
            access_key_id=self.login.access_key,
            secret_access_key=self.login.secret_key,
            region="us-east-1",
            client_options={"allow_http": True},
        )
        # The store can only sign a URL for the bucket; a PUT on it is S3's CreateBucket.
        signed = urlsplit(obstore.sign(store, "PUT", "", timedelta(minutes=5)))
        # A server that has only just come up may still say that it is not initialised.
        for attempt in stamina.retry_context(on=BucketError, attempts=None, timeout=30, wait_max=1):
            with attempt:
                self._put(f"{signed.path}?{signed.query}", bucket)

    def _put(self, target: str, bucket: str) -> None:
        connection = HTTPConnection(self.address, timeout=10)
        with closing(connection):
            connection.request("PUT", target)
            response = connection.getresponse()
            if response.status not in (200, 409):
                raise BucketError(
                    f"MinIO at {self.address} does not create the bucket {bucket}: {response.read(500)!r}"
                )


def prepare(site: Site) -> PartSpec:
    """Build MinIO once, make its credentials once."""
    folder, login = site.folder("minio"), credentials(site.home)
    address = f"127.0.0.1:{site.port(PORT)}"
    env = {
        **base_env(),
        "MINIO_ROOT_USER": login.access_key,
        "MINIO_ROOT_PASSWORD": login.secret_key,
        "MINIO_BROWSER": "off",
        "MINIO_UPDATE": "off",
    }
    command = (str(tool("minio", site.say)), "server", "--quiet", "--address", address)
    folders = ("--certs-dir", str(folder / "certs"), str(folder / "data"))
    return PartSpec("minio", (*command, *folders), env, address, f"http://{address}/minio/health/ready")


def credentials(home: Path) -> Credentials:
    """The home's credentials, random and made on first use."""
    folder = home / "minio"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    secret = folder / "secret-key"
    return Credentials(kept(folder / "access-key", 10), kept(secret), secret)
