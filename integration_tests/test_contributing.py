"""The steps of CONTRIBUTING.md for a new stream are complete: they turn a project without it into one with it."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from integration_tests.connector import ROOT

PAGE = "CONTRIBUTING.md"
NAMED = re.compile(r"web.?feed", re.IGNORECASE)
EXEMPT = re.compile(r"CONTRIBUTING\.md|benchmarks/.*|klaviyo_simulator/.*|(unit|integration)_tests/.*\.py")
"""Files that name the stream without being derived from it: this page, and tests and data about the stream itself."""


class Edit:
    """A block of the page: lines to add to a file, which may be new, at a place that its context shows."""

    def __init__(self, block: str) -> None:
        _, target, *lines = block.splitlines(keepends=True)
        self.file = target.strip().removeprefix("+++ b/")
        self.with_stream = "".join(line[1:] for line in lines if line[0] in " +")
        self.without = "".join(line[1:] for line in lines if line[0] in " -")

    def undo(self, project: Path) -> None:
        """Remove the lines, and the file if it has no others."""
        path = project / self.file
        self._replace(path, self.with_stream, self.without)
        if not self.without:
            path.unlink()

    def follow(self, project: Path) -> None:
        """Add the lines."""
        path = project / self.file
        if not self.without:
            path.touch(exist_ok=False)
        self._replace(path, self.without, self.with_stream)

    def _replace(self, path: Path, old: str, new: str) -> None:
        text = path.read_text("utf-8")
        assert text.count(old) == 1, f"{PAGE} shows lines that {self.file} does not have once:\n{old}"
        path.write_text(text.replace(old, new), "utf-8")


def section() -> str:
    """Return the section of the page about a stream."""
    return (ROOT / PAGE).read_text("utf-8").partition("\n## Add a stream\n")[2].partition("\n## ")[0]


def tracked() -> list[str]:
    """Return the files of the project, also new ones, but not those that tools leave behind."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines()
    return [name for name in listed if (ROOT / name).is_file()]


def files(project: Path) -> dict[str, bytes]:
    """Return the content of each file of a copy."""
    paths = (path for path in project.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {path.relative_to(project).as_posix(): path.read_bytes() for path in paths}


def make(project: Path, target: str, *arguments: str) -> None:
    """Run a target with the Python of this test."""
    command = ["make", "--assume-old=.venv/ready", f"BIN={Path(sys.executable).parent}", target, *arguments]
    run = subprocess.run(command, cwd=project, check=False, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the project."""
    for name in tracked():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, tmp_path / name)
    return tmp_path


@pytest.mark.skipif(not shutil.which("make") or not shutil.which("git"), reason="it takes make and git")
@pytest.mark.slow
def test_following_the_steps_for_a_new_stream_leaves_no_difference(project: Path) -> None:
    before = files(project)
    edits = [Edit(block) for block in re.findall(r"^```diff\n(.*?)^```$", section(), re.MULTILINE | re.DOTALL)]
    assert len(edits) == 3

    for edit in edits:
        edit.undo(project)
    make(project, "generate", "BREAKING=1")
    without = files(project)
    naming = {name for name, content in without.items() if NAMED.search(name + content.decode("utf-8", "replace"))}
    assert {name for name in naming if not EXEMPT.fullmatch(name)} == set()
    assert before.keys() - without.keys() == {
        "facts/2026-07-15/web_feeds.yaml",
        "source_klaviyo/schemas/web_feeds.json",
    }

    for edit in edits:
        edit.follow(project)
    assert "\nmake generate\n" in section()
    make(project, "generate")
    after = files(project)
    assert {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)} == set()
