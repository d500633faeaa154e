"""spec, check and discover, and the errors that a user sees when something is wrong."""

from __future__ import annotations

import socket
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from integration_tests.connector import ALL, DECLARED, KEY, Connector, catalog
from klaviyo_simulator import Simulator

if TYPE_CHECKING:
    from pathlib import Path

SECRET = "pk_do_not_show_this_anywhere"


def status(connector: Connector) -> tuple[str, str, str]:
    """Run a check; return its status, its message and its logs."""
    output = connector.run("check")
    (message,) = output.others
    connection = message["connectionStatus"]
    printed = "\n".join([connection.get("message") or "", *output.logs, output.stderr])
    assert SECRET not in printed
    assert "Traceback" not in printed
    return connection["status"], connection.get("message") or "", "\n".join(output.logs)


def test_spec_is_the_same_with_and_without_the_cdk(connector: Connector) -> None:
    command = connector.command("spec")
    quickly, by_the_cdk = (
        [line for line in subprocess.check_output(arguments).splitlines() if b'"SPEC"' in line]
        for arguments in (command, [*command, "--debug"])  # with an option, the CDK answers
    )
    assert quickly == by_the_cdk
    assert len(quickly) == 1


def test_spec_asks_for_a_secret_key_or_for_oauth(connector: Connector) -> None:
    (quick,) = connector.run("spec").others
    form = quick["spec"]["connectionSpecification"]
    assert "required" not in form
    assert form["properties"]["api_key"]["airbyte_secret"] is True
    oauth, key = form["properties"]["credentials"]["oneOf"]
    for variant in (oauth, key):
        secrets = {name for name, field in variant["properties"].items() if field.get("airbyte_secret")}
        assert secrets == set(variant["properties"]) - {"auth_type", "token_expiry_date"}
    assert quick["spec"]["advanced_auth"]["predicate_value"] == oauth["properties"]["auth_type"]["const"]


def test_discover_lists_every_stream_with_key_cursor_and_sync_modes(connector: Connector) -> None:
    (message,) = connector.run("discover").others
    streams = {stream["name"]: stream for stream in message["catalog"]["streams"]}

    assert sorted(streams) == sorted(ALL)
    for name, stream in streams.items():
        key, cursor = DECLARED[name].primary_key, DECLARED[name].cursor_attribute
        fields = [key] if isinstance(key, str) else key
        assert stream["source_defined_primary_key"] == [[field] for field in fields]
        assert {*fields, *([cursor] if cursor else [])} <= stream["json_schema"]["properties"].keys(), name
        if cursor is None:
            assert stream["supported_sync_modes"] == ["full_refresh"]
            continue
        assert stream["supported_sync_modes"] == ["full_refresh", "incremental"]
        assert stream["default_cursor_field"] == [cursor]
        assert stream["source_defined_cursor"] is True
        assert stream["is_resumable"] is DECLARED[name].is_resumable


def test_check_succeeds_and_names_the_account(connector: Connector) -> None:
    result, message, logs = status(connector)

    assert (result, message) == ("SUCCEEDED", "")
    assert "belongs to the Klaviyo account" in logs


def test_check_with_a_wrong_key_fails_with_one_sentence(connector: Connector) -> None:
    connector.settings["api_key"] = SECRET
    result, message, _ = status(connector)

    assert result == "FAILED"
    assert "does not accept the API key" in message


def test_check_with_a_key_for_some_streams_succeeds_and_lists_the_others(tmp_path: Path) -> None:
    with Simulator(key=KEY, limits=False, events=10, profiles=10, scopes=["events:read", "lists:read"]) as shop:
        result, _, logs = status(Connector(shop.url, tmp_path))

    assert result == "SUCCEEDED"
    assert "profiles:read" in logs
    assert "global_exclusions, list_profiles, profiles, push_tokens, segment_profiles" in logs


def test_check_with_a_key_for_no_stream_fails_and_lists_the_scopes(tmp_path: Path) -> None:
    with Simulator(key=KEY, limits=False, events=10, profiles=10, scopes=[]) as shop:
        result, message, _ = status(Connector(shop.url, tmp_path))

        assert shop.stats()["endpoints"]["/api/accounts"]["requests"] == 1
    assert result == "FAILED"
    assert "accounts:read" in message
    assert "events:read" in message


def test_a_missing_scope_fails_only_the_streams_that_need_it(tmp_path: Path) -> None:
    with Simulator(key=KEY, limits=False, events=10, profiles=10, scopes=["events:read", "lists:read"]) as shop:
        output = Connector(shop.url, tmp_path).read("lists", "profiles")

    assert output.code == 1
    assert output.statuses["lists"][-1] == "COMPLETE"
    assert output.statuses["profiles"][-1] == "INCOMPLETE"
    (error,) = [error for error in output.errors if error.get("stream_descriptor")]
    assert error["failure_type"] == "config_error"
    assert "profiles:read" in error["message"]
    assert not any("Traceback" in log for log in output.logs)


def test_check_of_an_unreachable_host_fails_with_one_sentence(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        result, message, _ = status(Connector(f"http://127.0.0.1:{taken.getsockname()[1]}", tmp_path))

    assert result == "FAILED"
    assert "cannot be reached" in message


@pytest.mark.parametrize(
    ("files", "words"),
    [
        pytest.param({"catalog": {"streams": "none"}}, "catalog", id="catalog of another shape"),
        pytest.param({"catalog": catalog("nonsense")}, "nonsense", id="unknown stream"),
        pytest.param({"catalog": catalog("lists"), "state": "nothing"}, "state", id="state that is a string"),
        pytest.param(
            {"catalog": catalog("lists"), "state": {"lists": {"updated": "yesterday"}}},
            "yesterday",
            id="state without a date",
        ),
    ],
)
def test_invalid_input_is_a_config_error(connector: Connector, files: dict[str, Any], words: str) -> None:
    output = connector.run("read", **files)

    assert output.code == 1
    assert {error["failure_type"] for error in output.errors} == {"config_error"}
    assert words in output.errors[0]["message"]
    assert "Traceback" not in "".join([*output.logs, output.stderr])
