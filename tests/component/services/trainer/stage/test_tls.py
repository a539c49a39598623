"""https sources: the name in the URL is the one that is asked for and certified, whatever address it has."""

import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from schemas.failures import Reason
from schemas.workspace import ResolvedSpec
from services.common.errors import UserError
from services.common.object_store import ObjectStore
from services.trainer.stage import StagedDataset, stage
from services.trainer.stage.settings import StagingSettings
from tests.component.here import Here

UrlsSpec = Callable[..., ResolvedSpec]


@dataclass
class Server:
    """A web server with a certificate for `data.test`, and what it was asked for."""

    port: int
    certificate: Path
    names: list[str | None] = field(default_factory=list)
    hosts: list[str] = field(default_factory=list)


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    certificate, key = _certificate(tmp_path, "data.test")
    found = Server(0, certificate)

    async def answer(request: web.Request) -> web.Response:
        found.hosts.append(request.headers["Host"])
        return web.Response(text="text\nx\n")

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    context.sni_callback = lambda _, name, __: found.names.append(name)
    app = web.Application()
    app.router.add_get("/a.csv", answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    found.port = runner.addresses[0][1]
    yield found
    await runner.cleanup()


def _certificate(folder: Path, name: str) -> tuple[Path, Path]:
    """Signed by itself, so that it is its own CA."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(hours=1)).not_valid_after(now + timedelta(hours=1))
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
    signed = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    certificate, private = folder / "certificate.pem", folder / "key.pem"
    certificate.write_bytes(signed.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    form = serialization.PrivateFormat.PKCS8
    private.write_bytes(key.private_bytes(serialization.Encoding.PEM, form, plain))
    return certificate, private


async def fetch(
    spec: ResolvedSpec, store: ObjectStore, settings: StagingSettings, authority: Path | None
) -> StagedDataset:
    async def on_progress(done: int, total: int | None) -> None:
        return None

    changed = settings.model_copy(
        update={"source_allow": ("data.test", "other.test"), "source_ca_file": authority, "source_tries": 1}
    )
    return await stage(spec, store, changed, on_progress=on_progress, resolver=Here())


async def test_the_name_is_kept_in_sni_and_host_though_the_address_is_pinned(
    urls_spec: UrlsSpec, store: ObjectStore, settings: StagingSettings, server: Server
) -> None:
    spec = urls_spec(f"https://data.test:{server.port}/a.csv")
    assert len((await fetch(spec, store, settings, server.certificate)).files) == 1
    assert server.names == ["data.test"]
    assert server.hosts == [f"data.test:{server.port}"]


async def test_a_certificate_of_another_name_does_not_hold(
    urls_spec: UrlsSpec, store: ObjectStore, settings: StagingSettings, server: Server
) -> None:
    spec = urls_spec(f"https://other.test:{server.port}/a.csv")
    with pytest.raises(UserError, match="certificate") as caught:
        await fetch(spec, store, settings, server.certificate)
    assert caught.value.reason is Reason.SOURCE_REFUSED
    assert server.hosts == []


async def test_a_certificate_that_nobody_vouches_for_does_not_hold(
    urls_spec: UrlsSpec, store: ObjectStore, settings: StagingSettings, server: Server
) -> None:
    spec = urls_spec(f"https://data.test:{server.port}/a.csv")
    with pytest.raises(UserError, match="certificate") as caught:
        await fetch(spec, store, settings, None)
    assert caught.value.reason is Reason.SOURCE_REFUSED
    assert server.hosts == []
