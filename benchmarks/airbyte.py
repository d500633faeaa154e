"""Airbyte's own connector, from its last Python package, set up to read from the simulator."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from benchmarks.table import UnmeasurableError
from integration_tests.connector import ROOT, Connector
from klaviyo_simulator.rules.facts import REVISION
from tools.versions import interpreter

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.simulator import Simulator

PACKAGE = "airbyte-source-klaviyo==2.13.1"
HOME = Path(__file__).parent / ".venv-airbyte"
PYTHON = HOME / "bin" / "python"
READY = HOME / "ready"

_INSTALLING = Lock()

END = """end_datetime: "{{ (now_utc() - duration('PT2S')).strftime('%Y-%m-%dT%H:%M:%SZ') }}\""""


def connector(simulator: Simulator, start_date: str, say: Callable[[str], None], **settings: Any) -> Connector:
    """Copy the package and change four places of its manifest, which does not affect its speed.

    The address and the revision become the simulator's; dates are written `…Z` instead of `…+0000`, and the last
    window ends two seconds ago instead of now, since the simulator takes neither RFC 822 zones nor the future.

    Raises:
        UnmeasurableError: it cannot be installed here.
    """
    with _INSTALLING:
        _install(say)
    package = _run([str(PYTHON), "-c", "import source_klaviyo; print(source_klaviyo.__path__[0])"], HOME)
    copy = simulator.folder / "source_klaviyo"
    shutil.copytree(package, copy, dirs_exist_ok=True)
    manifest = copy / "manifest.yaml"
    text = manifest.read_text("utf-8")
    for old, new in (
        (r"https://a\.klaviyo\.com/", f"{simulator.url}/"),
        (r"(Revision: ).*", rf'\1"{REVISION}"'),
        (r"(\bdatetime_format: .*)%z", r"\1Z"),
        (r"^( *)(start_datetime: .*)$", lambda found: f"{found[1]}{found[2]}\n{found[1]}{END}"),
    ):
        text, changes = re.subn(old, new, text, flags=re.MULTILINE)
        if not changes:
            raise UnmeasurableError(f"the manifest of {PACKAGE} is not as expected: it has no {old}")
    manifest.write_text(text, "utf-8")
    program = (str(PYTHON), "-c", "from source_klaviyo.run import run; run()")
    return Connector(simulator.url, simulator.folder, {"start_date": start_date, **settings}, program)


def _install(say: Callable[[str], None]) -> None:
    if READY.exists():
        return
    base = interpreter("3.11")
    if base is None:
        raise UnmeasurableError(f"{PACKAGE} needs Python 3.11; it takes no newer one")
    say(f"installing {PACKAGE}, once; this takes a minute or two")
    _run([base, "-m", "venv", str(HOME)], ROOT)
    (HOME / ".gitignore").write_text("*\n", "utf-8")
    _run([str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", PACKAGE], HOME)
    READY.touch()


def _run(command: list[str], folder: Path) -> str:
    """Run a command and return what it prints.

    Raises:
        UnmeasurableError: it has failed.
    """
    done = subprocess.run(command, cwd=folder, check=False, capture_output=True, text=True)
    if done.returncode:
        raise UnmeasurableError(f"{PACKAGE} cannot be set up: {done.stderr.strip().splitlines()[-1:]}")
    return done.stdout.strip()
