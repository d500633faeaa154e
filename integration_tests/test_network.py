"""Network settings in the environment: an error names a wrong one at once, with what to do and without passwords."""

from __future__ import annotations

import json
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest
from typing_extensions import override

from integration_tests.connector import KEY, catalog
from integration_tests.forks import Forks
from integration_tests.serving import serving
from source_klaviyo.api.client import KlaviyoClient
from source_klaviyo.api.page import decode_page
from source_klaviyo.api.request import Request

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PASSWORD = "s3cret-of-the-proxy"
HOST = "https://a.klaviyo.com"
"""Never reached: the proxies of these tests let nothing through."""


class Proxy(ThreadingHTTPServer):
    """A proxy that rejects every request."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), ProxyHandler)
        self.status = 407
        self.asked = 0
        self.address = f"http://user:{PASSWORD}@127.0.0.1:{self.server_port}"


class ProxyHandler(BaseHTTPRequestHandler):
    server: Proxy

    def do_CONNECT(self) -> None:
        self.server.asked += 1
        self.send_response(self.server.status, f"No {PASSWORD}")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_GET(self) -> None:
        self.do_CONNECT()

    @override
    def log_message(self, *_: Any) -> None: ...


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    with serving(Proxy()) as server:
        yield server


@pytest.fixture(scope="module")
def forks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forks]:
    """Runs commands without the settings that this machine may have itself."""
    with pytest.MonkeyPatch.context() as patch:
        for name in os.environ:
            if name.lower().endswith(("_proxy", "_ca_bundle")):
                patch.delenv(name)
        forks = Forks(tmp_path_factory.mktemp("forks"), patient=False)
    yield forks
    forks.close()


def message_of(forks: Forks, url: str = HOST, **environ: str) -> str:
    """Return the message of a check, which a read has too, as a config error and without a retry."""
    for option, content in (("config", {"api_key": KEY}), ("catalog", catalog("lists"))):
        (forks.folder / option).write_text(json.dumps(content), "utf-8")
    environ = {"KLAVIYO_API_URL": url, **environ}

    checked = forks.run("check", "--config", "config", **environ)
    assert_nothing_else(forks)
    status = checked.others[0]["connectionStatus"]
    assert (checked.code, status["status"]) == (0, "FAILED")

    read = forks.run("read", "--config", "config", "--catalog", "catalog", **{**environ, "LOG_LEVEL": "debug"})
    assert_nothing_else(forks)
    error, summary = read.errors
    assert (read.code, error["failure_type"], summary["failure_type"]) == (1, "config_error", "config_error")
    assert error["message"] == status["message"]
    message: str = error["message"]
    return message


def assert_nothing_else(forks: Forks) -> None:
    """Assert that there was no retry, and that neither a password nor a traceback appears."""
    assert PASSWORD not in forks.printed
    assert "Retrying in" not in forks.printed
    assert "Traceback" not in forks.printed
    assert "error of its own" not in forks.printed
    assert (forks.folder / "stderr").read_text("utf-8") == ""


# --- proxies --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"])
def test_an_error_about_a_proxys_password_names_the_variable(forks: Forks, proxy: Proxy, variable: str) -> None:
    message = message_of(forks, **{variable: proxy.address})

    assert f"The proxy that the environment variable {variable} names does not accept the user name" in message
    assert "(407)" in message
    assert "write it as http://user:password@host:port" in message
    assert proxy.asked <= 1 + 2 * 14  # by the check, and by the first windows of the read: there is no retry


def test_of_two_variables_the_one_that_is_used_is_named(forks: Forks, proxy: Proxy) -> None:
    assert " HTTPS_PROXY " in message_of(forks, HTTPS_PROXY=proxy.address, ALL_PROXY="http://127.0.0.1:1")
    assert " https_proxy " in message_of(forks, HTTPS_PROXY="http://127.0.0.1:1", https_proxy=proxy.address)


def test_a_407_of_a_proxy_for_plain_http_is_explained(forks: Forks, proxy: Proxy) -> None:
    message = message_of(forks, "http://127.0.0.1:1", HTTP_PROXY=proxy.address)

    assert "does not accept the user name and password, or requires them (407)" in message
    assert "HTTP_PROXY" in message


@pytest.mark.parametrize("status", [401, 403, 405])
def test_an_error_about_a_denied_host_names_it(forks: Forks, proxy: Proxy, status: int) -> None:
    proxy.status = status
    message = message_of(forks, HTTPS_PROXY=proxy.address)

    assert f"HTTPS_PROXY names denies the connector access to a.klaviyo.com ({status})" in message
    assert "let it allow this host" in message


def test_a_proxy_that_does_not_speak_https_itself_is_recognized(forks: Forks, proxy: Proxy) -> None:
    message = message_of(forks, HTTPS_PROXY=proxy.address.replace("http:", "https:"))

    assert "HTTPS_PROXY names does not speak HTTPS itself: start its address with http://." in message


MALFORMED = [
    "not a url",
    f"user:{PASSWORD}@127.0.0.1:1",
    "http://",
    f"http://user:{PASSWORD}@",
    f"http://user:{PASSWORD}@:8080",
    f"http://user:{PASSWORD}@proxy:port",
    f"http://user:{PASSWORD}@proxy:99999",
    f"http://user:{PASSWORD}@127.0.0.1:-1",
    f"http://user:{PASSWORD}@[::1",
    f"http:/user:{PASSWORD}@127.0.0.1:1",
    f"http//user:{PASSWORD}@127.0.0.1:1",
    f"ftp://user:{PASSWORD}@127.0.0.1:1",
    f"socks9://user:{PASSWORD}@127.0.0.1:1",
    f"http://user:#{PASSWORD}@127.0.0.1:1",
    f"http://user:/{PASSWORD}@127.0.0.1:1",
    f"http://user:{PASSWORD}\u20ac@127.0.0.1:1",
    f"http://user:{PASSWORD}%ff@127.0.0.1:1",
    f"http://user:{PASSWORD}@two words:1",
    f"http://user:{PASSWORD}@a..b:1",
    f"http://user:{PASSWORD}@{'x' * 70}.example:1",
    f"http://user:{PASSWORD}@127.0.0.1:1/proxy.pac",
]


@pytest.mark.parametrize("address", MALFORMED)
def test_an_invalid_address_of_a_proxy_is_a_config_error(forks: Forks, address: str) -> None:
    message = message_of(forks, HTTPS_PROXY=address)

    assert "The environment variable HTTPS_PROXY is not a valid address of a proxy: write it as" in message


@pytest.mark.parametrize("scheme", ["socks4", "socks4a", "socks5", "socks5h", "SOCKS5"])
def test_an_error_about_a_socks_proxy_names_the_missing_package(forks: Forks, scheme: str) -> None:
    message = message_of(forks, ALL_PROXY=f"{scheme}://user:{PASSWORD}@127.0.0.1:1")

    assert "ALL_PROXY names a SOCKS proxy, for which the Python package PySocks is missing: install it" in message


@pytest.mark.parametrize(
    ("address", "status", "words"),
    [
        (f"http://user:{PASSWORD}@127.0.0.1:1", 0, "the proxy that HTTPS_PROXY names refuses the connection."),
        (f"http://user:{PASSWORD}@proxy.invalid:1", 0, "the proxy that HTTPS_PROXY names cannot be resolved."),
        (None, 503, "the proxy that HTTPS_PROXY names refuses the connection (503)."),
    ],
)
def test_a_proxy_that_cannot_be_reached_is_retried(
    forks: Forks, proxy: Proxy, address: str | None, status: int, words: str
) -> None:
    (forks.folder / "config").write_text(json.dumps({"api_key": KEY}), "utf-8")
    proxy.status = status
    environ = {"KLAVIYO_API_URL": HOST, "HTTPS_PROXY": address or proxy.address}
    output = forks.run("check", "--config", "config", **environ)

    assert f"Klaviyo (a.klaviyo.com) cannot be reached: {words}" in output.others[0]["connectionStatus"]["message"]
    assert "Retrying in" in forks.printed
    assert PASSWORD not in forks.printed


def test_no_proxy_excludes_a_host(forks: Forks, proxy: Proxy) -> None:
    (forks.folder / "config").write_text(json.dumps({"api_key": KEY}), "utf-8")
    environ = {"HTTP_PROXY": proxy.address, "NO_PROXY": "127.0.0.1", "KLAVIYO_API_URL": "http://127.0.0.1:1"}
    output = forks.run("check", "--config", "config", **environ)

    assert "(127.0.0.1) cannot be reached: the connection was refused." in str(output.others)
    assert proxy.asked == 0


# --- cookies --------------------------------------------------------------------------------------------


class CookieHandler(ProxyHandler):
    """Answers with an empty page, sets a cookie, and counts those that come back."""

    @override
    def do_GET(self) -> None:
        self.server.asked += "Cookie" in self.headers
        self.send_response(200)
        self.send_header("Set-Cookie", "__cf_bm=1; path=/")
        self.send_header("Content-Length", "11")
        self.end_headers()
        self.wfile.write(b'{"data":[]}')


def test_no_cookie_is_kept() -> None:
    """Edges and company proxies set them; one that is sent back ties requests to a machine or a person."""
    with serving(Proxy()) as server:
        server.RequestHandlerClass = CookieHandler
        client = KlaviyoClient(KEY, f"http://127.0.0.1:{server.server_port}")
        for _ in range(2):
            client.get(Request("/api/lists", None, (), lambda body: decode_page(body, None)))

    assert server.asked == 0
    assert not client._session.cookies


# --- certificates ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_an_error_about_a_file_of_certificates_names_the_variable(forks: Forks, tmp_path: Path, variable: str) -> None:
    (tmp_path / "text").write_text("no certificate", "utf-8")
    for name, reason in (("missing", "No such file or directory"), ("text", "it holds no certificate")):
        message = message_of(forks, **{variable: str(tmp_path / name)})

        assert f"The environment variable {variable} does not name a valid file of certificates" in message
        assert f"({reason}): correct it, or unset it" in message


def test_of_two_variables_for_certificates_the_one_that_is_used_is_named(forks: Forks) -> None:
    both = {"REQUESTS_CA_BUNDLE": "/nowhere/one.pem", "CURL_CA_BUNDLE": "/nowhere/other.pem"}

    assert "REQUESTS_CA_BUNDLE" in message_of(forks, **both)


def test_a_missing_ssl_cert_file_is_ignored(forks: Forks, proxy: Proxy) -> None:
    """The CDK's HTTP library trusts its own certificates, or those of the two variables above."""
    environ = {"SSL_CERT_FILE": "/nowhere/ca.pem", "SSL_CERT_DIR": "/nowhere"}

    assert "(407)" in message_of(forks, HTTPS_PROXY=proxy.address, **environ)
