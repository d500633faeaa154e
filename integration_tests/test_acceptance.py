"""Airbyte's standard tests from the CDK, and those that it no longer contains: expected records, and a future state."""

from __future__ import annotations

import datetime as dt
import json
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pytest
from airbyte_cdk.test.standard_tests.docker_base import DockerConnectorTestSuite
from airbyte_cdk.test.standard_tests.pytest_hooks import pytest_generate_tests  # noqa: F401 - makes the scenarios
from airbyte_cdk.test.standard_tests.source_base import SourceTestSuiteBase
from typing_extensions import override

from integration_tests.acceptance import writing
from integration_tests.changes import INCLUDED
from integration_tests.connector import ALL, DECLARED, KEY, ROOT, Connector, is_incremental
from integration_tests.test_sync import assert_sound
from klaviyo_simulator import Simulator
from source_klaviyo.sync.instants import DAY, SECOND, parse_instant

if TYPE_CHECKING:
    from collections.abc import Iterator

FEW = (
    *("billing-usage", "campaign", "campaign-audience", "flow", "list", "segment", "text-messaging-configuration"),
    *("text-messaging-sender-registration", "translation"),
)
"""Types of which a small shop has few records, and maybe none of the last days."""


@cache
def temporary() -> TemporaryDirectory[str]:
    """A folder that exists as long as the tests run."""
    return TemporaryDirectory()


@cache
def connector_root() -> Path:
    """Return the project in a folder with the name that the CDK expects, and with its own secrets."""
    root = Path(temporary().name) / "source-klaviyo"
    (root / "secrets").mkdir(parents=True)
    for name in ("acceptance-test-config.yml", "metadata.yaml", "integration_tests", "source_klaviyo"):
        (root / name).symlink_to(ROOT / name)
    return root


@pytest.fixture(scope="module")
def shop() -> Iterator[Simulator]:
    """A shop of today that serves reports too."""
    with Simulator(key=KEY, advanced_kdp=True, **writing.SIZES) as simulator:
        for name in FEW:
            simulator.touch(name, simulator.ids(name if name == "billing-usage" else f"{name}s")[0])
        yield simulator


@pytest.fixture(scope="module")
def settings(shop: Simulator) -> dict[str, Any]:
    """Settings with which every stream has records, and reports few requests."""
    metric = shop.ids("metrics")[0]
    counted = {"name": "orders", "metric_id": metric, "interval": "day", "measurements": ["count"]}
    start = dt.datetime.fromtimestamp(shop.now(), dt.UTC).date() - dt.timedelta(days=20)
    return {"start_date": str(start), "metric_ids": metric, "metric_aggregates": [counted]}


@pytest.fixture(scope="module")
def secrets(shop: Simulator, settings: dict[str, Any]) -> Iterator[None]:
    """Use the simulator instead of Klaviyo, and put its key into the secrets."""
    config = connector_root() / "secrets" / "config.json"
    config.write_text(json.dumps({"api_key": KEY, **settings}), "utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KLAVIYO_API_URL", shop.url)
        yield


@pytest.mark.usefixtures("secrets")
class TestStandards(SourceTestSuiteBase):
    """The CDK's own tests, of the scenarios in acceptance-test-config.yml."""

    @classmethod
    @override
    def get_connector_root_dir(cls) -> Path:
        return connector_root()


for name, test in vars(DockerConnectorTestSuite).items():
    if any(mark.name == "image_tests" for mark in getattr(test, "pytestmark", ())):
        setattr(TestStandards, name, None)  # they build an image from files on GitHub; the image has tests of its own


def test_the_catalog_and_the_state_name_all_streams() -> None:
    configured = {one["stream"]["name"]: one["sync_mode"] for one in json.loads(writing.CATALOG.read_text())["streams"]}
    assert configured == {name: "incremental" if is_incremental(name) else "full_refresh" for name in ALL}
    assert json.loads(writing.STATE.read_text()) == writing.state(), "make generate writes it"


def test_the_expected_records_are_read(tmp_path: Path) -> None:
    expected = list(map(json.loads, writing.RECORDS.read_text("utf-8").splitlines()))
    with writing.fixed_shop() as fixed:
        found = writing.records(fixed, tmp_path)

    assert found == expected, "if Klaviyo or the made-up shop has changed, make generate writes them"


def test_a_state_in_the_future_is_logged_and_hides_no_later_change(
    shop: Simulator, settings: dict[str, Any], tmp_path: Path
) -> None:
    connector = Connector(shop.url, tmp_path, settings)
    files = {"catalog": json.loads(writing.CATALOG.read_text()), "state": json.loads(writing.STATE.read_text())}
    output = connector.run("read", **files)

    assert_sound(output, shop.now())
    for stream in filter(is_incremental, ALL):
        assert any(log.startswith(f"WARN The state of stream {stream} lies in the future") for log in output.logs)
        if stream in INCLUDED.values():
            continue  # emitted again with its parents, with any date
        cursor = str(DECLARED[stream].cursor_attribute)
        dates = [parse_instant(record[cursor]) for record in output.records[stream] if record[cursor] is not None]
        assert [date for date in dates if date <= shop.now() * SECOND - 32 * DAY] == [], stream

    changed = shop.ids("profiles")[0]
    shop.touch("profile", changed)
    assert changed in connector.read("profiles", state=output.state()).ids("profiles")
