"""The door out: what it reads, what it refuses, and that a refusal sends no packet."""

import asyncio
import datetime
import gzip
import ipaddress
import ssl
import threading
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from connectors.addresses import may_connect
from connectors.egress import (
    EgressPolicy,
    FetchedFile,
    JsonPost,
    Reply,
    fetch_to_file,
    resolve_public,
)
from connectors.errors import EgressBroken, EgressFailed, EgressRefused
from tests.connectors.http_site import Site

OPEN = EgressPolicy(allow_private=True, size_max_bytes=1 << 20, timeout_s=10, redirects_max=3)
CLOSED = EgressPolicy(allow_private=False, size_max_bytes=1 << 20, timeout_s=10, redirects_max=3)


def fetch(url: str, target: Path, policy: EgressPolicy = OPEN, **options: Any) -> FetchedFile:
    return asyncio.run(fetch_to_file(url, target, policy, **options))


def test_a_body_is_stored_as_it_comes(site: Site, tmp_path: Path) -> None:
    site.pages["/data/cars.csv?x=1"] = (
        200,
        {"Content-Type": "text/csv; charset=utf-8"},
        b"a,b\n1,2\n",
    )
    seen = []
    fetched = fetch(
        f"{site.url}/data/cars.csv?x=1", tmp_path / "f", on_progress=lambda *told: seen.append(told)
    )
    assert fetched == FetchedFile(8, "text/csv; charset=utf-8", "cars.csv")
    assert (tmp_path / "f").read_bytes() == b"a,b\n1,2\n"
    assert seen[-1] == (8, 8)


def test_the_request_asks_for_no_compression_and_names_the_host(site: Site, tmp_path: Path) -> None:
    site.pages["/"] = (200, {}, b"x")
    fetch(site.url, tmp_path / "f")
    _, headers = site.requests[0]
    assert headers["Accept-Encoding"] == "identity"
    assert headers["Host"] == f"127.0.0.1:{site.server_port}"
    assert "Cookie" not in headers
    assert "Authorization" not in headers


def test_a_compressed_body_is_kept_compressed(site: Site, tmp_path: Path) -> None:
    body = gzip.compress(b"a\n" * 100_000, mtime=0)
    site.pages["/x"] = (200, {"Content-Encoding": "gzip"}, body)
    assert fetch(f"{site.url}/x", tmp_path / "f").size_bytes == len(body)


def test_an_unknown_content_encoding_is_an_error(site: Site, tmp_path: Path) -> None:
    site.pages["/x"] = (200, {"Content-Encoding": "gzip, br"}, b"x")
    with pytest.raises(EgressFailed, match="content encoding"):
        fetch(f"{site.url}/x", tmp_path / "f")


def test_redirects_are_followed(site: Site, tmp_path: Path) -> None:
    site.pages["/a"] = (302, {"Location": "/b"}, b"")
    site.pages["/b"] = (308, {"Location": f"{site.url}/end/c.json"}, b"")
    site.pages["/end/c.json"] = (200, {}, b"{}")
    assert fetch(f"{site.url}/a", tmp_path / "f").final_name == "c.json"


def test_redirects_are_counted(site: Site, tmp_path: Path) -> None:
    site.pages["/a"] = (302, {"Location": "/a"}, b"")
    with pytest.raises(EgressFailed, match="More than 3 redirects"):
        fetch(f"{site.url}/a", tmp_path / "f")
    assert len(site.requests) == 4


@pytest.mark.parametrize(
    "location",
    [
        "http://169.254.169.254/latest/meta-data/",
        "http://[fe80::1]/",
        "http://user:pw@127.0.0.1/",
        "file:///etc/passwd",
        "gopher://127.0.0.1/_x",
        "http://127.0.0.1\\@example.com/",
        "http://0.0.0.0/",
    ],
)
def test_a_redirect_goes_through_the_same_door(site: Site, tmp_path: Path, location: str) -> None:
    site.pages["/a"] = (302, {"Location": location}, b"")
    with pytest.raises(EgressRefused) as refused:
        fetch(f"{site.url}/a", tmp_path / "f")
    assert "169.254" not in str(refused.value)
    assert not (tmp_path / "f").exists()


def test_a_redirect_to_a_name_inside_is_refused_without_naming_it(
    site: Site, tmp_path: Path
) -> None:
    async def resolver(host: str, port: int) -> list[str]:
        return ["169.254.1.1"] if host == "inside.example" else ["127.0.0.1"]

    site.pages["/a"] = (302, {"Location": "http://inside.example/"}, b"")
    with pytest.raises(EgressRefused) as refused:
        fetch(f"http://outside.example:{site.server_port}/a", tmp_path / "f", resolver=resolver)
    assert site.connections == 1
    assert "inside" not in str(refused.value)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 429, 500, 503, 304])
def test_an_error_status_is_an_error(site: Site, tmp_path: Path, status: int) -> None:
    site.pages["/x"] = (status, {}, b"")
    with pytest.raises(EgressFailed, match=f"status {status}"):
        fetch(f"{site.url}/x", tmp_path / "f")


def test_an_announced_size_over_the_limit_is_refused_at_once(site: Site, tmp_path: Path) -> None:
    site.pages["/x"] = (200, {"Content-Length": str(1 << 40)}, b"x")
    with pytest.raises(EgressFailed, match="larger than 1048576 bytes"):
        fetch(f"{site.url}/x", tmp_path / "f")


def test_an_endless_body_stops_at_the_limit_and_leaves_no_file(site: Site, tmp_path: Path) -> None:
    site.pages["/x"] = (200, {"X-Endless": "1"}, b"")
    with pytest.raises(EgressFailed, match="larger than"):
        fetch(f"{site.url}/x", tmp_path / "f")
    assert not (tmp_path / "f").exists()


def test_a_body_of_exactly_the_limit_is_fine(site: Site, tmp_path: Path) -> None:
    site.pages["/x"] = (200, {}, b"x" * (1 << 20))
    assert fetch(f"{site.url}/x", tmp_path / "f").size_bytes == 1 << 20


def test_a_body_cut_short_is_an_error_and_leaves_no_file(site: Site, tmp_path: Path) -> None:
    site.pages["/x"] = (200, {"Content-Length": "100"}, b"short")
    with pytest.raises(EgressFailed, match="broke off"):
        fetch(f"{site.url}/x", tmp_path / "f")
    assert not (tmp_path / "f").exists()


def test_a_server_that_never_answers_is_given_up(site: Site, tmp_path: Path) -> None:
    with pytest.raises(EgressFailed, match=r"longer than 0\.2 s"):
        fetch(f"{site.url}/hang", tmp_path / "f", EgressPolicy(True, 1 << 20, 0.2, 3))


def test_an_unknown_name_is_a_failure_without_the_resolver_s_words(tmp_path: Path) -> None:
    async def nowhere(host: str, port: int) -> list[str]:
        raise OSError("no such host 10.0.0.53")

    with pytest.raises(EgressFailed) as failed:
        fetch("http://nowhere.example/", tmp_path / "f", resolver=nowhere)
    assert str(failed.value) == "The host name cannot be resolved"


def test_a_closed_port_is_a_failure_without_the_address(site: Site, tmp_path: Path) -> None:
    port = site.server_port
    site.server_close()
    with pytest.raises(EgressFailed) as failed:
        fetch(f"http://127.0.0.1:{port}/", tmp_path / "f")
    assert "127.0.0.1" not in str(failed.value)


def test_a_second_address_is_tried_when_the_first_does_not_answer(
    site: Site, tmp_path: Path
) -> None:
    async def two(host: str, port: int) -> list[str]:
        return ["::1", "127.0.0.1"]

    site.pages["/"] = (200, {}, b"x")
    assert (
        fetch(f"http://two.example:{site.server_port}/", tmp_path / "f", resolver=two).size_bytes
        == 1
    )


# Loopback, private and metadata addresses in every spelling a URL allows.
HOSTS = [
    "127.0.0.1",
    "127.1",
    "127.0.1",
    "0",
    "0.0.0.0",  # noqa: S104 - an address to refuse
    "2130706433",
    "0x7f000001",
    "0x7f.1",
    "017700000001",
    "0177.0.0.1",
    "127.255.255.254",
    "localhost",
    "LOCALHOST",
    "[::1]",
    "[::]",
    "[0:0:0:0:0:0:0:1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[0:0:0:0:0:ffff:127.0.0.1]",
    "[64:ff9b::7f00:1]",
    "[64:ff9b::127.0.0.1]",
    "[64:ff9b:1::7f00:1]",
    "[2002:7f00:1::]",
    "[2002:a00:1::1]",
    "[2001:0:7f00:1::]",
    "[::127.0.0.1]",
    "[fe80::1]",
    "[fc00::1]",
    "[fd00::1]",
    "[fd00:ec2::254]",
    "[ff02::1]",
    "[fec0::1]",
    "[2001:db8::1]",
    "[100::1]",
    "10.0.0.1",
    "10.255.255.255",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "169.254.170.2",
    "2852039166",
    "0xa9fea9fe",
    "0251.0376.0251.0376",
    "[::ffff:169.254.169.254]",
    "100.64.0.1",
    "100.100.100.200",
    "192.0.0.192",
    "168.63.129.16",
    "198.18.0.1",
    "192.0.2.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "①②⑦.⓪.⓪.①",
    "127。0。0。1",
    "192.88.99.1",
    "0.0.0.1",
]

URLS = [
    "file:///etc/passwd",
    "ftp://127.0.0.1/",
    "gopher://127.0.0.1:{port}/_GET",
    "unix:///var/run/docker.sock",
    "data:text/csv,a",
    "dict://127.0.0.1:{port}/",
    "jar:http://127.0.0.1!/",
    "//127.0.0.1:{port}/",
    "127.0.0.1:{port}",
    "http:///x",
    "http://",
    "",
    "http://user@127.0.0.1:{port}/",
    "http://example.com:80@127.0.0.1:{port}/",
    "http://127.0.0.1:{port}\\@example.com/",
    "http://127.0.0.1:{port}/\r\nHost: x",
    "http://127.0.0.1:{port}/ x",
    "http://127.0.0.1:{port}\t/",
    "http://[::1",
    "http://127.0.0.1:99999/",
    "http://127.0.0.1%2f@example.com/",
    "https://127.0.0.1:{port}/",
    "HTTP://127.0.0.1:{port}/",
    "http://" + "a" * 9000,
]


@pytest.mark.parametrize("host", HOSTS)
def test_no_spelling_of_an_inside_address_gets_a_packet_out(
    site: Site, tmp_path: Path, host: str
) -> None:
    with pytest.raises(EgressRefused) as refused:
        fetch(f"http://{host}:{site.server_port}/", tmp_path / "f", CLOSED)
    assert site.connections == 0
    assert len(host) < 2 or host not in str(refused.value)
    assert not (tmp_path / "f").exists()


@pytest.mark.parametrize("url", URLS)
def test_no_trick_in_a_url_gets_a_packet_out(site: Site, tmp_path: Path, url: str) -> None:
    with pytest.raises(EgressRefused):
        fetch(url.replace("{port}", str(site.server_port)), tmp_path / "f", CLOSED)
    assert site.connections == 0


@pytest.mark.parametrize(
    "url", [url for url in URLS if "https://" not in url and "HTTP://" not in url]
)
def test_tricks_stay_tricks_where_private_addresses_are_allowed(
    site: Site, tmp_path: Path, url: str
) -> None:
    with pytest.raises(EgressRefused):
        fetch(url.replace("{port}", str(site.server_port)), tmp_path / "f", OPEN)
    assert site.connections == 0


@pytest.mark.parametrize(
    "address",
    [
        "169.254.169.254",
        "169.254.0.1",
        "fe80::1",
        "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "2002:a9fe:a9fe::",
        "fd00:ec2::254",
        "100.100.100.200",
        "168.63.129.16",
        "0.0.0.0",  # noqa: S104 - an address to refuse
        "::",
        "224.0.0.1",
        "ff02::1",
        "255.255.255.255",
    ],
)
def test_link_local_and_metadata_are_refused_even_where_private_is_allowed(address: str) -> None:
    assert not may_connect(address, allow_private=True)


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "::1", "10.0.0.1", "192.168.1.1", "fd12::1", "100.64.0.1"]
)
def test_private_addresses_are_fine_where_allowed(address: str) -> None:
    assert may_connect(address, allow_private=True)
    assert not may_connect(address, allow_private=False)


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "1.1.1.1", "2606:4700:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]
)
def test_public_addresses_are_fine(address: str) -> None:
    assert may_connect(address, allow_private=False)


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_is_judged_alike_in_every_embedded_form(ip: ipaddress.IPv4Address) -> None:
    plain = may_connect(str(ip), allow_private=False)
    assert may_connect(f"::ffff:{ip}", allow_private=False) is plain
    nat64 = ipaddress.IPv6Address(int(ipaddress.IPv6Address("64:ff9b::")) | int(ip))
    assert may_connect(str(nat64), allow_private=False) is plain
    assert not plain or ip.is_global


def test_one_inside_answer_among_public_ones_refuses_the_name(tmp_path: Path) -> None:
    async def mixed(host: str, port: int) -> list[str]:
        return ["93.184.216.34", "127.0.0.1"]

    with pytest.raises(EgressRefused):
        asyncio.run(resolve_public("mixed.example", 80, CLOSED, mixed))


def test_a_name_that_changes_its_answer_is_judged_on_the_answer_that_is_used(
    site: Site, tmp_path: Path
) -> None:
    """DNS rebinding: the second answer is inside; the second hop asks and is judged again."""
    answers = [["127.0.0.1"], ["169.254.169.254"]]
    asked = []

    async def rebinding(host: str, port: int) -> list[str]:
        asked.append(host)
        return answers[min(len(asked) - 1, 1)]

    site.pages["/a"] = (302, {"Location": f"http://rebind.example:{site.server_port}/b"}, b"")
    with pytest.raises(EgressRefused):
        fetch(
            f"http://rebind.example:{site.server_port}/a", tmp_path / "f", OPEN, resolver=rebinding
        )
    assert site.connections == 1


def test_a_connection_resolves_its_name_once(site: Site, tmp_path: Path) -> None:
    asked = []

    async def once(host: str, port: int) -> list[str]:
        asked.append((host, port))
        return ["127.0.0.1"]

    site.pages["/"] = (200, {}, b"x")
    fetch(f"http://pinned.example:{site.server_port}/", tmp_path / "f", resolver=once)
    assert asked == [("pinned.example", site.server_port)]
    assert site.requests[0][1]["Host"] == f"pinned.example:{site.server_port}"


def test_proxies_of_the_environment_are_ignored(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    site.pages["/"] = (200, {}, b"x")
    assert fetch(site.url, tmp_path / "f").size_bytes == 1


def certificate(folder: Path, name: str) -> Path:
    """A self-signed certificate and its key in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = folder / "cert.pem"
    file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return file


@pytest.mark.parametrize("name", ["secure.example", "other.example"])
def test_tls_checks_the_name_and_not_the_address(site: Site, tmp_path: Path, name: str) -> None:
    file = certificate(tmp_path, "secure.example")
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_side.load_cert_chain(file)
    asked_for = []
    server_side.sni_callback = lambda _socket, server_name, _context: asked_for.append(server_name)
    site.socket = server_side.wrap_socket(site.socket, server_side=True)
    site.pages["/"] = (200, {}, b"x")

    async def here(host: str, port: int) -> list[str]:
        return ["127.0.0.1"]

    trusted = ssl.create_default_context(cafile=str(file))
    url = f"https://{name}:{site.server_port}/"
    if name == "secure.example":
        assert fetch(url, tmp_path / "f", resolver=here, tls=trusted).size_bytes == 1
    else:
        with pytest.raises(EgressFailed):
            fetch(url, tmp_path / "f", resolver=here, tls=trusted)
    assert asked_for == [name]


def test_cancelling_a_fetch_leaves_no_file(site: Site, tmp_path: Path) -> None:
    async def cancelled() -> None:
        started = threading.Event()

        async def here(host: str, port: int) -> list[str]:
            started.set()
            return ["127.0.0.1"]

        task = asyncio.create_task(
            fetch_to_file(
                f"http://x.example:{site.server_port}/hang", tmp_path / "f", OPEN, resolver=here
            )
        )
        await asyncio.to_thread(started.wait, 5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancelled())
    assert not (tmp_path / "f").exists()


def post(url: str, *bodies: bytes, policy: EgressPolicy = OPEN, **options: Any) -> list[Reply]:
    async def send() -> list[Reply]:
        async with JsonPost(url, policy, **options) as door:
            return [await door.send(body) for body in bodies]

    return asyncio.run(send())


def test_json_is_posted_with_its_token(site: Site) -> None:
    site.pages["/v1"] = (200, {}, b"[1]")
    assert post(f"{site.url}/v1", b'{"a": 1}', bearer="token") == [Reply(200, "", b"[1]")]
    assert site.bodies == [b'{"a": 1}']
    _, headers = site.requests[0]
    assert headers["Authorization"] == "Bearer token"
    assert headers["Content-Type"] == "application/json"
    assert headers["Host"] == f"127.0.0.1:{site.server_port}"


def test_a_failed_post_is_an_answer_with_its_wait(site: Site) -> None:
    site.pages["/v1"] = (429, {"Retry-After": "3"}, b"later")
    assert post(f"{site.url}/v1", b"{}") == [Reply(429, "3", b"later")]


def test_a_post_may_have_headers_of_its_own(site: Site) -> None:
    site.pages["/v1"] = (200, {}, b"")
    post(f"{site.url}/v1", b"{}", b"{}", bearer="token", headers={"x-one": "1", "X-Two": "b c"})
    for _, headers in site.requests:
        assert (headers["x-one"], headers["X-Two"]) == ("1", "b c")
        assert headers["Authorization"] == "Bearer token"


def tell(url: str, body: bytes, policy: EgressPolicy = OPEN) -> int:
    async def send() -> int:
        async with JsonPost(url, policy) as door:
            return await door.tell(body)

    return asyncio.run(send())


@pytest.mark.parametrize("headers", [{}, {"X-Endless": "1"}, {"Content-Encoding": "gzip"}])
def test_whoever_is_told_something_answers_with_a_status(
    site: Site, headers: dict[str, str]
) -> None:
    site.pages["/v1"] = (503, headers, b"x")
    assert tell(f"{site.url}/v1", b'{"a": 1}') == 503
    assert site.bodies == [b'{"a": 1}']


def test_telling_has_the_bounds_of_a_post(site: Site) -> None:
    with pytest.raises(EgressRefused):
        tell(f"{site.url}/v1", b"{}", CLOSED)
    assert site.connections == 0
    short = EgressPolicy(allow_private=True, size_max_bytes=100, timeout_s=0.2)
    with pytest.raises(EgressBroken, match=r"longer than 0\.2 s"):
        tell(f"{site.url}/hang", b"{}", short)
    site.hang.set()


def test_a_post_follows_no_redirect(site: Site) -> None:
    site.pages["/v1"] = (307, {"Location": "/other"}, b"")
    assert [reply.status for reply in post(f"{site.url}/v1", b"{}", bearer="token")] == [307]
    assert len(site.requests) == 1


@pytest.mark.parametrize(
    ("headers", "body", "word"),
    [
        ({}, b"x" * (1 << 21), "larger than"),
        ({"Content-Length": str(1 << 40)}, b"x", "larger than"),
        ({"X-Endless": "1"}, b"", "larger than"),
        ({"Content-Encoding": "gzip"}, b"x", "content encoding"),
    ],
)
def test_the_answer_to_a_post_is_bounded(
    site: Site, headers: dict[str, str], body: bytes, word: str
) -> None:
    site.pages["/v1"] = (200, headers, body)
    with pytest.raises(EgressFailed, match=word) as failed:
        post(f"{site.url}/v1", b"{}")
    assert not isinstance(failed.value, EgressBroken)


def test_a_post_that_gets_no_answer_may_be_tried_again(site: Site) -> None:
    short = EgressPolicy(allow_private=True, size_max_bytes=100, timeout_s=0.2)
    with pytest.raises(EgressBroken, match=r"longer than 0\.2 s"):
        post(f"{site.url}/hang", b"{}", policy=short)
    site.hang.set()
    site.pages["/v1"] = (200, {"Content-Length": "50"}, b"cut")
    with pytest.raises(EgressBroken, match="broke off"):
        post(f"{site.url}/v1", b"{}")
    with pytest.raises(EgressBroken, match="could not be reached"):
        post("http://127.0.0.1:1/", b"{}")


def test_a_post_to_a_private_address_sends_no_packet(site: Site) -> None:
    with pytest.raises(EgressRefused):
        post(f"{site.url}/v1", b"{}", policy=CLOSED)
    for url in ("file:///etc/passwd", "http://u:p@127.0.0.1/", "http:///x"):
        with pytest.raises(EgressRefused):
            post(url, b"{}")
    assert site.connections == 0


def test_every_connection_of_a_post_is_judged_anew(site: Site) -> None:
    answers = iter([["127.0.0.1"], ["169.254.169.254"]])

    async def resolver(host: str, port: int) -> list[str]:
        return next(answers)

    site.pages["/v1"] = (200, {}, b"[]")
    with pytest.raises(EgressRefused):
        post(f"http://service.example:{site.server_port}/v1", b"{}", b"{}", resolver=resolver)
    assert site.bodies == [b"{}"]
