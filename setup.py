"""Packaging. The version is the image tag in metadata.yaml, and stands nowhere else."""

import re
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).parent


def version() -> str:
    """The connector's version, as metadata.yaml declares it."""
    found = re.search(r"^  dockerImageTag: (\S+)$", (ROOT / "metadata.yaml").read_text("utf-8"), re.MULTILINE)
    if not found:
        raise RuntimeError("metadata.yaml holds no dockerImageTag")
    return found.group(1)


SIMULATOR = [
    "aiohttp>=3.10,<4",  # the stand-in for the API is an aiohttp application
    "numpy>=1.26,<3",  # and puts pages of events together faster than they can be read
]
DEMO = ["duckdb>=1.1"]  # the demo's local warehouse, which PyAirbyte's files are looked into with too
TESTS = [
    "airbyte-connector-models>=0.1.12; python_version < '3.13'",  # Airbyte's schema of metadata.yaml; takes no newer
    "docker>=7.1",  # builds the image and runs it
    "hypothesis>=6.100",  # properties of windows and states
    "jsonschema>=4.17",  # what the CDK needs too; validates records as Airbyte does
    "klaviyo-api==24.0.0",  # Klaviyo's own client has to understand the simulator; make adds that of the later revision
    "mypy>=1.15",  # knows Python 3.13
    "pip-audit>=2.7",  # make audit
    "pip-tools>=7.4",  # make lock
    "pre-commit>=4",  # runs `make lint types` before a commit, for those who want it
    "pytest>=8",  # imports tests by their path
    "pytest-cov>=7",  # with coverage 7.10 and newer, which follows processes that end with os._exit
    "pytest-xdist>=3.6",  # the tests of the whole wait a lot, so that two at a time take half as long
    "requests-mock>=1.12",  # answers of the API in unit tests
    "ruff==0.17.6",  # exact: a newer formatter may lay out the same code otherwise
    "types-requests",  # the newest types are the best ones
    "types-jsonschema",
    "types-PyYAML",
]

setup(
    name="airbyte-source-klaviyo",
    version=version(),
    description="Airbyte source connector for Klaviyo",
    long_description=(ROOT / "README.md").read_text("utf-8"),
    long_description_content_type="text/markdown",
    license="MIT",
    python_requires=">=3.11,<3.14",  # `make versions` tests each of them
    classifiers=[
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
    ],
    packages=find_packages(include=["source_klaviyo", "source_klaviyo.*"]),
    package_data={"source_klaviyo": ["spec.json", "schemas/*.json", "py.typed"]},
    install_requires=[
        "airbyte-cdk>=7.39,<8",  # docs/architecture.md says what is used of it
        "msgspec>=0.19,<1",  # decodes pages and keeps the opaque parts as bytes
        "requests>=2.32.2,<3",  # HTTP; review a new major version first
        "rich>=13.7,<16",  # draws the progress of a read for a person at a terminal
        "typing_extensions>=4.12",  # @override, which `typing` has from Python 3.12 on
        "urllib3>=2.6,<3",  # decompresses no more than it is asked for; errors of bodies that break while they are read
    ],
    extras_require={"dev": [*SIMULATOR, *DEMO, *TESTS]},
    entry_points={"console_scripts": ["source-klaviyo=source_klaviyo.run:run"]},
)
