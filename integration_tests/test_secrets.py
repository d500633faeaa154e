"""The key and the people: neither shows in anything the connector says, whatever the other side answers.

A server repeats the key in every place of an answer and in every spelling; what the connector prints of it, at every
level of its log, is searched for the key.
"""

from __future__ import annotations

import base64
import datetime as dt
import html
import ipaddress
import json
import logging
import ssl
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from integration_tests.connector import ALL, catalog
from integration_tests.serving import serving
from klaviyo_simulator import Simulator
from source_klaviyo.api.client import KlaviyoClient
from source_klaviyo.api.errors import KlaviyoError
from source_klaviyo.api.page import decode_page
from source_klaviyo.api.request import Request
from source_klaviyo.config import Config
from source_klaviyo.source import SourceKlaviyo

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from integration_tests.forks import Forks

KEYS = ("pk_0123456789abcdef0123456789MARKED", "0123456789MARKED", """pk_'"\\<&>%41+/=;{}MARKED~!""")
"""Of today's form, of the old one, and of all characters that mean something somewhere."""

# --- a server that repeats the key ----------------------------------------------------------------------


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


SPELLINGS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "in quotes": lambda key: f"'{key}'",
    "in capitals": str.upper,
    "the whole header": "Klaviyo-API-Key {}".format,
    "percent-encoded": lambda key: quote(key, safe=""),
    "every character percent-encoded": lambda key: "".join(f"%{ord(one):02x}" for one in key),
    "percent-encoded twice": lambda key: quote("".join(f"%{ord(one):02X}" for one in key)),
    "escaped for JSON": lambda key: json.dumps(key)[1:-1],
    "every character escaped for JSON": lambda key: "".join(f"\\u{ord(one):04x}" for one in key),
    "escaped as C does": lambda key: "".join(f"\\x{ord(one):02x}" for one in key),
    "escaped for HTML": html.escape,
    "every character escaped for HTML": lambda key: "".join(f"&#{ord(one)};" for one in key),
    "hexadecimal for HTML": lambda key: "".join(f"&#x{ord(one):x};" for one in key),
    "base64": encoded,
    "a Basic header": lambda key: f"Basic {encoded(f'{key}:')}",
    "a Basic header with a user": lambda key: f"Basic {encoded(f'me:{key}')}",
    "base64 without filling": lambda key: encoded(key).rstrip("="),
    "base64 for addresses": lambda key: base64.urlsafe_b64encode(f"??{key}".encode()).decode(),
    "base64, percent-encoded": lambda key: quote(encoded(key), safe=""),
}

Answer = tuple[int, list[tuple[str, str]], bytes]
"""Status, headers, body."""


def refusal(status: int, **words: Any) -> Answer:
    return status, [], json.dumps({"errors": [{"id": "x", "code": "error", "title": "T", **words}]}).encode()


def page(link: str | None = None) -> Answer:
    record = {"type": "list", "id": "1", "attributes": {"updated": "2026-01-01T00:00:00+00:00"}}
    return 200, [], json.dumps({"data": [record], "links": {"next": link}}).encode()


PLACES: dict[str, Callable[[int, str, str], Answer]] = {
    "the detail": lambda status, said, _: refusal(status, detail=f"The key {said} may not."),
    "a long detail": lambda status, said, _: refusal(status, detail="x" * 280 + said),
    "the title": lambda status, said, _: refusal(status, title=said),
    "the code": lambda status, said, _: refusal(status, code=said, detail="No."),
    "the parameter": lambda status, said, _: refusal(status, source={"parameter": said}),
    "the pointer": lambda status, said, _: refusal(status, source={"pointer": f"/data/{said}"}),
    "a cursor that is refused": lambda _, said, __: refusal(400, detail=said, source={"parameter": "page[cursor]"}),
    "a revision that is refused": lambda _, said, __: refusal(400, detail=f"revision {said}"),
    "HTML": lambda status, said, _: (status, [], f"<html><b>{said}</b></html>".encode()),
    "plain text": lambda status, said, _: (status, [], said.encode()),
    "half of a document": lambda status, said, _: (status, [], f'{{"errors":[{{"detail":"{said}'.encode()),
    "headers": lambda status, said, _: (
        status,
        [(name, said) for name in ("X-Request", "Date", "Retry-After", "RateLimit-Remaining", "Content-Type")],
        b"",
    ),
    "a header that is none": lambda status, said, _: (status, [("", said)], b""),
    "a redirect": lambda status, said, _: (302 + status % 2, [("Location", f"http://{said}.example/{said}")], b""),
    "a redirect to here": lambda _, said, url: (307, [("Location", f"{url}/api/{said}")], b""),
    "the host of the next page": lambda _, said, __: page(f"https://{said}/api/lists"),
    "the user of the next page": lambda _, said, __: page(f"https://{said}:{said}@a.klaviyo.com/api/lists"),
    "the query of the next page": lambda _, said, __: page(f"https://evil.example/?key={said}"),
    "the path of the next page": lambda _, said, url: page(f"{url}/api/lists/{said}"),
    "what is no address of the next page": lambda _, said, __: page(f"https://[{said}"),
    "a document of another kind": lambda _, said, __: (200, [], json.dumps({"data": said}).encode()),
    "a document that is none": lambda _, said, __: (200, [], said.encode()),
}

STATUSES = (400, 401, 403, 404, 405, 408, 409, 410, 415, 425, 429, 451, 500, 502, 503, 504)


class Echo(ThreadingHTTPServer):
    """Answers every request with its own key, in the present place and spelling."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), EchoHandler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.asked = 0
        self.certificate: Path | None = None
        self.play: tuple[str, str, int] = ("the detail", "as it is", 400)

    def answer(self, key: str) -> Answer:
        self.asked += 1
        place, spelling, status = self.play
        return PLACES[place](status, SPELLINGS[spelling](key), self.url)


class EchoHandler(BaseHTTPRequestHandler):
    server: Echo

    def do_GET(self) -> None:
        status, headers, body = self.server.answer(self.headers["Authorization"].split(" ", 1)[1])
        self.send_response_only(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        self.do_GET()

    def log_message(self, *_: Any) -> None: ...


@pytest.fixture(scope="module")
def echo() -> Iterator[Echo]:
    with serving(Echo()) as server:
        yield server


def assert_hidden(key: str, spelling: str, text: str) -> None:
    """Neither the key nor what the server has made of it, nor either of them as JSON has it, shows in a text."""
    for secret in (key, SPELLINGS[spelling](key)):
        for written in (secret, json.dumps(secret)[1:-1], repr(secret)[1:-1]):
            assert written.lower() not in text.lower()


def command(forks: Forks, url: str, name: str, config: dict[str, Any], *options: str, **environ: str) -> str:
    """Run a command for the stream lists; what it has printed."""
    for option, content in (("config", config), ("catalog", catalog("lists"))):
        (forks.folder / option).write_text(json.dumps(content), "utf-8")
    files = ["--config", "config"] + (["--catalog", "catalog"] if name == "read" else [])
    forks.run(name, *files, *options, KLAVIYO_API_URL=url, **environ)
    return forks.printed


plays = st.tuples(st.sampled_from(list(PLACES)), st.sampled_from(list(SPELLINGS)))
LEVELS: tuple[tuple[tuple[str, ...], dict[str, str]], ...] = ((), {}), (("--debug",), {}), ((), {"LOG_LEVEL": "debug"})
fuzz = settings(deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), database=None)


@settings(fuzz, max_examples=250)
@given(
    plays,
    st.sampled_from(STATUSES),
    st.sampled_from(KEYS),
    st.sampled_from(["check", "read"]),
    st.sampled_from(LEVELS),
)
def test_no_answer_brings_the_key_into_the_output(
    echo: Echo,
    forks: Forks,
    play: tuple[str, str],
    status: int,
    key: str,
    name: str,
    level: tuple[tuple[str, ...], dict[str, str]],
) -> None:
    place, spelling = play
    echo.play, echo.asked = (place, spelling, status), 0
    options, environ = level
    printed = command(forks, echo.url, name, {"api_key": key}, *options, **environ)

    assert echo.asked
    assert_hidden(key, spelling, printed)
    assert "Traceback" not in printed


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("place", PLACES)
def test_no_error_holds_the_key(echo: Echo, place: str, spelling: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    for status in (400, 401, 403, 404, 410, 503):
        for key in KEYS:
            echo.play = (place, spelling, status)
            client = KlaviyoClient(key, echo.url, tries=2, sleep=lambda _: None)
            try:
                found = client.get(Request("/api/lists", None, (), lambda body: decode_page(body, "updated")))
                client.resolve_link(found.next or "")
            except KlaviyoError as error:
                assert_hidden(key, spelling, f"{error} {error!r} {vars(error)}")
            ours = [record.getMessage() for record in caplog.records if record.name.startswith("airbyte")]
            assert_hidden(key, spelling, "\n".join(ours))
            caplog.clear()


def test_what_else_klaviyo_says_is_shown(echo: Echo, forks: Forks) -> None:
    echo.play = ("the detail", "as it is", 400)
    assert "Klaviyo says: The key **** may not." in command(forks, echo.url, "check", {"api_key": KEYS[0]})
    echo.play = ("the detail", "percent-encoded twice", 400)
    assert "left out, since it repeats the API key" in command(forks, echo.url, "check", {"api_key": KEYS[0]})


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_refused_wherever_it_leads(echo: Echo, forks: Forks, status: int) -> None:
    echo.play, echo.asked = ("a redirect to here", "as it is", status), 0

    assert "which is not followed, to protect the API key" in command(forks, echo.url, "check", {"api_key": KEYS[0]})
    assert echo.asked == 1


# --- what the files say ---------------------------------------------------------------------------------


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("name", ["check", "read"])
@pytest.mark.parametrize(
    "setting",
    ["start_date", "num_workers", "metric_ids", "metric_aggregates", "disable_fetching_predictive_analytics"],
)
def test_no_wrong_setting_shows_the_key(forks: Forks, setting: str, name: str, key: str) -> None:
    for value in (key, f"{key},{key} ", [key], {"a": key}, [{"metric_id": "A", "interval": key}], " " * 30 + key):
        config = {"api_key": f" {key}\n", setting: value}
        assert_hidden(key, "as it is", command(forks, "http://127.0.0.1:1", name, config))


# --- what objects say of themselves ---------------------------------------------------------------------


def reachable(*roots: object) -> Iterator[object]:
    """Whatever attributes and containers lead to, of this project and of what does the talking."""
    seen: dict[int, object] = {}
    todo = list(roots)
    while todo:
        one = todo.pop()
        if id(one) in seen or isinstance(one, (str, bytes, int, type)):
            continue
        seen[id(one)] = one
        yield one
        if isinstance(one, dict):
            todo += one.values()
        elif isinstance(one, (list, tuple, set)):
            todo += one
        elif type(one).__module__.split(".")[0] in {"source_klaviyo", "requests", "urllib3"}:
            slots = [getattr(one, name) for name in getattr(type(one), "__slots__", ()) if hasattr(one, name)]
            todo += [*getattr(one, "__dict__", {}).values(), *slots]


@pytest.mark.parametrize("key", KEYS)
def test_no_object_shows_the_key(echo: Echo, key: str) -> None:
    echo.play = ("the detail", "as it is", 400)
    config = Config.parse({"api_key": key}, {"KLAVIYO_API_URL": echo.url})
    client = KlaviyoClient(config.api_key, config.api_url, tries=1)
    with pytest.raises(KlaviyoError) as raised:
        client.get(Request("/api/lists", None, (), lambda body: decode_page(body, None)))
    streams = SourceKlaviyo().streams({"api_key": key})

    found = list(reachable(config, client, streams, raised.value))
    assert {"Session", "KeyAuth", "Config"} <= {type(one).__name__ for one in found}
    for one in found:
        assert_hidden(key, "as it is", f"{one!r} {one}")


# --- TLS ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def untrusted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Echo]:
    """A server whose certificate nobody has signed but itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    here = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    certificate = (
        x509.CertificateBuilder(issuer_name=name, subject_name=name, public_key=key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(here), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path_factory.mktemp("tls") / "both.pem"
    file.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    server = Echo()
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.url = f"https://localhost:{server.server_port}"
    server.certificate = file
    with serving(server):
        yield server


SWITCHES: dict[str, Any] = {
    "verify": False,
    "verify_ssl": False,
    "ssl_verify": "false",
    "insecure": True,
    "trust_env": False,
    "api_url": "http://127.0.0.1:1",
    "KLAVIYO_API_URL": "http://127.0.0.1:1",
    "requests_kwargs": {"verify": False},
}


@pytest.mark.parametrize("switches", [{}, SWITCHES], ids=["nothing said", "all switches tried"])
def test_a_certificate_that_nobody_trusts_is_refused(untrusted: Echo, forks: Forks, switches: dict[str, Any]) -> None:
    untrusted.asked = 0
    printed = command(forks, untrusted.url, "check", {"api_key": KEYS[0], **switches})

    assert "Klaviyo (localhost) cannot be reached: its certificate cannot be verified." in printed
    assert "name its file in REQUESTS_CA_BUNDLE" in printed
    assert "Retrying in" not in printed
    assert '"status":"FAILED"' in printed
    assert not untrusted.asked
    assert_hidden(KEYS[0], "as it is", printed)


def test_a_certificate_that_the_operator_trusts_is_accepted(untrusted: Echo, forks: Forks) -> None:
    untrusted.play, untrusted.asked = ("the detail", "as it is", 401), 0
    printed = command(
        forks, untrusted.url, "check", {"api_key": KEYS[0]}, REQUESTS_CA_BUNDLE=str(untrusted.certificate)
    )

    assert untrusted.asked == 1
    assert "does not accept the API key" in printed


# --- people ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("said", ["jane.o'neil+x@mail.example.co.uk", "+491701234567", "01GDDKASAP8TKDDA2GRZDSVP4H"])
@pytest.mark.parametrize("status", [400, 404, 500])
def test_what_klaviyo_says_of_a_person_is_not_repeated(echo: Echo, forks: Forks, status: int, said: str) -> None:
    echo.play = ("the detail", "as it is", status)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(SPELLINGS, "as it is", lambda _: said)
        printed = command(forks, echo.url, "check", {"api_key": KEYS[0]})

    assert "The key **** may not." in printed
    assert said not in printed


PEOPLE = ("profiles", "events", "list_profiles", "conversations", "push_tokens", "global_exclusions", "reviews")


@pytest.mark.parametrize(("options", "environ"), LEVELS, ids=["info", "--debug", "LOG_LEVEL=debug"])
def test_no_log_line_holds_a_person(forks: Forks, options: tuple[str, ...], environ: dict[str, str]) -> None:
    assert set(PEOPLE) <= set(ALL)
    with Simulator(key=KEYS[0], limits=False, events=40, profiles=20, lists=3) as shop:
        shop.add_faults([{"kind": "status", "status": 503, "path": "/api/profiles", "times": 2}])
        for option, content in (("config", {"api_key": KEYS[0]}), ("catalog", catalog(*PEOPLE))):
            (forks.folder / option).write_text(json.dumps(content), "utf-8")
        output = forks.run(
            "read", "--config", "config", "--catalog", "catalog", *options, KLAVIYO_API_URL=shop.url, **environ
        )

    assert output.code == 0
    people = {
        str(value)
        for record in output.records["profiles"]
        for value in (
            record["id"],
            *(record["attributes"].get(name) for name in ("email", "phone_number", "last_name")),
        )
        if value
    }
    assert len(people) > 40
    said = [line for line in forks.printed.splitlines() if not line.startswith(('{"type":"RECORD"', '{"type":"STATE"'))]
    assert len(said) > 30
    assert [line for line in said for one in people if one in line] == []
    assert [line for line in said if "HTTP/1.1" in line or "/api/" in line] == []
