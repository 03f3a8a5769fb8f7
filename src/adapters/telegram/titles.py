"""Names that somebody else chose, made fit to stand in our sentences and on our buttons."""

import unicodedata

_JOINERS = "\u200c\u200d"  # Persian words and composed emoji fall apart without them
_ISOLATE, _END_OF_ISOLATE = "\u2068", "\u2069"
_NAMELESS = "\N{EN DASH}"
_RIGHT_TO_LEFT = ("R", "AL", "AN")
_WORD_NEAR_ENOUGH = 10


def inert(name: str, *, at_most: int | None = None) -> str:
    """The name on one line, without anything invisible that could turn or hide the text around it.

    A name that runs from right to left is isolated, so that the price beside it stays where it is. Longer than
    `at_most` characters, it is cut between words where that is near.
    """
    shown = " ".join("".join(_shown(character) for character in name).split()) or _NAMELESS
    if at_most is not None and len(shown) > at_most:
        shown = _cut(shown, at_most)
    if any(unicodedata.bidirectional(character) in _RIGHT_TO_LEFT for character in shown):
        return f"{_ISOLATE}{shown}{_END_OF_ISOLATE}"
    return shown


def _shown(character: str) -> str:
    match unicodedata.category(character):
        case "Cc" | "Zl" | "Zp":
            return " "
        case "Cf" if character not in _JOINERS:
            return ""
        case "Cs" | "Cn":
            return ""
        case _:
            return character


def _cut(text: str, at_most: int) -> str:
    cut = text[: at_most - 1]
    space = cut.rfind(" ")
    if space >= len(cut) - _WORD_NEAR_ENOUGH and text[at_most - 1] != " ":
        cut = cut[:space]
    while cut and (cut[-1] in _JOINERS or unicodedata.category(cut[-1]) in ("Mn", "Me", "Zs")):
        cut = cut[:-1]
    return cut.rstrip(" ,.;:-\N{EN DASH}") + "…"
