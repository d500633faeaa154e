"""The CDK's interface of a stream, without the concurrent engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import requests
from airbyte_cdk.models import SyncMode
from airbyte_cdk.sources.streams.http import HttpStream

from source_klaviyo.config import Config
from source_klaviyo.sync.instants import Instant, parse_instant
from tools.streams import by_name
from unit_tests.fake_api import CONFIG, HOST, Client, FakeKlaviyo

if TYPE_CHECKING:
    from collections.abc import Mapping
from unit_tests.streams.core import CURSORS, NAMES
from unit_tests.streams.samples import compact, expected, resource, respond_with


def response(*resources: Mapping[str, Any], following: str | None = None) -> requests.Response:
    made = requests.Response()
    made.status_code = 200
    made._content = compact({"data": resources, "links": {"next": following}})
    return made


@pytest.mark.parametrize("name", NAMES)
def test_a_stream_is_an_http_stream_with_key_and_cursor(name: str) -> None:
    stream = by_name()[name]
    assert isinstance(stream, HttpStream)
    assert stream.primary_key == "id"
    assert stream.cursor_field == CURSORS[name]
    assert stream.url_base == f"{HOST}/api/"
    assert stream.path() == {"email_templates": "templates", "global_exclusions": "profiles"}.get(name, name)
    assert stream.supports_incremental
    declared = stream.as_airbyte_stream()
    assert declared.source_defined_cursor
    assert declared.default_cursor_field == [CURSORS[name]]
    assert declared.source_defined_primary_key == [["id"]]
    assert set(declared.supported_sync_modes) == {SyncMode.full_refresh, SyncMode.incremental}


@pytest.mark.parametrize("name", NAMES)
def test_a_response_is_parsed_into_records(name: str) -> None:
    stream = by_name()[name]
    part = stream.list_partitions(resuming=False)[0][1]
    assert list(stream.parse_response(response(resource(name)), stream_slice=part)) == [expected(name)]


@pytest.mark.parametrize("name", NAMES)
def test_the_next_page_is_that_of_the_link(name: str) -> None:
    link = f"{HOST}/api/x?page%5Bcursor%5D=abc"
    assert by_name()[name].next_page_token(response(following=link)) == {"next": link}
    assert by_name()[name].next_page_token(response()) is None


@pytest.mark.parametrize("name", NAMES)
def test_records_can_be_read_without_the_concurrent_engine(klaviyo: FakeKlaviyo, name: str) -> None:
    config = Config.parse(CONFIG, {})
    stream = type(by_name()[name])(config, Client(klaviyo, "pk_made_up"), None)  # type: ignore[arg-type]
    respond_with(klaviyo, resource(name))
    assert list(stream.read_records(SyncMode.full_refresh)) == [expected(name)]
    first = {**stream.list_partitions(resuming=False)[0][1], "start": first_start(name)}
    assert klaviyo.first_pages()[0] == stream.query(first).request_params(stream_slice=first)


def first_start(name: str) -> Instant:
    return parse_instant("2000-01-01" if name == "global_exclusions" else CONFIG["start_date"])
