"""What is printed: colour only on a terminal, lines folded only there, and an error in two lines: what, what to do."""

import sys
import unicodedata
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

WIDTH_OF_NO_TERMINAL = 4096
_STEERING = frozenset({"Cc", "Cf", "Cs", "Cn", "Co"})


def console(*, err: bool = False) -> Console:
    """Prints words as they are: what looks like markup in a title is a part of the title."""
    width = None if (sys.stderr if err else sys.stdout).isatty() else WIDTH_OF_NO_TERMINAL
    return Console(stderr=err, width=width, markup=False, emoji=False, highlight=False)


def show_table(table: Table) -> None:
    out = console()
    if out.is_terminal:
        out.print(table)
        return
    with out.capture() as captured:
        out.print(table)
    sys.stdout.writelines(f"{line.rstrip()}\n" for line in captured.get().splitlines())


def show_json(value: Any) -> None:
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n")


def say(words: str, *, style: str = "", err: bool = False, whole: bool = False) -> None:
    """`whole`: no line is broken by us, so that ids and commands can be copied."""
    console(err=err).print(Text(words, style=style), soft_wrap=whole)


def visible(words: str) -> str:
    """What somebody else wrote, such as a name, without what would steer a terminal or turn the line around."""
    return "".join(c for c in words if unicodedata.category(c) not in _STEERING)


def tell(what: str, remedy: str = "") -> None:
    """On standard error: what is wrong, in red, and what to do about it."""
    say(what, style="red", err=True)
    if remedy:
        say(remedy, err=True)
