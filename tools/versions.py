"""Run the unit tests with each supported Python that this machine has.

    python -m tools.versions [VERSION ... | bounds]

`bounds` are the oldest and the newest supported version, without the one that runs this: `make unit` has tested it.
Each version gets its own environment in `build/`. A version that is not installed is named and left out.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ROOT = Path(__file__).resolve().parent.parent


def declared() -> list[str]:
    """Return the supported versions: those that setup.py names, such as 3.11."""
    return re.findall(r'"Programming Language :: Python :: (3\.\d+)"', (ROOT / "setup.py").read_text("utf-8"))


def interpreter(version: str) -> str | None:
    """Find a Python of this version on the path or among those of pyenv."""
    for command in _candidates(version):
        try:
            done = subprocess.run([command, "--version"], check=False, capture_output=True, text=True)
        except OSError:
            continue
        if done.stdout.startswith(f"Python {version}."):  # a shim of pyenv may be there without a Python behind it
            return command
    return None


def passes(version: str, command: str) -> bool:
    """Run the unit tests with the Python at this path; return whether they pass."""
    home = ROOT / "build" / f"python-{version}"
    python = str(home / "bin" / "python")
    install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--editable", ".[dev]"]
    return all(
        not subprocess.run(step, cwd=ROOT, check=False).returncode
        for step in (
            [command, "-m", "venv", str(home)],
            install,
            [python, "-m", "pytest", "--quiet", "--numprocesses", "auto", "unit_tests"],
        )
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Test the given versions, or all; return the exit code."""
    results: dict[str, str] = {}
    for version in _chosen(sys.argv[1:] if arguments is None else arguments):
        command = interpreter(version)
        if command is None:
            results[version] = "is not on this machine"
        else:
            results[version] = "passes" if passes(version, command) else "fails"
    for version, result in results.items():
        print(f"Python {version} {result}")
    return int("fails" in results.values())


def _chosen(arguments: Sequence[str]) -> Sequence[str]:
    if list(arguments) != ["bounds"]:
        return arguments or declared()
    running = f"3.{sys.version_info.minor}"
    return [version for version in (declared()[0], declared()[-1]) if version != running]


def _candidates(version: str) -> Iterator[str]:
    yield f"python{version}"
    home = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    yield from map(str, sorted(home.glob(f"versions/{version}.*/bin/python"), reverse=True))


if __name__ == "__main__":
    sys.exit(main())
