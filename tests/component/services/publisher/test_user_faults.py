"""What only the job's owner can mend ends the job at once, names the secret, and shows its value nowhere."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from schemas import store_keys
from tests.component.services.common.registry.fake_registry import PASSWORD, FakeRegistry, Fault, running
from tests.component.services.publisher.harness import Bench, make_bench
from tests.component.services.publisher.jobs import to_image, trained_job, write_secret

WRONG = "wrong-yet-still-a-secret"


@pytest.fixture
async def registry() -> AsyncIterator[FakeRegistry]:
    async with running(FakeRegistry(auth="bearer")) as made:
        yield made


async def ended(bench: Bench, reference: str, secret: str = "push-secret") -> dict[str, object]:
    record = await trained_job(bench.store, to_image(reference, secret))
    await bench.publisher().publish(record.job_id, 1)
    assert bench.types()[-1] == "job.failed"
    assert await bench.store.exists(store_keys.adapter_manifest(record.job_id))
    return dict(bench.last())


async def test_a_wrong_secret(tmp_path: Path, registry: FakeRegistry, capfd: pytest.CaptureFixture[str]) -> None:
    bench = make_bench(tmp_path, insecure_registries=registry.address)
    write_secret(bench.settings.secrets_dir, registry.address, password=WRONG)
    data = await ended(bench, f"{registry.address}/team/a:v1")
    assert (data["reason"], data["retryable"]) == ("PushUnauthorized", False)
    assert "'push-secret'" in str(data["message"])
    assert "HTTP 401" in str(data["message"])
    assert "the same request publishes it without training again" in str(data["message"])
    said = capfd.readouterr()
    stored = b"".join([await bench.store.get(key) or b"" for key in await bench.store.list("jobs/")])
    for place in (str(bench.sent), said.out, said.err, stored.decode(errors="replace")):
        assert WRONG not in place
    # Two layers begin side by side; neither is tried again.
    assert sum(line.startswith("GET /token") for line in registry.log) <= 2


async def test_a_secret_that_is_not_there(tmp_path: Path, registry: FakeRegistry) -> None:
    bench = make_bench(tmp_path, insecure_registries=registry.address)
    data = await ended(bench, f"{registry.address}/team/a:v1", "absent")
    assert data["reason"] == "SecretMissing"
    assert "'absent'" in str(data["message"])
    assert registry.log == []


@pytest.mark.parametrize("name", ["../push-secret", "a/b", ".", ""])
async def test_a_secret_s_name_leads_nowhere_else(tmp_path: Path, registry: FakeRegistry, name: str) -> None:
    bench = make_bench(tmp_path, insecure_registries=registry.address)
    write_secret(bench.settings.secrets_dir.parent, registry.address)
    data = await ended(bench, f"{registry.address}/team/a:v1", name)
    assert data["reason"] == "SecretMissing"


@pytest.mark.parametrize("auth", ["basic", "bearer"])
@pytest.mark.parametrize(
    ("config", "told"),
    [
        ({"auths": {"registry.example": {"auth": "dTpw"}}}, "; without one nobody may push"),
        ({"auths": {"{registry}": {}}, "credsStore": "desktop"}, ", only the name of a credential helper"),
        ({"credHelpers": {"{registry}": "ecr-login"}}, ", only the name of a credential helper"),
    ],
)
async def test_a_secret_without_a_credential_for_the_registry(
    tmp_path: Path, config: dict[str, object], told: str, auth: str
) -> None:
    async with running(FakeRegistry(auth=auth)) as registry:
        bench = make_bench(tmp_path, insecure_registries=registry.address)
        write_secret(bench.settings.secrets_dir, registry.address)
        file = bench.settings.secrets_dir / "push-secret" / ".dockerconfigjson"
        file.write_text(json.dumps(config).replace("{registry}", registry.address))
        data = await ended(bench, f"{registry.address}/team/a:v1")
    assert data["reason"] == "PushUnauthorized"
    assert f"secret 'push-secret' has no credential for {registry.address}{told}" in str(data["message"])
    assert "HTTP 401" in str(data["message"])


async def test_a_registry_that_nobody_knows(tmp_path: Path) -> None:
    bench = make_bench(tmp_path)
    write_secret(bench.settings.secrets_dir, "no-such-host.invalid")
    data = await ended(bench, "no-such-host.invalid/team/a:v1")
    assert (data["reason"], data["retryable"]) == ("OutputRefused", False)
    assert "no such host" in str(data["message"])


async def test_a_registry_s_no_is_told_in_its_words(tmp_path: Path, registry: FakeRegistry) -> None:
    bench = make_bench(tmp_path, insecure_registries=registry.address)
    write_secret(bench.settings.secrets_dir, registry.address, password=PASSWORD)
    answer = b'{"errors":[{"code":"TOOMANYREQUESTS","message":"the project is full"}]}'
    registry.fault = lambda _, request, __: Fault("status", 413, body=answer) if request.method == "POST" else None
    data = await ended(bench, f"{registry.address}/team/a:v1")
    assert data["reason"] == "OutputRefused"
    assert "HTTP 413 (TOOMANYREQUESTS: the project is full)" in str(data["message"])
