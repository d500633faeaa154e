"""The entry point, which Airbyte starts."""

from __future__ import annotations

import json
import sys
from importlib.resources import files

from source_klaviyo.airbyte.stdout import Output


def run() -> None:
    """Run the command of the command line and exit."""
    arguments = sys.argv[1:]
    output = Output()
    output.install_signal_handlers()
    if arguments == ["spec"]:
        output.write(f"{spec_message()}\n".encode())
        output.exit(0)
    # importing the CDK takes two seconds, which only the other commands need
    from source_klaviyo.entrypoint import launch  # noqa: PLC0415

    launch(arguments, output)


def spec_message() -> str:
    """Return the SPEC message as the CDK would print it."""
    spec = json.loads(files("source_klaviyo").joinpath("spec.json").read_text("utf-8"))
    defaults = {"supportsNormalization": False, "supportsDBT": False}
    ordered = {name: spec[name] for name in ("connectionSpecification", "documentationUrl")}
    message = {"type": "SPEC", "spec": {**ordered, **defaults, "advanced_auth": spec["advanced_auth"]}}
    return json.dumps(message, ensure_ascii=False, separators=(",", ":"))
