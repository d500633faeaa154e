"""metadata.yaml, spec.json and the documentation: as the CDK reads them, and against each other."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import yaml
from airbyte_cdk.models import ConnectorSpecification
from airbyte_cdk.models.connector_metadata import ConnectorLanguage, MetadataFile
from airbyte_cdk.sources.utils.schema_helpers import check_config_against_spec_or_exit
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from tools import versions

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def metadata() -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((ROOT / "metadata.yaml").read_text(encoding="utf-8"))
    return content


def test_the_cdk_reads_the_metadata() -> None:
    data = MetadataFile.from_file(ROOT / "metadata.yaml").data
    assert data.language is ConnectorLanguage.PYTHON
    assert data.dockerRepository == "airbyte/source-klaviyo"
    assert data.connectorBuildOptions is not None
    base = data.connectorBuildOptions.baseImage or ""
    assert re.fullmatch(r"docker\.io/airbyte/python-connector-base:\d+\.\d+\.\d+@sha256:[0-9a-f]{64}", base)
    assert data.suggestedStreams is not None
    assert data.suggestedStreams.streams == ["events", "campaigns", "lists", "metrics", "flows"]


def test_airbytes_registry_accepts_the_metadata(metadata: dict[str, Any]) -> None:
    """The model of its schema forbids unknown fields; the CDK has only a few loose ones."""
    models = pytest.importorskip(
        "airbyte_connector_models.metadata.v0.connector_metadata_definition_v0",
        reason="airbyte-connector-models takes no Python above 3.12",
    )
    models.ConnectorMetadataDefinitionV0.model_validate(metadata)
    with pytest.raises(ValueError, match=r"data\.icn"):
        models.ConnectorMetadataDefinitionV0.model_validate({**metadata, "data": {**metadata["data"], "icn": "x.svg"}})


def test_the_metadata_identifies_the_connector_that_users_have(metadata: dict[str, Any]) -> None:
    assert metadata["metadataSpecVersion"] == "1.0"
    data = metadata["data"]
    assert data["definitionId"] == "95e8cffd-b8c4-4039-968e-d32fb4a69bde"
    assert (data["name"], data["connectorType"], data["connectorSubtype"]) == ("Klaviyo", "source", "api")
    assert data["documentationUrl"] == "https://docs.airbyte.com/integrations/sources/klaviyo"
    assert data["allowedHosts"]["hosts"] == ["a.klaviyo.com", "klaviyo.com"]
    assert data["maxSecondsBetweenMessages"] == 60
    assert set(data["tags"]) == {"language:python", "cdk:python"}


def test_suggested_streams_have_schemas(metadata: dict[str, Any]) -> None:
    for stream in metadata["data"]["suggestedStreams"]["streams"]:
        assert (ROOT / "source_klaviyo" / "schemas" / f"{stream}.json").is_file()


def test_breaking_changes_say_what_to_do_and_by_when(metadata: dict[str, Any]) -> None:
    changes = metadata["data"]["releases"]["breakingChanges"]
    assert list(changes) == ["1.0.0", "2.0.0", "3.0.0"]
    for change in changes.values():
        assert re.fullmatch(r"\d{4}-\d{2}-\d{2}", change["upgradeDeadline"])
        assert "after upgrading" in " ".join(change["message"].split())


def test_the_version_is_the_newest_of_both_changelogs(metadata: dict[str, Any]) -> None:
    version = metadata["data"]["dockerImageTag"]
    released = re.findall(r"^## \[(\d+\.\d+\.\d+)]", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    documented = re.findall(r"^\| (\d+\.\d+\.\d+) +\|", (ROOT / "docs" / "klaviyo.md").read_text("utf-8"), re.MULTILINE)
    assert released[0] == documented[0] == version


def test_the_icon_is_an_svg() -> None:
    icon = ET.fromstring((ROOT / "icon.svg").read_text(encoding="utf-8"))  # noqa: S314 our own file
    assert icon.tag == "{http://www.w3.org/2000/svg}svg"


def test_each_version_of_the_changelog_links_to_what_it_changed() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text("utf-8")
    released = re.findall(r"^## \[(.+?)]", changelog, re.MULTILINE)
    links = re.findall(r"^\[(\d.+?)]: \.\./\.\./(\S+)$", changelog, re.MULTILINE)
    since = [f"compare/v{older}...v{version}" for version, older in pairwise(released)]
    assert links == list(zip(released, [*since, f"releases/tag/v{released[-1]}"], strict=True))


def test_each_supported_python_is_tested() -> None:
    (first, beyond) = re.findall(r'python_requires=">=3\.(\d+),<3\.(\d+)"', (ROOT / "setup.py").read_text("utf-8"))[0]
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text("utf-8"))
    supported = [f"3.{minor}" for minor in range(int(first), int(beyond))]
    assert versions.declared() == supported
    assert workflow["jobs"]["test"]["strategy"]["matrix"]["python-version"] == supported


# --- the specification ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def spec() -> ConnectorSpecification:
    return ConnectorSpecification(**json.loads((ROOT / "source_klaviyo" / "spec.json").read_text(encoding="utf-8")))


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"start_date": "2020-01-31"},
        {"start_date": "2020-01-31T12:00:00Z", "num_workers": 50, "lookback_window": 0},
        {"disable_fetching_predictive_analytics": True, "metric_ids": "RESQ6t", "of": {"another": "version"}},
    ],
)
def test_settings_that_users_have_are_accepted(spec: ConnectorSpecification, settings: dict[str, Any]) -> None:
    check_config_against_spec_or_exit({"api_key": "pk_made_up", **settings}, spec)


@pytest.mark.parametrize(
    "settings",
    [
        {"api_key": None},
        {"start_date": "2020-01-31 12:00:00"},
        {"start_date": "31.01.2020"},
        {"num_workers": 0},
        {"num_workers": 51},
        {"lookback_window": -1},
    ],
)
def test_invalid_settings_are_rejected(spec: ConnectorSpecification, settings: dict[str, Any]) -> None:
    with pytest.raises(AirbyteTracedException, match="Config validation error"):
        check_config_against_spec_or_exit({"api_key": "pk_made_up", **settings}, spec)


def test_the_form_is_the_one_that_users_know(spec: ConnectorSpecification) -> None:
    form = spec.connectionSpecification
    assert (form["title"], form["additionalProperties"]) == ("Klaviyo Spec", True)
    assert "required" not in form
    assert [setting["order"] for setting in form["properties"].values()] == list(range(11))
    assert [name for name, setting in form["properties"].items() if setting.get("airbyte_secret")] == ["api_key"]
    assert "default" not in form["properties"]["num_workers"]


# --- the documentation ----------------------------------------------------------------------------------


def first_column(heading: str) -> list[str]:
    """The names in the first column of the table below a heading of the documentation."""
    page = (ROOT / "docs" / "klaviyo.md").read_text(encoding="utf-8")
    section = page.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)


def test_each_setting_is_documented(spec: ConnectorSpecification) -> None:
    assert first_column("Settings") == list(spec.connectionSpecification["properties"])
