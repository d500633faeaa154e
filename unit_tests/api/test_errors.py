"""The errors of the API: the kind of each response, its failure type, and a message that says what to do."""

from __future__ import annotations

import json
import re
from typing import NamedTuple

import pytest

from source_klaviyo.api import errors
from source_klaviyo.api.errors import (
    AccessDenied,
    BadRequest,
    Failure,
    InvalidCursor,
    InvalidKey,
    KlaviyoError,
    MissingScope,
    NotFound,
    RateLimited,
    RevisionRefused,
    ServerError,
    TransientError,
    UnknownMetric,
    UnsafeLink,
    error_of,
)

KEY = "pk_0123456789abcdefMARKED"
EDGE = b"<!DOCTYPE html>\n<html><head><title>Just a moment...</title></head><body>cf-ray</body></html>"

ADVICE = re.compile(r"\b(check|upgrade|give|try|run|start|sync|report|ask|wait|lower|update)\b", re.IGNORECASE)
"""A word that says what to do."""


def document(code: str, detail: str, *, parameter: str | None = None, pointer: str | None = None) -> bytes:
    """Klaviyo's error document."""
    source = {"parameter": parameter, "pointer": pointer}
    error = {
        "id": "0b1c7d3e-0000-4000-8000-000000000000",
        "status": 400,
        "code": code,
        "title": "Something about it.",
        "detail": detail,
        "source": {name: value for name, value in source.items() if value},
        "links": {},
        "meta": {},
    }
    return json.dumps({"errors": [error]}).encode()


def plain(status: int) -> bytes:
    return document("error", f"What Klaviyo has to say about {status}.")


class Row(NamedTuple):
    status: int
    body: bytes
    kind: type[KlaviyoError]
    failure: Failure


ROWS = {
    "redirect 301": Row(301, b"", UnsafeLink, "system"),
    "redirect 302 with a page": Row(302, EDGE, UnsafeLink, "system"),
    "redirect 308": Row(308, b"", UnsafeLink, "system"),
    "bad page size": Row(
        400, document("invalid", "Page size must be from 1 to 100.", parameter="page[size]"), BadRequest, "system"
    ),
    "bad filter": Row(400, document("invalid", "Invalid filter provided", parameter="filter"), BadRequest, "system"),
    "bad request without document": Row(400, EDGE, BadRequest, "system"),
    "bad request without body": Row(400, b"", BadRequest, "system"),
    "bad cursor by pointer's detail": Row(
        400, document("invalid", "Invalid cursor provided.", pointer="/data/"), InvalidCursor, "system"
    ),
    "bad cursor by parameter": Row(
        400, document("invalid", "Invalid input.", parameter="page[cursor]"), InvalidCursor, "system"
    ),
    "unknown revision": Row(
        400,
        document("invalid", "The revision 2026-07-15 is not available.", parameter="revision"),
        RevisionRefused,
        "config",
    ),
    "wrong key": Row(
        401, document("authentication_failed", "Incorrect authentication credentials."), InvalidKey, "config"
    ),
    "wrong key without document": Row(401, EDGE, InvalidKey, "config"),
    "missing scope": Row(
        403, document("permission_denied", "You do not have permission to perform this action."), MissingScope, "config"
    ),
    "missing scope by name": Row(
        403, document("permission_denied", "The key lacks the scope events:read."), MissingScope, "config"
    ),
    "403 without a word": Row(403, b'{"errors": [{"code": "permission_denied"}]}', MissingScope, "config"),
    "an add-on that the account lacks": Row(
        403,
        document("permission_denied", "You must have Advanced KDP enabled to use this endpoint."),
        AccessDenied,
        "config",
    ),
    "an entitlement, named in the title only": Row(
        403,
        b'{"errors": [{"code": "forbidden", "title": "Entitlement to read object types not found"}]}',
        AccessDenied,
        "config",
    ),
    "403 from the edge": Row(403, EDGE, TransientError, "transient"),
    "403 without body": Row(403, b"", TransientError, "transient"),
    "no revision for the method": Row(
        404, document("not_found", "No valid revisions found for method."), RevisionRefused, "config"
    ),
    "unknown metric": Row(
        400, document("invalid", "Metric IDs ['Ab12Cd'] do not exist.", parameter="filter"), UnknownMetric, "system"
    ),
    "not found": Row(404, document("not_found", "A profile with id 01 does not exist."), NotFound, "system"),
    "no such page": Row(404, EDGE, KlaviyoError, "system"),
    "wrong method": Row(405, plain(405), KlaviyoError, "system"),
    "not acceptable": Row(406, plain(406), KlaviyoError, "system"),
    "request timeout": Row(408, b"", TransientError, "transient"),
    "conflict": Row(409, plain(409), KlaviyoError, "system"),
    "retired revision": Row(410, plain(410), RevisionRefused, "config"),
    "retired revision without document": Row(410, b"", RevisionRefused, "config"),
    "address too long": Row(414, EDGE, KlaviyoError, "system"),
    "wrong media type": Row(415, plain(415), KlaviyoError, "system"),
    "not processable": Row(422, plain(422), KlaviyoError, "system"),
    "rate limit": Row(
        429,
        document("throttled", "Request was throttled. Expected available in 1 second."),
        RateLimited,
        "transient",
    ),
    "rate limit without body": Row(429, b"", RateLimited, "transient"),
    "500": Row(500, plain(500), ServerError, "transient"),
    "502 from the edge": Row(502, EDGE, ServerError, "transient"),
    "503": Row(503, plain(503), ServerError, "transient"),
    "504 without body": Row(504, b"", ServerError, "transient"),
    "524 from the edge": Row(524, EDGE, ServerError, "transient"),
}

each_row = pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)


def error(status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> KlaviyoError:
    found = error_of(status, headers or {}, body)
    assert found is not None
    return found


def own_words(found: KlaviyoError) -> str:
    """The message without the sentence of Klaviyo's that it quotes."""
    return str(found).partition(" Klaviyo says:")[0]


@each_row
def test_each_error_response_has_one_kind_and_one_failure_type(row: Row) -> None:
    found = error(row.status, row.body)
    assert type(found) is row.kind
    assert found.failure == row.failure


@each_row
def test_the_message_is_one_or_two_plain_sentences(row: Row) -> None:
    message = str(error(row.status, row.body))
    assert message[0].isupper()
    assert message.endswith(".")
    assert 1 <= len(re.findall(r"[.!?](?=\s|$)", own_words(error(row.status, row.body)))) <= 2
    assert not re.search(r"[<>{}\n]|Traceback|Exception", message)


@each_row
def test_the_message_names_the_status(row: Row) -> None:
    assert str(row.status) in own_words(error(row.status, row.body))


# users do not see the other kinds (a lost page cursor, a deleted resource), or the caller adds what to do
@pytest.mark.parametrize(
    "name",
    [
        "redirect 301",
        "bad filter",
        "unknown revision",
        "wrong key",
        "wrong method",
        "retired revision",
        "rate limit",
    ],
)
def test_the_message_says_what_to_do(name: str) -> None:
    assert ADVICE.search(own_words(error(ROWS[name].status, ROWS[name].body)))


@each_row
def test_the_message_repeats_nothing_of_the_headers(row: Row) -> None:
    headers = {"Authorization": f"Klaviyo-API-Key {KEY}", "Location": f"https://evil.example/{KEY}"}
    found = error(row.status, row.body, headers)
    assert KEY not in f"{found} {found!r} {found.args} {vars(found)}"


@pytest.mark.parametrize("status", [200, 201, 204, 299])
def test_a_successful_response_is_no_error(status: int) -> None:
    assert error_of(status, {}, b"") is None


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 429, 503])
def test_the_message_quotes_klaviyo(status: int) -> None:
    assert str(error(status, document("x", "Look here."))).endswith(" Klaviyo says: Look here.")


def test_the_title_is_quoted_if_there_is_no_detail() -> None:
    assert str(error(500, b'{"errors":[{"title":"Internal Server Error"}]}')).endswith("says: Internal Server Error.")


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ({"parameter": "page[size]"}, "page[size]"),
        ({"pointer": "/data/attributes/filter"}, "/data/attributes/filter"),
        ({}, "no parameter named"),
    ],
    ids=["parameter", "pointer", "nothing"],
)
def test_a_bad_request_names_the_parameter_that_klaviyo_rejects(source: dict[str, str], words: str) -> None:
    found = error(400, document("invalid", "Nonsense.", **source))
    assert isinstance(found, BadRequest)
    assert f"(400, {words})" in str(found)
    assert found.parameter == f"{' '.join(source.values())} Nonsense.".strip()


def test_the_words_of_a_server_error_do_not_change_its_kind() -> None:
    body = document("error", "The revision of the cursor broke.")
    assert type(error(500, body)) is ServerError


def test_only_a_400_is_an_error_about_the_cursor() -> None:
    assert type(error(404, document("not_found", "The cursor broke."))) is NotFound


@pytest.mark.parametrize(
    ("body", "certain"),
    [
        (document("permission_denied", "The key lacks the scope events:read."), True),
        (document("permission_denied", "You do not have permission to perform this action."), False),
        (b'{"errors": [{"code": "permission_denied"}]}', False),
    ],
    ids=["named", "generic", "silent"],
)
def test_a_missing_scope_is_certain_only_if_klaviyo_names_it(body: bytes, certain: bool) -> None:
    found = error(403, body)
    assert isinstance(found, MissingScope)
    assert found.certain is certain


@pytest.mark.parametrize(
    "body",
    [
        b'{"errors":[]}',
        b'{"errors":[{}]}',
        b'{"errors":[{"detail":null,"source":null}]}',
        b'{"errors":[{"source":{}}]}',
        b'{"errors":[{"detail":"  "}]}',
        b'{"errors":[{"id":5,"status":"400","code":"x","new":[1]}],"jsonapi":{"version":"1.0"}}',
    ],
)
def test_an_error_document_may_lack_any_part(body: bytes) -> None:
    assert type(error(403, body)) is MissingScope
    assert type(error(404, body)) is NotFound
    assert "Klaviyo says" not in str(error(503, body))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b'"no"',
        b"{}",
        b'{"errors":{}}',
        b'{"errors":[{"detail"',
        b"\xff\xfe",
        b'{"detail":"no"}',
        EDGE,
    ],
    ids=["empty", "null", "list", "text", "object", "errors no list", "cut off", "binary", "other JSON", "HTML"],
)
def test_a_403_without_klaviyos_error_document_is_transient(body: bytes) -> None:
    assert type(error(403, body)) is TransientError


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("", None),
        ("0", 0.0),
        ("1", 1.0),
        (" 30 ", 30.0),
        ("0.5", 0.5),
        ("73473", 73473.0),
        ("9" * 400, None),
        ("-1", None),
        ("nan", None),
        ("inf", None),
        ("soon", None),
        ("Fri, 31 Dec 2027 23:59:59 GMT", None),
    ],
    ids=lambda value: str(value)[:30],
)
def test_retry_after_is_a_number_of_seconds_or_unknown(header: str | None, seconds: float | None) -> None:
    found = error(429, b"", {} if header is None else {"Retry-After": header})
    assert isinstance(found, RateLimited)
    assert found.retry_after == seconds


def test_a_503_may_have_a_retry_after_as_well() -> None:
    found = error(503, b"", {"Retry-After": "7"})
    assert isinstance(found, TransientError)
    assert found.retry_after == 7.0


def test_the_docstring_draws_the_tree_of_errors() -> None:
    drawn: dict[str, str] = {}
    parents = {0: "KlaviyoError"}
    for line in (errors.__doc__ or "").splitlines():
        if found := re.match(r"    ([│ ├└─]+)([A-Z]\w+)", line):
            depth = len(found[1]) // 4
            drawn[found[2]] = parents[depth - 1]
            parents[depth] = found[2]
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, KlaviyoError)]
    assert drawn == {
        kind.__name__: kind.__base__.__name__ for kind in kinds if kind.__base__ and kind is not KlaviyoError
    }
