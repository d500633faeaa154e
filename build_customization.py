"""Hooks for Airbyte's image builder, which runs them before and after it installs the connector.

``airbyte-ci`` loads this file by its path and calls the two functions with the image at that stage. Builds
from a Dockerfile do not use it.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dagger import Container

ROOT = Path(__file__).parent


async def pre_connector_install(base_image_container: Container) -> Container:
    """Prepare the base image, before the connector is installed.

    ``PYTHONFAULTHANDLER`` makes a crash outside Python (in a decoder written in C, say) leave a stack trace
    in the sync's log, which otherwise just ends.
    """
    return base_image_container.with_env_variable("PYTHONFAULTHANDLER", "1")


async def post_connector_install(connector_container: Container) -> Container:
    """Label the finished image with the connector's version and the revision of Klaviyo's API that it requests."""
    version = _value("metadata.yaml", r"^  dockerImageTag: (\S+)$")
    revision = _value("source_klaviyo/api/client.py", r'^REVISION = "([^"]+)"$')
    return (
        connector_container.with_label("org.opencontainers.image.title", "source-klaviyo")
        .with_label("org.opencontainers.image.version", version)
        .with_label("org.opencontainers.image.licenses", "MIT")
        .with_label("com.klaviyo.api.revision", revision)
    )


def _value(file: str, pattern: str) -> str:
    """Read one value from a file of the project, which the builder has not installed and cannot import."""
    found = re.search(pattern, (ROOT / file).read_text("utf-8"), re.MULTILINE)
    if not found:
        raise ValueError(f"{file} has no line like {pattern}")
    return found[1]
