"""A real MinIO on loopback: data and its random credentials under `<home>/minio`."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from deploy.native.go_tools import tool
from deploy.native.part import Site
from deploy.native.process import PartSpec, base_env
from deploy.native.secret_file import kept

PORT = 9000


@dataclass(frozen=True)
class Credentials:
    """What a client needs; the secret also stands alone in a file, for `LORABUS_S3_SECRET_KEY_FILE`."""

    access_key: str
    secret_key: str
    secret_key_file: Path


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


def create_bucket(address: str, login: Credentials, bucket: str) -> None:
    """Create the bucket; one that this user owns already is fine."""
    asyncio.run(_create_bucket(address, login, bucket))


async def _create_bucket(address: str, login: Credentials, bucket: str) -> None:
    import aiohttp  # noqa: PLC0415
    import obstore  # noqa: PLC0415
    from obstore.store import S3Store  # noqa: PLC0415

    store = S3Store(
        bucket,
        endpoint=f"http://{address}",
        access_key_id=login.access_key,
        secret_access_key=login.secret_key,
        region="us-east-1",
        client_options={"allow_http": True},
    )
    # The store can only sign a URL for the bucket; a PUT on it is S3's CreateBucket.
    url = await obstore.sign_async(store, "PUT", "", timedelta(minutes=1))
    async with aiohttp.ClientSession() as session, session.put(url) as response:
        if response.status != 409:
            response.raise_for_status()
