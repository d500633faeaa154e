"""The files derived from declarations and facts are current, and their tool reports what it does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tools import generate, schemas, snapshots, tables

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def test_derived_files_are_current(capsys: pytest.CaptureFixture[str]) -> None:
    assert generate.main(["--check"]) == 0, f"run make generate\n{capsys.readouterr().out}"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder instead of the project: a schema of a stream, one without a stream, and no table."""
    monkeypatch.setattr(generate, "PROJECT", tmp_path)
    monkeypatch.setattr(schemas, "SCHEMAS", tmp_path)
    monkeypatch.setattr(schemas, "generated", lambda: [(tmp_path / "events.json", "{}\n")])
    monkeypatch.setattr(tables, "generated", list)
    monkeypatch.setattr(snapshots, "generated", lambda **_: [])
    (tmp_path / "trees.json").touch()
    return tmp_path


def test_the_check_names_stale_files_and_does_not_write_them(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert generate.main(["--check"]) == 1
    assert capsys.readouterr().out == "stale: trees.json\nstale: events.json\n"
    assert [path.name for path in folder.iterdir()] == ["trees.json"]


def test_stale_files_are_written_and_files_without_a_stream_removed(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert generate.main([]) == 0
    assert capsys.readouterr().out == "removed: trees.json\nwritten: events.json\n"
    assert [path.name for path in folder.iterdir()] == ["events.json"]
    assert generate.main(["--check"]) == 0


@pytest.mark.usefixtures("folder")
def test_breaking_changes_are_named_and_rejected(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def rejecting(*, breaking: bool) -> Iterator[tuple[Path, str]]:
        if not breaking:
            raise snapshots.Breaking("streams trees is gone")
        yield from ()

    monkeypatch.setattr(snapshots, "generated", rejecting)
    assert generate.main([]) == 1
    assert "breaking: streams trees is gone\nThe snapshot is not written." in capsys.readouterr().out
    assert generate.main(["--breaking"]) == 0
