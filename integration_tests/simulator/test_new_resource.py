"""A resource that is added to the facts is served with made-up records, without a change to the simulator."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests

from integration_tests.simulator.conftest import HEADERS

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
FACTS = """
operations:
  GET /api/parcels:
    answers: many parcel
    scopes: ['parcels:read']
    rate: 10/s 150/min
    page: {default: 2, maximum: 3}
    filters:
      state: {type: string, operators: [equals], values: [sent, lost]}
      updated: {type: date-time, operators: [greater-than, less-than]}
    sorts: [updated]
    includes: [profile]
    additional_fields: [contents]
    fieldsets: [parcel, profile]
  GET /api/parcels/{id}:
    answers: one parcel
    scopes: ['parcels:read']
    rate: 1/s 15/min
    fieldsets: [parcel]
    without: [contents]
resources:
  parcel:
    id: ID of the parcel.
    attributes:
      state: {type: string, values: [sent, lost]}
      updated: {type: date-time}
      tracking_url: {type: string or null}
      weight: {type: number}
      insured: {type: boolean}
      contents: {type: array of object}
      contents[].name: {type: string}
      contents[].count: {type: integer or null}
      address: {type: object}
      address.country: {type: string}
    relationships:
      profile: {to: one profile}
"""


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a copy of the simulator whose facts have one more resource."""
    copy = tmp_path_factory.mktemp("copy")
    for folder in ("facts", "klaviyo_simulator"):
        shutil.copytree(ROOT / folder, copy / folder, ignore=shutil.ignore_patterns("__pycache__"))
    (copy / "facts" / HEADERS["revision"] / "parcels.yaml").write_text(FACTS, "utf-8")
    command = [sys.executable, "-m", "klaviyo_simulator", "--port", "0", "--no-limits"]
    with subprocess.Popen(command, cwd=copy, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        ready = re.search(r"ready at (\S+)", process.stderr.readline())
        assert ready
        yield ready[1]
        process.terminate()


def get(url: str, status: int = 200, **parameters: Any) -> Any:
    response = requests.get(url, headers=HEADERS, params=parameters, timeout=10)
    assert response.status_code == status, response.text
    return response.json()


def test_its_collection_has_pages(url: str) -> None:
    page = get(f"{url}/api/parcels", sort="-updated")
    records = page["data"]
    assert len(records) == 2
    while page["links"]["next"]:
        page = get(page["links"]["next"])
        records += page["data"]
    assert len({record["id"] for record in records}) == len(records) > 2
    moments = [record["attributes"]["updated"] for record in records]
    assert moments == sorted(moments, reverse=True)


def test_its_records_match_the_facts(url: str) -> None:
    for record in get(f"{url}/api/parcels?additional-fields[parcel]=contents", include="profile")["data"]:
        attributes = record["attributes"]
        assert attributes.keys() == {"state", "updated", "tracking_url", "weight", "insured", "contents", "address"}
        assert attributes["state"] in {"sent", "lost"}
        assert isinstance(attributes["weight"], (int, float))
        assert isinstance(attributes["insured"], bool)
        assert isinstance(attributes["address"]["country"], str)
        assert all(isinstance(each["name"], str) for each in attributes["contents"])
        assert record["relationships"]["profile"]["data"]["type"] == "profile"
        assert record["links"] == {"self": f"https://a.klaviyo.com/api/parcels/{record['id']}"}


def test_a_record_is_read_by_id(url: str) -> None:
    (record, *_) = get(f"{url}/api/parcels")["data"]
    assert get(f"{url}/api/parcels/{record['id']}")["data"] == record
    get(f"{url}/api/parcels/nothing", status=404)


@pytest.mark.parametrize(
    "parameters",
    [
        {"sort": "weight"},
        {"page[size]": 4},
        {"include": "lists"},
        {"filter": "equals(weight,1)"},
        {"filter": "equals(state,'open')"},
        {"additional-fields[parcel]": "weight"},
        {"fields[parcel]": "height"},
    ],
    ids=str,
)
def test_parameters_that_the_facts_do_not_allow_are_rejected(url: str, parameters: dict[str, Any]) -> None:
    get(f"{url}/api/parcels", status=400, **parameters)


def test_its_records_can_be_changed(url: str) -> None:
    body = json.dumps({"type": "parcel", "attributes": {"state": "lost"}})
    (made,) = requests.post(f"{url}/_simulator/create", data=body, timeout=10).json()
    found = get(f"{url}/api/parcels", sort="-updated", filter="equals(state,'lost')")["data"]
    assert found[0]["id"] == made
    assert made in requests.get(f"{url}/_simulator/ids?resource=parcels", timeout=10).json()
