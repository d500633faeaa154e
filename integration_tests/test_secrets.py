"""Neither the key nor personal data appear in the output, whatever the server sends.

A server repeats the key in every place of a response and in every spelling; what the connector prints, at every level
of its log, is searched for the key.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import json
import logging
import ssl
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

from integration_tests.connector import ALL, catalog
from integration_tests.echo import LEVELS, PLACES, SPELLINGS, STATUSES, Echo, assert_hidden, command, fuzz
from integration_tests.serving import serving
from klaviyo_simulator import Simulator
from source_klaviyo.api.client import KlaviyoClient
from source_klaviyo.api.errors import KlaviyoError
from source_klaviyo.api.page import decode_page
from source_klaviyo.api.request import Request
from source_klaviyo.config import Config
from source_klaviyo.source import SourceKlaviyo

if TYPE_CHECKING:
    from collections.abc import Iterator

    from integration_tests.forks import Forks

KEYS = ("pk_0123456789abcdef0123456789MARKED", "0123456789MARKED", """pk_'"\\<&>%41+/=;{}MARKED~!""")
"""Keys of today's form, of the old one, and of all characters with a special meaning in some encoding."""


@pytest.fixture(scope="module")
def echo() -> Iterator[Echo]:
    with serving(Echo()) as server:
        yield server


plays = st.tuples(st.sampled_from(list(PLACES)), st.sampled_from(list(SPELLINGS)))


@settings(fuzz, max_examples=250)
@given(
    plays,
    st.sampled_from(STATUSES),
    st.sampled_from(KEYS),
    st.sampled_from(["check", "read"]),
    st.sampled_from(LEVELS),
)
def test_the_output_never_shows_the_key(
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
def test_no_error_contains_the_key(echo: Echo, place: str, spelling: str, caplog: pytest.LogCaptureFixture) -> None:
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


def test_the_rest_of_klaviyos_message_is_shown(echo: Echo, forks: Forks) -> None:
    echo.play = ("the detail", "as it is", 400)
    assert "Klaviyo says: The key **** may not." in command(forks, echo.url, "check", {"api_key": KEYS[0]})
    echo.play = ("the detail", "percent-encoded twice", 400)
    assert "left out, since it repeats the API key" in command(forks, echo.url, "check", {"api_key": KEYS[0]})


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed_even_to_the_same_host(echo: Echo, forks: Forks, status: int) -> None:
    echo.play, echo.asked = ("a redirect to here", "as it is", status), 0

    assert "which is not followed, to protect the API key" in command(forks, echo.url, "check", {"api_key": KEYS[0]})
    assert echo.asked == 1


# --- settings ---------------------------------------------------------------------------------


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("name", ["check", "read"])
@pytest.mark.parametrize(
    "setting",
    ["start_date", "num_workers", "metric_ids", "metric_aggregates", "disable_fetching_predictive_analytics"],
)
def test_no_error_about_a_setting_shows_the_key(forks: Forks, setting: str, name: str, key: str) -> None:
    for value in (key, f"{key},{key} ", [key], {"a": key}, [{"metric_id": "A", "interval": key}], " " * 30 + key):
        config = {"api_key": f" {key}\n", setting: value}
        assert_hidden(key, "as it is", command(forks, "http://127.0.0.1:1", name, config))


# --- objects ---------------------------------------------------------------------


def reachable(*roots: object) -> Iterator[object]:
    """Return all objects of this project and of the HTTP libraries that attributes and containers lead to."""
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
def test_no_representation_of_an_object_shows_the_key(echo: Echo, key: str) -> None:
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
    """A server with a self-signed certificate."""
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


@pytest.mark.parametrize("switches", [{}, SWITCHES], ids=["no setting", "all settings"])
def test_an_untrusted_certificate_is_rejected(untrusted: Echo, forks: Forks, switches: dict[str, Any]) -> None:
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


# --- personal data ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("said", ["jane.o'neil+x@mail.example.co.uk", "+491701234567", "01GDDKASAP8TKDDA2GRZDSVP4H"])
@pytest.mark.parametrize("status", [400, 404, 500])
def test_personal_data_in_klaviyos_messages_is_masked(echo: Echo, forks: Forks, status: int, said: str) -> None:
    echo.play = ("the detail", "as it is", status)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(SPELLINGS, "as it is", lambda _: said)
        printed = command(forks, echo.url, "check", {"api_key": KEYS[0]})

    assert "The key **** may not." in printed
    assert said not in printed


PEOPLE = ("profiles", "events", "list_profiles", "conversations", "push_tokens", "global_exclusions", "reviews")


@pytest.mark.parametrize(("options", "environ"), LEVELS, ids=["info", "--debug", "LOG_LEVEL=debug"])
def test_no_log_line_contains_personal_data(forks: Forks, options: tuple[str, ...], environ: dict[str, str]) -> None:
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
