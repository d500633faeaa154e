"""The documentation agrees with the code: links, commands, settings, streams, numbers and messages."""

from __future__ import annotations

import ast
import json
import re
import shlex
from importlib.util import find_spec
from pathlib import Path

import pytest
from airbyte_cdk.entrypoint import AirbyteEntrypoint

from source_klaviyo.airbyte import inputs
from source_klaviyo.api import budget
from source_klaviyo.api.errors import error_of
from source_klaviyo.config import Config
from tools.streams import by_name

ROOT = Path(__file__).parent.parent
PAGES = {
    path.relative_to(ROOT).as_posix(): path.read_text("utf-8")
    for path in (
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
        ROOT / "SECURITY.md",
        *sorted((ROOT / "docs").glob("*.md")),
    )
}
README = PAGES["README.md"]
COMMANDS = ("spec", "check", "discover", "read")


def blocks(page: str, language: str) -> list[str]:
    """The blocks of code in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)


def rows(page: str, heading: str) -> list[list[str]]:
    """The cells of the first table below a heading."""
    table = page.partition(f"\n{heading}\n")[2].partition("\n|")[2].partition("\n\n")[0]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table.splitlines()[2:]]


def anchors(page: str) -> set[str]:
    """The places of a page that can be linked to."""
    headings = re.findall(r"^#+ (.+)$", page, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def shell_lines() -> list[list[str]]:
    """Return all commands on the pages, as the shell splits them."""
    lines = [line for page in PAGES.values() for block in blocks(page, "bash") for line in block.splitlines()]
    return [words for line in lines if (words := shlex.split(line.partition(" > ")[0], comments=True))]


# --- links, paths and commands --------------------------------------------------------------------------


@pytest.mark.parametrize("name", PAGES)
def test_links_have_a_target(name: str) -> None:
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#]*)#?([^)]*)\)", PAGES[name]):
        path = (ROOT / name).parent / target if target else ROOT / name
        assert path.exists(), target
        assert not anchor or anchor in anchors(path.read_text("utf-8")), anchor


@pytest.mark.parametrize("name", PAGES)
def test_files_that_are_named_exist(name: str) -> None:
    top = "source_klaviyo|klaviyo_simulator|unit_tests|integration_tests|tools|docs|examples|benchmarks"
    for path in re.findall(rf"`((?:{top})/[\w/.]*)`", PAGES[name]):
        assert (ROOT / path).exists(), path


def test_targets_of_make_that_are_named_exist() -> None:
    known = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    inline = [words for page in PAGES.values() for words in re.findall(r"`make ([a-z ]+)`", page)]
    shell = [" ".join(words[1:]) for words in shell_lines() if words[0] == "make"]
    named = {word for words in [*inline, *shell] for word in words.split() if "=" not in word}
    assert {"demo", "test", "help"} <= named <= known


def test_modules_that_are_named_exist() -> None:
    named = {module for page in PAGES.values() for module in re.findall(r"python -m ([\w.]+)", page)}
    assert {module for module in named if not find_spec(module)} == set()


def test_commands_of_the_connector_are_understood() -> None:
    found = []
    for words in shell_lines():
        start = next((place for place, word in enumerate(words) if "source-klaviyo" in word), None)
        if start is not None and words[start + 1 : start + 2] and words[start + 1] in COMMANDS:
            assert AirbyteEntrypoint.parse_args(words[start + 1 :]).command == words[start + 1]
            found.append(words[start + 1])
    assert set(found) == set(COMMANDS)


def test_the_files_that_the_readme_shows_are_valid(tmp_path: Path) -> None:
    config, catalog = blocks(README, "json")
    assert Config.parse(json.loads(config.replace("…", "made_up")), {}).api_key == "pk_made_up"
    (tmp_path / "catalog.json").write_text(catalog, "utf-8")
    (chosen,) = inputs.read_catalog(str(tmp_path / "catalog.json")).streams
    assert chosen.stream.name in by_name()


# --- settings, streams and numbers ----------------------------------------------------------------------


def test_the_readme_has_each_setting_in_the_order_of_the_form() -> None:
    form = json.loads((ROOT / "source_klaviyo" / "spec.json").read_text("utf-8"))["connectionSpecification"]
    assert [cells[0].strip("`") for cells in rows(README, "## Settings")] == list(form["properties"])


def test_the_tiers_are_those_of_the_budget() -> None:
    documented = {cells[0]: (int(cells[1]), int(cells[2].replace(",", ""))) for cells in rows(klaviyo(), PERFORMANCE)}
    tiers = {name: getattr(budget, name) for name in ("XS", "S", "M", "L", "XL")}
    assert documented == {name: (tier.burst, tier.steady) for name, tier in tiers.items()}


PERFORMANCE = "## Performance considerations"


def klaviyo() -> str:
    return PAGES["docs/klaviyo.md"]


# --- messages -------------------------------------------------------------------------------------------

MESSAGES = [cells[0] for cells in rows(README, "## Troubleshooting")]


def said() -> list[str]:
    """All texts in the connector's code, with … where a value is filled in."""
    texts = []
    for path in (ROOT / "source_klaviyo").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.JoinedStr):
                parts = [part.value if isinstance(part, ast.Constant) else "…" for part in node.values]
                texts.append("".join(map(str, parts)))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                texts.append(node.value)
    return texts


def test_there_are_messages_to_explain() -> None:
    assert len(MESSAGES) > 15


@pytest.mark.parametrize("message", MESSAGES)
def test_each_explained_message_is_one_of_the_connectors(message: str) -> None:
    words = re.compile(".*".join(map(re.escape, message.split("…"))))
    numbers = re.compile(re.sub(r"\d{3}", ".*", words.pattern))  # some are filled in
    assert any(words.match(text) or numbers.match(text) for text in said()), message


@pytest.mark.parametrize("status", [302, 400, 401, 403, 404, 410, 418, 429, 500, 503])
def test_an_error_of_klaviyo_is_explained(status: int) -> None:
    error = str(error_of(status, {}, b'{"errors": [{"id": "1", "code": "c", "title": "t", "detail": "d"}]}'))
    # as a stream says it
    error = error.replace("This account or key has no access (403)", "Stream x cannot be read")
    assert any(re.match(".*".join(map(re.escape, message.split("…"))), error) for message in MESSAGES), error
