"""Explain errors of the network: which part failed, or which setting in the environment is wrong."""

from __future__ import annotations

import os
import re
import ssl
from importlib.util import find_spec
from typing import NamedTuple
from urllib.parse import urlsplit

from requests import exceptions
from requests.utils import get_environ_proxies, select_proxy

from source_klaviyo.api.errors import ConfigError, ServerError, TransientError

CERTIFICATES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
"""The variables that name trusted certificates. The first that is set is used; requests ignores SSL_CERT_FILE."""
PROXY_FORM = "write it as http://user:password@host:port, with special characters of the password percent-encoded"

_PROXY = re.compile(
    r"""(?:(?:https?|socks4a?|socks5h?)://)?
    (?:[^/?\#]*@)?  # user and password
    (?:[\w.-]+|\[[0-9a-f:.]+\])(?::\d+)?/?""",
    re.VERBOSE | re.IGNORECASE,
)
_PROXY_DENIES = frozenset({401, 403, 405})
"""Responses of a proxy to CONNECT that stay the same until its rules are changed."""
_UNTRUSTED = re.compile("self.signed certificate|unable to get (local )?issuer certificate")
"""OpenSSL's errors for a certificate whose signer is not trusted by the host."""


class _Proxy(NamedTuple):
    """The proxy that requests go through, and the environment variable that names it."""

    address: str
    variable: str


def network_error(error: Exception, url: str, waited: float) -> Exception:
    """Return the error to raise in place of one that a request has raised.

    Its message says what to do, and repeats nothing of the library's own text, which contains addresses and passwords.

    Args:
        error: what the request raised; a wrong setting can make it of nearly any type.
        url: the address of the request.
        waited: seconds, for a response that did not come.

    Returns:
        ConfigError: a setting in the environment is wrong, which no retry would change.
        TransientError: the network has failed.
        The error itself if it has nothing to do with the network.
    """
    host, proxy, text = urlsplit(url).hostname, _proxy_of(url), repr(error)
    problem = _wrong_certificates(url) or (_wrong_proxy(proxy, host, error, text) if proxy else None)
    if problem:
        return ConfigError(problem)
    if not isinstance(error, OSError):  # those of requests are of this type
        return error
    what = f"Klaviyo ({host}) cannot be reached: {_reason(error, text, proxy, waited)}."
    if "CERTIFICATE_VERIFY_FAILED" in text:
        kind: type[Exception] = ConfigError if _UNTRUSTED.search(text) else TransientError
        return kind(f"{what} If your network has a certificate of its own, name its file in {CERTIFICATES[0]}.")
    kind = ServerError if isinstance(error, exceptions.ReadTimeout) else TransientError
    return kind(f"{what} Check network, firewall and proxy.")


def _proxy_of(url: str) -> _Proxy | None:
    address = select_proxy(url, get_environ_proxies(url))
    if not address:
        return None
    wanted = (f"{urlsplit(url).scheme}_proxy", "all_proxy")
    named = (name for one in wanted for name, value in os.environ.items() if name.lower() == one and value == address)
    return _Proxy(address, next(named, wanted[0].upper()))


def _wrong_certificates(url: str) -> str | None:
    """Describe what is wrong with the file of trusted certificates, if a variable names one."""
    name = next((name for name in CERTIFICATES if os.environ.get(name)), None)
    if name is None or not url.startswith("https:"):
        return None
    path = os.environ[name]
    try:
        kind = "capath" if os.path.isdir(path) else "cafile"  # noqa: PTH112 - Path("") is a folder
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(**{kind: path})
    except OSError as error:
        reason = "it holds no certificate" if isinstance(error, ssl.SSLError) else error.strerror
        return (
            f"The environment variable {name} does not name a valid file of certificates ({reason}): "
            "correct it, or unset it to trust the usual certificates."
        )
    return None


def _wrong_proxy(proxy: _Proxy, host: str | None, error: Exception, text: str) -> str | None:
    """Describe what is wrong with the proxy or its variable, if every other request would fail as well."""
    well_formed = _PROXY.fullmatch(proxy.address)
    if well_formed and proxy.address.lower().startswith("socks") and not find_spec("socks"):
        return (
            f"The environment variable {proxy.variable} names a SOCKS proxy, for which the Python package PySocks is "
            "missing: install it, or name an HTTP proxy."
        )
    # an invalid address fails in many ways, but not as a connection does
    if not well_formed or isinstance(error, ValueError | TypeError):
        return f"The environment variable {proxy.variable} is not a valid address of a proxy: {PROXY_FORM}."
    status = _status(text)
    if status == 407:
        return (
            f"The proxy that the environment variable {proxy.variable} names does not accept the user name and "
            f"password, or requires them (407): {PROXY_FORM}."
        )
    if status in _PROXY_DENIES:
        return (
            f"The proxy that the environment variable {proxy.variable} names denies the connector access to "
            f"{host} ({status}): let it allow this host, or list the host in NO_PROXY if no proxy is needed."
        )
    if isinstance(error, exceptions.ProxyError) and "WRONG_VERSION_NUMBER" in text:
        return (
            f"The proxy that the environment variable {proxy.variable} names does not speak HTTPS itself: start its "
            "address with http://."
        )
    return None


def _status(text: str) -> int | None:
    """Return the response of a proxy to the CONNECT request."""
    found = re.search(r"Tunnel connection failed: (\d{3})\b", text)
    return int(found[1]) if found else None


def _reason(error: OSError, text: str, proxy: _Proxy | None, waited: float) -> str:
    """Return why Klaviyo could not be reached, in a few words."""
    unresolved = "NameResolution" in text or "getaddrinfo" in text
    if isinstance(error, exceptions.ProxyError):
        which = f"the proxy that {proxy.variable} names" if proxy else "the proxy"
        status = _status(text)
        what = "cannot be resolved" if unresolved else "refuses the connection"
        return f"{which} {what}{f' ({status})' if status else ''}"
    if isinstance(error, exceptions.SSLError):
        return "its certificate cannot be verified" if "CERTIFICATE" in text else "the encrypted connection failed"
    if isinstance(error, exceptions.ConnectTimeout):
        return "the connection timed out"
    if isinstance(error, exceptions.Timeout):
        return f"no response within {waited:g} s"
    if unresolved or isinstance(error, exceptions.InvalidURL):
        return "its name cannot be resolved"
    return "the connection was refused" if "refused" in text else "the connection broke"
