"""No secret of an OAuth connection appears in the output, whatever the server sends.

Only a CONTROL message, which reports a new refresh token to the platform, contains them.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typing_extensions import override

from integration_tests.connector import catalog
from integration_tests.echo import LEVELS, PLACES, SPELLINGS, STATUSES, Echo, EchoHandler, assert_hidden, fuzz
from integration_tests.serving import serving
from klaviyo_simulator import Simulator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from integration_tests.echo import Answer
    from integration_tests.forks import Forks

CREDENTIALS = {
    "auth_type": "oauth2.0",
    "client_id": "client-0123456789-MARKED",
    "client_secret": """secret-'"<&>%41+/=;MARKED~!""",
    "refresh_token": "refresh.0123456789-abcdef_MARKED",
}
ROTATED = "rotated.0123456789-abcdef_MARKED"
ACCESS = "access.0123456789-abcdef_MARKED"
TOKEN_PLACES: dict[str, Callable[[int, str, str], Answer]] = {
    **PLACES,
    "the error": lambda status, said, _: (status, [], json.dumps({"error": said}).encode()),
    "the description": lambda status, said, _: (
        status,
        [],
        json.dumps({"error": "invalid_grant", "error_description": said}).encode(),
    ),
    "another field": lambda _, said, __: (200, [], json.dumps({"access": said}).encode()),
    "a token that is no text": lambda _, said, __: (200, [], json.dumps({"access_token": [said]}).encode()),
}


class TokenEcho(Echo):
    """Issues tokens, or repeats a secret of the request, at the current place and in the current spelling.

    Attributes:
        secret: the one that it repeats.
        at_token: whether the token endpoint repeats it, not the API.
    """

    def __init__(self) -> None:
        super().__init__()
        self.RequestHandlerClass = TokenHandler
        self.secret, self.at_token = "refresh_token", False
        self.exchanges = 0

    def token(self, basic: str, form: dict[str, list[str]]) -> Answer:
        self.exchanges += 1
        assert basic.startswith("Basic ")
        assert form["refresh_token"] == [CREDENTIALS["refresh_token"]]
        if self.at_token:
            place, spelling, status = self.play
            return TOKEN_PLACES[place](status, SPELLINGS[spelling](self.said(basic.split()[1])), self.url)
        answer = {"access_token": ACCESS, "expires_in": 3600, "refresh_token": ROTATED}
        return 200, [("Content-Type", "application/json")], json.dumps(answer).encode()

    def said(self, basic: str = "") -> str:
        return {**CREDENTIALS, "basic": basic, "access_token": ACCESS, "rotated": ROTATED}[self.secret]

    @override
    def answer(self, key: str) -> Answer:
        assert key == ACCESS
        return super().answer(self.said())


class TokenHandler(EchoHandler):
    server: TokenEcho

    @override
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        if self.path != "/oauth/token":
            self.do_GET()
            return
        status, headers, content = self.server.token(self.headers["Authorization"], parse_qs(body))
        self.send_response_only(status)
        for name, value in [*headers, ("Content-Length", str(len(content)))]:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)


@pytest.fixture(scope="module")
def echo() -> Iterator[TokenEcho]:
    with serving(TokenEcho()) as server:
        yield server


def command(forks: Forks, url: str, name: str, credentials: dict[str, str], *options: str, **environ: str) -> str:
    """Run a command for the stream lists; return what it printed, except for CONTROL messages."""
    for option, content in (("config", {"credentials": credentials}), ("catalog", catalog("lists"))):
        (forks.folder / option).write_text(json.dumps(content), "utf-8")
    files = ["--config", "config"] + (["--catalog", "catalog"] if name == "read" else [])
    forks.run(name, *files, *options, KLAVIYO_API_URL=url, **environ)
    return "".join(line for line in forks.printed.splitlines(keepends=True) if not line.startswith('{"type":"CONTROL"'))


SECRETS = ("client_id", "client_secret", "refresh_token", "basic", "access_token", "rotated")


@settings(fuzz, max_examples=150)
@given(
    st.tuples(st.sampled_from(list(TOKEN_PLACES)), st.sampled_from(list(SPELLINGS)), st.sampled_from(STATUSES)),
    st.sampled_from(SECRETS),
    st.booleans(),
    st.sampled_from(["check", "read"]),
    st.sampled_from(LEVELS),
)
def test_the_output_never_shows_a_secret(
    echo: TokenEcho,
    forks: Forks,
    play: tuple[str, str, int],
    secret: str,
    at_token: bool,
    name: str,
    level: tuple[tuple[str, ...], dict[str, str]],
) -> None:
    echo.at_token = at_token or play[0] not in PLACES
    echo.secret = secret if not echo.at_token or secret not in {"access_token", "rotated"} else "basic"
    echo.play, echo.asked, echo.exchanges = play, 0, 0
    options, environ = level
    printed = command(forks, echo.url, name, CREDENTIALS, *options, **environ)

    assert echo.exchanges if echo.at_token else echo.asked
    for one in (*CREDENTIALS.values(), ACCESS, ROTATED):
        if one != "oauth2.0":
            assert_hidden(one, play[1], printed)
    assert_hidden(echo.said("bm90aGluZw-MARKED"), play[1], printed)
    assert "MARKED" not in printed
    assert "Traceback" not in printed


@pytest.mark.parametrize("name", ["check", "read"])
@pytest.mark.parametrize(
    "wrong", ["client_id", "client_secret", "refresh_token", "access_token", "api_key", "auth_type"]
)
def test_no_error_about_a_setting_shows_a_secret(forks: Forks, wrong: str, name: str) -> None:
    for value in ("x\ny MARKED", "MARKED" * 2_000, ["MARKED"], {"a": "MARKED"}):
        credentials: dict[str, Any] = {**CREDENTIALS, wrong: value}
        printed = command(forks, "http://127.0.0.1:1", name, credentials)
        assert "MARKED" not in printed
        assert "credentials" in printed


@pytest.mark.parametrize(("options", "environ"), LEVELS, ids=["info", "--debug", "LOG_LEVEL=debug"])
def test_no_line_of_a_whole_sync_contains_a_secret(
    forks: Forks, options: tuple[str, ...], environ: dict[str, str]
) -> None:
    credentials = {**CREDENTIALS, "client_secret": "secret-0123456789-MARKED"}
    app = {name: credentials[name] for name in ("client_id", "client_secret", "refresh_token")}
    with Simulator(limits=False, events=500, profiles=50, lists=5, rotation="at_once", **app) as shop:
        shop.when_requested("/api/lists?*", 1, shop.expire_tokens)
        shop.add_faults([{"kind": "status", "status": 503, "path": "/oauth/token", "times": 1}])
        printed = command(forks, shop.url, "read", credentials, *options, **environ)
        tokens = shop.stats()["endpoints"]["/oauth/token"]["by_status"]

    assert tokens == {"200": 2, "503": 1}
    assert '"type":"RECORD"' in printed
    assert '"type":"STATE"' in printed
    assert "MARKED" not in printed
    assert "access-" not in printed
    assert "refresh-" not in printed
