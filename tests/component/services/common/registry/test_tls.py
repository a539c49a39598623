"""TLS to a registry whose CA is the company's own: trusted when it is named, refused with the way out when not."""

import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from schemas.references import parse_reference
from services.common.errors import StartError
from services.common.registry.errors import RegistryRefused
from services.common.registry.repository import open_repository
from tests.component.services.publisher.harness import make_bench


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A self-signed certificate for 127.0.0.1, with its key in the same file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test registry")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path / "registry.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(made.public_bytes(serialization.Encoding.PEM) + private)
    return file


@pytest.fixture
async def address(certificate: Path) -> AsyncIterator[str]:
    async def nothing(_: web.Request) -> web.Response:
        return web.Response(status=404)

    app = web.Application()
    app.add_routes([web.route("*", "/{path:.*}", nothing)])
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    yield f"127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


async def test_a_named_authority_is_trusted(address: str, certificate: Path) -> None:
    async with open_repository(parse_reference(f"{address}/a:v1"), ca_file=certificate) as remote:
        assert await remote.resolve("v1") is None


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_an_authority_that_cannot_be_read_is_told_at_the_start(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "ca.crt"
    if content is not None:
        file.write_text(content)
    with pytest.raises(StartError, match=rf"^LORABUS_REGISTRY_CA_FILE {file}: "):
        make_bench(tmp_path, registry_ca_file=file).publisher()


async def test_an_unknown_authority_is_refused(address: str) -> None:
    async with open_repository(parse_reference(f"{address}/a:v1")) as remote:
        with pytest.raises(RegistryRefused, match=r"not trusted .*LORABUS_REGISTRY_CA_FILE"):
            await remote.resolve("v1")
