"""What the pages name is there, and what is there stands on its page."""

import re
import shlex
from collections.abc import Collection, Iterator
from pathlib import Path

import click
import msgspec
import pytest

from domain.notices import NoticeType
from entrypoints.cli import PANELS
from entrypoints.http.openapi import document
from entrypoints.sandbox.app import create_app
from entrypoints.sandbox.faults import Faults
from entrypoints.sandbox.methods import NAMES
from entrypoints.sandbox.options import Options
from entrypoints.sandbox.stripe.faults import StripeFaults
from entrypoints.settings import known_settings
from tests.integration.service import ROOT

PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "clients/python/README.md", *(ROOT / "docs").rglob("*.md")]
WRITTEN_FROM_TESTS = {"rule-book.md", "acceptance.md"}
COMMANDS = {command.name: command for commands in PANELS.values() for command in commands}
each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def prose(page: Path) -> str:
    return re.sub(r"^ *```.*?^ *```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)


def first_cells(text: str) -> list[str]:
    """Of every row of a table."""
    return re.findall(r"^\| (.*?) \|", text, re.MULTILINE)


def anchors(page: Path) -> set[str]:
    """As GitHub makes them of headings."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@each_page
def test_every_link_leads_somewhere(page: Path) -> None:
    dead = []
    for link in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        path, _, place = link.partition("#")
        if path.startswith(("https://", "http://")):
            continue
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (place and place not in anchors(target)):
            dead.append(link)

    assert dead == []


def test_every_document_stands_in_the_index() -> None:
    linked = set(re.findall(r"\]\(([^)\s]+)\)", (ROOT / "docs/INDEX.md").read_text()))
    pages = {str(page.relative_to(ROOT / "docs")) for page in (ROOT / "docs").rglob("*.md")} - {"INDEX.md"}

    assert pages <= linked


def test_every_setting_stands_on_its_page_and_no_other() -> None:
    cells = first_cells((ROOT / "docs/settings.md").read_text())

    assert {name for cell in cells for name in re.findall(r"`([A-Z_]+)`", cell)} == known_settings()


def test_every_event_stands_on_its_page_and_no_other() -> None:
    cells = first_cells((ROOT / "docs/events.md").read_text())

    assert {cell.strip("`") for cell in cells if "." in cell} == {kind.value for kind in NoticeType}


def test_every_command_is_where_the_help_has_it() -> None:
    rows = re.findall(r"^\| ([a-z ]+) \| (.*?) \|$", (ROOT / "docs/command-line.md").read_text(), re.MULTILINE)
    told = {panel: named for panel, names in rows if (named := re.findall(r"`(\w+)`", names))}

    assert told == {panel.lower(): [command.name for command in commands] for panel, commands in PANELS.items()}


def test_every_command_stands_in_the_readme() -> None:
    _, _, after = (ROOT / "README.md").read_text().partition("## Commands")
    table, _, _ = after.partition("\n## ")
    named = {name for cell in first_cells(table) for name in re.findall(r"(?:tollgram |, `)([a-z]+)", cell)}

    assert named >= set(COMMANDS)


@each_page
def test_every_command_that_is_shown_has_these_options(page: Path) -> None:
    wrong = [" ".join(typed) for typed in typed_on(page) if not can_be_typed(typed)]

    assert wrong == []


def typed_on(page: Path) -> Iterator[list[str]]:
    """What follows `tollgram` in lines and pieces of code."""
    if page.name in WRITTEN_FROM_TESTS:
        return
    text = page.read_text()
    blocks = re.findall(r"^ *```.*?\n(.*?)^ *```", text, re.DOTALL | re.MULTILINE)
    pieces = [line for block in blocks for line in block.splitlines()]
    for piece in [*pieces, *re.findall(r"`([^`\n]+)`", prose(page))]:
        for found in re.findall(r"(?:^|[ /(])tollgram ((?!tollgram\b)[a-z].*)", piece.partition("  #")[0]):
            yield shlex.split(re.split(r"[)|;&…]| {3}", found)[0].replace("[", "").replace("]", ""))


def can_be_typed(words: list[str]) -> bool:
    command: click.Command | None = COMMANDS.get(words[0])
    if command is None:
        return False
    for word in words[1:]:
        if isinstance(command, click.Group) and word in command.commands:
            command = command.commands[word]
        elif word.startswith("--"):
            options = {name for one in command.params for name in one.opts} | {"--help"}
            if word.partition("=")[0] not in options:
                return False
    return True


@each_page
def test_every_target_of_make_that_is_named_is_one(page: Path) -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))

    assert set(re.findall(r"(?:`|^)make ([a-z]+)", page.read_text(), re.MULTILINE)) <= targets


@each_page
def test_every_address_of_the_api_that_is_named_is_one(page: Path) -> None:
    known = {
        (method.upper(), re.sub(r"\{.*?\}", "{}", path)) for path, how in document()["paths"].items() for method in how
    }
    named = re.findall(r"\b(GET|POST|PUT|PATCH|DELETE) (/(?:api|internal)/v1/[\w{}/.-]+)", prose(page))

    assert {(method, re.sub(r"\{.*?\}", "{}", path)) for method, path in named} <= known


# The sandbox


TELEGRAM, _, STRIPE = (ROOT / "docs/sandbox.md").read_text().partition("\n# Stripe\n")


@pytest.mark.parametrize(
    ("names", "page"),
    [
        pytest.param(Options.__dataclass_fields__, TELEGRAM, id="options"),
        pytest.param(Faults.__struct_fields__, TELEGRAM, id="faults"),
        pytest.param(StripeFaults.__struct_fields__, STRIPE, id="faults of Stripe"),
    ],
)
def test_whatever_the_sandbox_can_be_told_stands_on_its_page(names: Collection[str], page: str) -> None:
    assert [name for name in names if f"`{name}`" not in page] == []


def test_every_fault_on_the_page_is_one() -> None:
    for faults, page in ((Faults, TELEGRAM.partition("## Faults")[2]), (StripeFaults, STRIPE)):
        told = [cell for cell in first_cells(page) if re.fullmatch(r"`[a-z_0-9]+`.*", cell)]
        assert told
        named = {name for cell in told for name in re.findall(r"`([a-z_0-9]+)`", cell)}
        assert named <= set(msgspec.structs.asdict(faults()))


def test_every_method_of_the_bot_api_that_is_modelled_stands_on_the_page_and_no_other() -> None:
    (named,) = re.findall(r"^- The methods (.*?);", TELEGRAM, re.MULTILINE)

    assert {name.lower() for name in named.split(", ")} == set(NAMES)


@pytest.mark.parametrize(
    ("page", "at"),
    [
        pytest.param(TELEGRAM, "/sandbox/api", id="Telegram"),
        pytest.param(STRIPE, "/sandbox/api/stripe", id="Stripe"),
    ],
)
def test_every_address_of_the_control_api_stands_on_the_page_and_no_other(page: str, at: str) -> None:
    there = {
        (method, re.sub(r"\{.*?\}", "{}", route.path.removeprefix(at)))
        for route in create_app(Options()).routes
        if route.path.startswith(at) and (at.endswith("stripe") or "/stripe/" not in route.path)
        for method in getattr(route, "methods", ())
        if method in {"GET", "POST", "PUT", "PATCH"}
    }
    told = set()
    for cell in first_cells(page):
        tokens = re.findall(r"`(GET|POST|PUT|PATCH)( /[\w/{}-]+)?[^`]*`", cell)
        paths = [path.strip() for _, path in tokens if path]
        told |= {(method, re.sub(r"\{.*?\}", "{}", path.strip() or paths[0])) for method, path in tokens}

    assert told == there
