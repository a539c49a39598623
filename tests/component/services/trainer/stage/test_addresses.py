"""What a URL may reach: the name server is ours and lies, the servers are real."""

import socket
from collections.abc import Awaitable, Callable, Iterator

import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult

from schemas.failures import Reason
from schemas.workspace import ResolvedSpec
from services.common.errors import JobError
from services.common.object_store import ObjectStore
from services.trainer.stage import stage
from services.trainer.stage.settings import StagingSettings

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Serve = Callable[[Handler], Awaitable[str]]
UrlsSpec = Callable[..., ResolvedSpec]


class Names(AbstractResolver):
    """Each name has a list of answers, given one after the other; the last stays."""

    def __init__(self, **answers: list[str]) -> None:
        self._answers: dict[str, Iterator[str]] = {
            name.replace("_", "."): iter([*addresses, *([addresses[-1]] * 99)]) for name, addresses in answers.items()
        }

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        if host not in self._answers:
            raise OSError(None, "no such name")
        address = next(self._answers[host])
        return [ResolveResult(hostname=host, host=address, port=port, family=socket.AF_INET, proto=0, flags=0)]

    async def close(self) -> None:
        return None


async def silent(done: int, total: int | None) -> None:
    return None


async def refused(
    spec: ResolvedSpec, store: ObjectStore, settings: StagingSettings, names: Names, *allow: str
) -> JobError:
    changed = settings.model_copy(update={"source_allow": allow})
    with pytest.raises(JobError) as caught:
        await stage(spec, store, changed, on_progress=silent, resolver=names)
    assert caught.value.reason is Reason.SOURCE_REFUSED
    return caught.value


async def never(request: web.Request) -> web.Response:
    raise AssertionError("the server inside was reached")


async def test_a_public_name_with_a_private_address_is_not_connected_to(
    urls_spec: UrlsSpec, store: ObjectStore, settings: StagingSettings, serve: Serve
) -> None:
    port = (await serve(never)).rpartition(":")[2]
    fault = await refused(urls_spec(f"http://data.test:{port}/a.csv"), store, settings, Names(data_test=["127.0.0.1"]))
    assert "data.test leads to" in fault.message
    assert "LORABUS_SOURCE_ALLOW" in fault.message


@pytest.mark.parametrize(
    "target",
    [
        "http://169.254.169.254/latest/meta-data/",
        "http://2852039166/",
        "http://0x7f.1/",
        "http://localhost/x",
        "http://metadata.google.internal/",
        "http://[::ffff:127.0.0.1]/",
        "http://user:secret@data.test/x",
        "ftp://data.test/x",
        "file:///etc/passwd",
        "//169.254.169.254/x",
    ],
)
async def test_a_redirect_is_judged_like_the_first_url(
    urls_spec: UrlsSpec, store: ObjectStore, settings: StagingSettings, serve: Serve, target: str
) -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": target})

    address = (await serve(answer)).replace("127.0.0.1", "data.test")
    fault = await refused(
        urls_spec(f"{address}/a.csv"), store, settings, Names(data_test=["127.0.0.1"]), address.partition("//")[2]
    )
    assert "redirected to" in fault.message
    assert "secret" not in fault.message


async def test_a_redirect_to_a_name_inside_is_judged_by_its_address(
    urls_spec: UrlsSpec, store: ObjectStore, settings: StagingSettings, serve: Serve
) -> None:
    inside = (await serve(never)).replace("127.0.0.1", "inside.test")

    async def answer(request: web.Request) -> web.Response:
        return web.Response(status=307, headers={"Location": f"{inside}/secret"})

    address = (await serve(answer)).replace("127.0.0.1", "data.test")
    names = Names(data_test=["127.0.0.1"], inside_test=["127.0.0.1"])
    fault = await refused(urls_spec(f"{address}/a.csv"), store, settings, names, address.partition("//")[2])
    assert "inside.test leads to" in fault.message


async def test_a_name_that_turns_inward_between_two_connections_is_refused_at_the_second(
    urls_spec: UrlsSpec, store: ObjectStore, settings: StagingSettings, serve: Serve
) -> None:
    """Rebinding: the first answer is public and does not listen, the second is where the attack wants to go."""
    port = (await serve(never)).rpartition(":")[2]
    names = Names(data_test=["192.0.0.0", "127.0.0.1"])
    fault = await refused(urls_spec(f"http://data.test:{port}/a.csv"), store, settings, names)
    assert fault.reason is Reason.SOURCE_REFUSED


async def test_more_than_five_redirects_are_too_many(
    urls_spec: UrlsSpec, store: ObjectStore, settings: StagingSettings, serve: Serve
) -> None:
    seen = []

    async def answer(request: web.Request) -> web.Response:
        seen.append(request.path)
        return web.Response(status=301, headers={"Location": f"{request.path}x"})

    address = await serve(answer)
    fault = await refused(urls_spec(f"{address}/a"), store, settings, Names(), "127.0.0.1")
    assert "more than 5 times" in fault.message
    assert len(seen) == 6


async def test_redirects_across_hosts_carry_no_authority_and_keep_the_host_header(
    urls_spec: UrlsSpec, store: ObjectStore, settings: StagingSettings, serve: Serve
) -> None:
    seen: list[dict[str, str]] = []

    async def second(request: web.Request) -> web.Response:
        seen.append(dict(request.headers))
        return web.Response(text="a,b\n1,2\n")

    target = (await serve(second)).replace("127.0.0.1", "cdn.test")

    async def first(request: web.Request) -> web.Response:
        headers = {"Location": f"{target}/blob?sig=1%2F2", "Set-Cookie": "session=1"}
        return web.Response(status=302, headers=headers)

    address = (await serve(first)).replace("127.0.0.1", "data.test")
    names = Names(data_test=["127.0.0.1"], cdn_test=["127.0.0.1"])
    changed = settings.model_copy(update={"source_allow": ("data.test", "cdn.test")})
    dataset = await stage(urls_spec(f"{address}/a.csv"), store, changed, on_progress=silent, resolver=names)
    assert dataset.files[0].name == "a.csv"
    assert seen[0]["Host"] == target.partition("//")[2]
    assert not {"Authorization", "Cookie"} & set(seen[0])


async def test_proxies_of_the_environment_are_not_used_unless_configured(
    urls_spec: UrlsSpec,
    store: ObjectStore,
    settings: StagingSettings,
    serve: Serve,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[str] = []

    async def proxy(request: web.Request) -> web.Response:
        asked.append(str(request.url))
        return web.Response(text="via")

    async def direct(request: web.Request) -> web.Response:
        return web.Response(text="direct")

    monkeypatch.setenv("http_proxy", await serve(proxy))
    monkeypatch.delenv("no_proxy", raising=False)
    spec = urls_spec(f"{(await serve(direct)).replace('127.0.0.1', 'data.test')}/a.csv")
    names = Names(data_test=["127.0.0.1"])
    for proxies in (False, True):
        changed = settings.model_copy(update={"source_allow": ("data.test",), "source_proxies": proxies})
        dataset = await stage(spec, store, changed, on_progress=silent, resolver=names)
        assert dataset.files[0].size == len("via" if proxies else "direct")
    assert len(asked) == 1
