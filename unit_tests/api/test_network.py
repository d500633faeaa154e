"""Errors of the network: which are transient, and which need another setting."""

from __future__ import annotations

import pytest
from requests import exceptions

from source_klaviyo.api.errors import ConfigError, ServerError, TransientError
from source_klaviyo.api.network import network_error

URL = "https://a.klaviyo.com/api/events"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove the settings of the machine that runs the tests."""
    for name in ("https_proxy", "all_proxy", "no_proxy", "requests_ca_bundle", "curl_ca_bundle"):
        for spelling in (name, name.upper()):
            monkeypatch.delenv(spelling, raising=False)


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("self-signed certificate in certificate chain", ConfigError),
        ("unable to get local issuer certificate", ConfigError),
        ("certificate has expired", TransientError),
        ("Hostname mismatch, certificate is not valid for 'a.klaviyo.com'", TransientError),
    ],
)
def test_only_an_untrusted_signer_of_a_certificate_is_a_config_error(said: str, kind: type[Exception]) -> None:
    error = network_error(exceptions.SSLError(f"[SSL: CERTIFICATE_VERIFY_FAILED] verify failed: {said}"), URL, 30)

    assert type(error) is kind
    assert str(error) == (
        "Klaviyo (a.klaviyo.com) cannot be reached: its certificate cannot be verified. If your network has a "
        "certificate of its own, name its file in REQUESTS_CA_BUNDLE."
    )


def test_a_response_that_does_not_come_is_a_server_error() -> None:
    assert type(network_error(exceptions.ReadTimeout(), URL, 30)) is ServerError


@pytest.mark.parametrize("error", [ConnectionResetError(104, "reset"), OSError("Too many open files")])
def test_an_error_of_the_operating_system_is_transient(error: OSError) -> None:
    assert type(network_error(error, URL, 30)) is TransientError


@pytest.mark.parametrize("error", [ValueError("what"), TypeError("what"), KeyError("what")])
def test_an_error_that_is_not_of_the_network_does_not_change(error: Exception) -> None:
    assert network_error(error, URL, 30) is error


def test_the_proxy_of_another_scheme_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "no address of a proxy")
    error = network_error(exceptions.ConnectionError("refused"), URL, 30)

    assert type(error) is TransientError
    assert "HTTP_PROXY" not in str(error)


@pytest.mark.parametrize(
    "address",
    [
        "proxy",
        "proxy:3128",
        "http://proxy",
        "https://proxy.example:3128/",
        "http://user:p%40ss@10.0.0.1:1",
        "http://[::1]:1",
    ],
)
def test_valid_addresses_of_a_proxy_are_accepted(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv("HTTPS_PROXY", address)
    error = network_error(exceptions.ProxyError("refused"), URL, 30)

    assert type(error) is TransientError
    assert "the proxy that HTTPS_PROXY names refuses the connection." in str(error)
