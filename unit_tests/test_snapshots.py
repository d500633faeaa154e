"""Nothing that users rely on changes: neither users of Airbyte's connector nor of the last snapshot."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tools import snapshots, tables

if TYPE_CHECKING:
    from collections.abc import Callable

AIRBYTE = yaml.safe_load((Path(__file__).parent / "snapshots" / "airbyte-2.13.1.yaml").read_text("utf-8"))
NOW = snapshots.current()

FOLLOWS = "Klaviyo has never sent it so: the relationship leads to many flows, not to one"
DIFFERENT = {
    "settings start_date": "takes a plain date too",
    "settings num_workers": "has no default: the connector finds the best number by itself",
    **{
        f"streams {stream} fields relationships.flow-triggers.data{below}": FOLLOWS
        for stream in ("lists", "lists_detailed", "metrics")
        for below in ("", ".type", ".id")
    },
}
"""Differences of this connector from Airbyte's 2.13.1, and why they are better."""


def test_users_of_airbytes_connector_lose_nothing_without_a_reason() -> None:
    found = {line.partition(" was ")[0].removesuffix(" is gone") for line in snapshots.breaks(AIRBYTE, NOW)}
    assert found == DIFFERENT.keys()


def test_nothing_has_broken_since_the_snapshot() -> None:
    broken = list(snapshots.breaks(yaml.safe_load(snapshots.SNAPSHOT.read_text("utf-8")), NOW))
    assert not broken, "these changes would break syncs; see tools/snapshots.py if they are meant"


SMALL: dict[str, Any] = {
    "settings": {"key": "required secret string", "since": "string"},
    "streams": {
        "trees": {
            "revision": "2026-07-15",
            "key": "id",
            "cursor": "updated",
            "modes": {"full_refresh": True, "incremental": True},
            "fields": {"id": "string", "height": "number"},
        }
    },
}


def edited(*changes: Callable[[dict[str, Any], dict[str, Any]], object]) -> dict[str, Any]:
    """A copy of the small one after changes of its settings and of its stream."""
    tree = deepcopy(SMALL)
    for change in changes:
        change(tree["settings"], tree["streams"]["trees"])
    return tree


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (lambda settings, _: settings.pop("since"), "settings since is gone"),
        (lambda settings, _: settings.update(since="integer"), "settings since was string, is integer"),
        (
            lambda settings, _: settings.update(since="required string"),
            "settings since was string, is required string",
        ),
        (lambda settings, _: settings.update(to="required string"), "settings to is new and required"),
        (lambda _, trees: trees.update(key="name"), "streams trees key was id, is name"),
        (
            lambda _, trees: trees.update(revision="2026-10-15"),
            "streams trees revision was 2026-07-15, is 2026-10-15",
        ),
        (lambda _, trees: trees.update(cursor="born"), "streams trees cursor was updated, is born"),
        (lambda _, trees: trees["modes"].pop("incremental"), "streams trees modes incremental is gone"),
        (lambda _, trees: trees["fields"].pop("height"), "streams trees fields height is gone"),
        (
            lambda _, trees: trees["fields"].update(height="string"),
            "streams trees fields height was number, is string",
        ),
    ],
)
def test_a_breaking_change_is_named(change: Callable[[dict[str, Any], dict[str, Any]], object], line: str) -> None:
    assert list(snapshots.breaks(SMALL, edited(change))) == [line]


SPEC = json.loads(tables.SPEC.read_text("utf-8"))


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (lambda form, _: form["properties"].pop("api_key"), "settings api_key is gone"),
        (lambda form, _: form.update(required=["credentials"]), "settings credentials was object, is required object"),
        (
            lambda form, _: form["properties"]["credentials"]["oneOf"].pop(0),
            "settings credentials[oauth2_0] is gone",
        ),
        (
            lambda form, _: form["properties"]["credentials"]["oneOf"][0]["required"].append("access_token"),
            "settings credentials[oauth2_0].access_token was secret string, is required secret string",
        ),
        (
            lambda form, _: form["properties"]["credentials"]["oneOf"][1]["properties"]["auth_type"].update(
                const="key"
            ),
            "settings credentials[api_key] is gone",
        ),
        (
            lambda _, auth: auth.update(predicate_value="OAuth2.0"),
            "oauth predicate was credentials.auth_type oauth2.0, is credentials.auth_type OAuth2.0",
        ),
        (
            lambda _, auth: auth["oauth_config_specification"]["complete_oauth_output_specification"]["properties"][
                "refresh_token"
            ].update(path_in_connector_config=["refresh_token"]),
            "oauth refresh_token was credentials.refresh_token, is refresh_token",
        ),
    ],
)
def test_a_change_that_breaks_how_connections_authenticate_is_named(
    change: Callable[[dict[str, Any], dict[str, Any]], object], line: str
) -> None:
    now = deepcopy(SPEC)
    change(now["connectionSpecification"], now["advanced_auth"])
    described = snapshots.described(now["connectionSpecification"], (), now["advanced_auth"])

    assert line in list(snapshots.breaks({**NOW, "streams": {}}, described))


def test_the_cdk_finds_no_breaking_change_since_only_the_api_key_authenticated() -> None:
    compatibility = pytest.importorskip("airbyte_cdk.test.standard_tests._spec_compatibility")
    before = deepcopy(SPEC)
    del before["advanced_auth"]
    del before["connectionSpecification"]["properties"]["credentials"]
    before["connectionSpecification"]["required"] = ["api_key"]

    assert compatibility.compare_specs(before, SPEC).breaking == []
    assert compatibility.compare_specs(SPEC, before).breaking


def test_a_removed_stream_is_one_line() -> None:
    assert list(snapshots.breaks(SMALL, {**SMALL, "streams": {}})) == ["streams trees is gone"]


def test_additions_break_nothing() -> None:
    more = edited(
        lambda settings, _: settings.update({"of": "array", "of[]": "object", "of[].name": "required string"}),
        lambda settings, _: settings.update(key="secret string"),  # need no longer be given
        lambda _, trees: trees["fields"].update(age="integer"),
    )
    more["streams"]["leaves"] = SMALL["streams"]["trees"]

    assert list(snapshots.breaks(SMALL, more)) == []


def test_additions_are_written_and_breaking_changes_rejected_unless_intended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshots, "SNAPSHOT", tmp_path / "connector.yaml")
    more = edited(lambda _, trees: trees["fields"].update(age="integer"))
    for now, breaking in ((SMALL, False), (more, False), (SMALL, True)):
        monkeypatch.setattr(snapshots, "current", lambda tree=now: tree)
        ((path, text),) = snapshots.generated(breaking=breaking)
        path.write_text(text, "utf-8")
        assert yaml.safe_load(text) == now
    snapshots.SNAPSHOT.write_text(yaml.safe_dump(more), "utf-8")
    with pytest.raises(snapshots.Breaking, match="streams trees fields age is gone"):
        list(snapshots.generated())
