"""The hooks for Airbyte's image builder, called the way it calls them."""

from __future__ import annotations

import asyncio
import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from source_klaviyo.api.client import REVISION

if TYPE_CHECKING:
    from types import ModuleType

ROOT = Path(__file__).parent.parent


class Container:
    """A stand-in for dagger's container: each call returns a new one."""

    def __init__(self, env: dict[str, str] | None = None, labels: dict[str, str] | None = None) -> None:
        self.env = env or {}
        self.labels = labels or {}

    def with_env_variable(self, name: str, value: str) -> Container:
        return Container({**self.env, name: value}, self.labels)

    def with_label(self, name: str, value: str) -> Container:
        return Container(self.env, {**self.labels, name: value})


@pytest.fixture
def hooks() -> ModuleType:
    """The module, loaded by its path from a directory that is not on the path."""
    spec = importlib.util.spec_from_file_location("build_customization", ROOT / "build_customization.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_base_image_shows_crashes_outside_python(hooks: ModuleType) -> None:
    base = Container({"PATH": "/usr/bin"})
    built = asyncio.run(hooks.pre_connector_install(base))
    assert built.env == {"PATH": "/usr/bin", "PYTHONFAULTHANDLER": "1"}
    assert base.env == {"PATH": "/usr/bin"}


def test_the_image_is_labelled_with_version_and_revision(hooks: ModuleType) -> None:
    metadata = yaml.safe_load((ROOT / "metadata.yaml").read_text(encoding="utf-8"))["data"]
    built = asyncio.run(hooks.post_connector_install(Container(labels={"kept": "yes"})))
    assert built.labels == {
        "kept": "yes",
        "org.opencontainers.image.title": "source-klaviyo",
        "org.opencontainers.image.version": metadata["dockerImageTag"],
        "org.opencontainers.image.licenses": "MIT",
        "com.klaviyo.api.revision": REVISION,
    }


def test_a_missing_value_stops_the_build(hooks: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "metadata.yaml").write_text("data: {}\n", encoding="utf-8")
    monkeypatch.setattr(hooks, "ROOT", tmp_path)
    with pytest.raises(ValueError, match=r"metadata\.yaml has no line"):
        asyncio.run(hooks.post_connector_install(Container()))
