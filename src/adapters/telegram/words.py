"""Our words in the languages that there is a file for: texts/<language>.ftl, and English where a word is missing.

Another language is there as soon as its file is (https://projectfluent.org). Messages that go out as Telegram's HTML
may hold its tags; whatever is put into them is escaped.
"""

import html
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from fluent.runtime import FluentBundle, FluentResource

from adapters.telegram.language import DEFAULT, language_of
from adapters.telegram.limits import LONGEST_TEXT, visible_length
from application.messages import Price
from domain.money import Money

ROOM_FOR_A_NOTE = 200
DIRECTORY = Path(__file__).with_name("texts")

Value = str | int


class Words:
    """Raises ValueError where there is no English."""

    def __init__(self, directory: Path = DIRECTORY) -> None:
        self._bundles = {path.stem: _bundle(path) for path in sorted(directory.glob("*.ftl")) if _is_language(path)}
        if DEFAULT not in self._bundles:
            raise ValueError(f"{directory} has no {DEFAULT}.ftl")

    @property
    def languages(self) -> tuple[str, ...]:
        return tuple(self._bundles)

    def has(self, id: str) -> bool:
        return self._bundles[DEFAULT].has_message(id)

    def say(self, id: str, language: str, **values: Value) -> str:
        """In that language, else in the one it is a form of, else in English. Raises LookupError where all lack it."""
        for bundle in self._for(language):
            if bundle.has_message(id) and (pattern := bundle.get_message(id).value):
                text, errors = bundle.format_pattern(pattern, values)
                if not errors:
                    return str(text)
        raise LookupError(f"no words for {id!r}")

    def _for(self, language: str) -> Iterator[FluentBundle]:
        for tag in dict.fromkeys((language, language.partition("-")[0], DEFAULT)):
            if bundle := self._bundles.get(tag):
                yield bundle


@dataclass(frozen=True, slots=True)
class Speech:
    """Our words as one user reads them."""

    words: Words
    language: str

    def plain(self, id: str, **values: Value) -> str:
        """For buttons and toasts, where nothing is markup."""
        return self.words.say(id, self.language, **values)

    def html(self, id: str, **values: Value) -> str:
        """For messages in Telegram's HTML: the words may hold tags, so the values are escaped."""
        escaped = {name: html.escape(v, quote=False) if isinstance(v, str) else v for name, v in values.items()}
        return self.words.say(id, self.language, **escaped)

    def either(self, id: str, otherwise: str) -> str:
        return self.plain(id if self.words.has(id) else otherwise)

    def moment(self, at: datetime) -> str:
        """21 December 2026, 14:05 UTC."""
        at = at.astimezone(UTC)
        date = self.plain("date", day=str(at.day), month=at.month, year=f"{at.year:04d}")
        return self.plain("moment", date=date, time=f"{at:%H:%M}")

    def prices(self, prices: Iterable[Price]) -> str:
        """£25.00 or 1,250 ⭐."""
        text = ""
        for price in prices:
            text = self.plain("either", first=text, second=price_of(price)) if text else price_of(price)
        return text

    def fitted(self, head: str, pieces: Sequence[str], *, between: str = "\n\n") -> str:
        """As many pieces as fit into one message, and a note on how many do not."""
        text = head
        for index, piece in enumerate(pieces):
            longer = (between if index else "\n\n").join((text, piece))
            if visible_length(longer) > LONGEST_TEXT - (ROOM_FOR_A_NOTE if index + 1 < len(pieces) else 0):
                return f"{text}\n\n{self.html('and-more', count=len(pieces) - index)}"
            text = longer
        return text


def price_of(price: Price) -> str:
    """As people write it. Raises ValueError for what is no money."""
    return str(Money(amount=price.amount, currency=price.currency))


def _bundle(path: Path) -> FluentBundle:
    # No isolating marks around values: they would break commands and amounts apart; names bring their own.
    bundle = FluentBundle([path.stem], use_isolating=False)
    bundle.add_resource(FluentResource(path.read_text(encoding="utf-8")))
    return bundle


def _is_language(path: Path) -> bool:
    return path.stem == language_of(path.stem)
