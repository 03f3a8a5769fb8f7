"""The catalog as the operator writes it: a TOML file, and every mistake in it told in one run."""

import json
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from domain.catalog import Catalog, Plan
from domain.duration import Duration, Unit
from domain.ids import PlanCode
from domain.money import EXPONENTS, MAX_AMOUNT

MAX_PLANS = 100
MAX_FEATURES = 100
MAX_BYTES = 1 << 20

_PLAN_CODE = re.compile(r"[a-z0-9_]{1,40}", re.ASCII)
_BARE = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)
_NAME = re.compile(r"[a-z0-9_.:-]{1,64}", re.ASCII)
_PLAN_FIELDS = ("title", "description", "features", "limits", "duration", "prices", "renew_window")


class CatalogError(Exception):
    """A catalog that can't be sold from. `mistakes` are all of them, each with its place."""

    def __init__(self, path: Path, mistakes: list[str]) -> None:
        super().__init__("\n".join(f"{path}: {mistake}" for mistake in mistakes))
        self.path = path
        self.mistakes = mistakes


def read_catalog(path: Path) -> Catalog:
    """Raises CatalogError."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise CatalogError(path, [f"is larger than {MAX_BYTES} bytes"])
        raw = tomllib.loads(path.read_text("utf-8"))
    except OSError as problem:
        raise CatalogError(path, [f"can't be read: {problem.strerror or 'unknown error'}"]) from None
    except UnicodeDecodeError as problem:
        raise CatalogError(path, [f"is not UTF-8 at byte {problem.start}"]) from None
    except tomllib.TOMLDecodeError as problem:
        raise CatalogError(path, [f"is no TOML: {problem}"]) from None
    except (ValueError, RecursionError):
        # A number of thousands of digits, or brackets in brackets in brackets.
        raise CatalogError(path, ["is no TOML: something in it is too long or nested too deep"]) from None
    return _Reader(path).catalog(raw)


class _Reader:
    """Reads plan after plan and collects what is wrong with them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.mistakes: list[str] = []

    def catalog(self, raw: Mapping[str, Any]) -> Catalog:
        self._unknown(raw, ("plans",), "")
        plans = raw.get("plans")
        if not isinstance(plans, dict) or not plans:
            self._mistake("plans", "is missing: at least one [plans.<code>] is needed")
            plans = {}
        if len(plans) > MAX_PLANS:
            self._mistake("plans", f"are {len(plans)}; at most {MAX_PLANS} can be shown")
        read = {PlanCode(code): self._plan(code, plan) for code, plan in plans.items()}
        if self.mistakes:
            raise CatalogError(self.path, self.mistakes)
        return Catalog(plans={code: plan for code, plan in read.items() if plan})

    def _plan(self, code: str, raw: object) -> Plan | None:
        place = f"plans.{_key(code)}"
        before = len(self.mistakes)
        if not _PLAN_CODE.fullmatch(code):
            self._mistake(place, "a plan's code is 1-40 of a-z, 0-9 and _")
        if not isinstance(raw, dict):
            self._mistake(place, "must be a table: [plans.<code>]")
            return None
        self._unknown(raw, _PLAN_FIELDS, f"{place}.")
        title = self._text(raw, place, "title", 32)
        description = self._text(raw, place, "description", 255)
        features = self._features(raw.get("features"), f"{place}.features")
        duration = self._duration(raw.get("duration"), f"{place}.duration")
        window = self._window(raw.get("renew_window", "3 days"), f"{place}.renew_window")
        prices = self._prices(raw.get("prices"), f"{place}.prices")
        limits = self._limits(raw.get("limits", {}), f"{place}.limits")
        if duration is None or window is None or len(self.mistakes) > before:
            return None
        return Plan(
            code=PlanCode(code),
            title=title,
            description=description,
            features=features,
            limits=limits,
            duration=duration,
            prices=prices,
            renew_window=window,
        )

    def _text(self, raw: Mapping[str, Any], place: str, name: str, longest: int) -> str:
        text = raw.get(name)
        if not isinstance(text, str) or not len(text.strip()) >= 1 or len(text) > longest:
            self._mistake(f"{place}.{name}", f"must be a text of 1-{longest} characters, Telegram's limit")
            return ""
        if any(not character.isprintable() and character != "\u200d" for character in text):
            self._mistake(f"{place}.{name}", "has a character that can't be printed, such as a line break")
        return text

    def _features(self, raw: object, place: str) -> tuple[str, ...]:
        if not isinstance(raw, list) or not raw or len(raw) > MAX_FEATURES:
            self._mistake(place, f"must be a list of 1-{MAX_FEATURES} features that the plan opens")
            return ()
        for number, feature in enumerate(raw):
            if not isinstance(feature, str) or not _NAME.fullmatch(feature):
                self._mistake(f"{place}[{number}]", "a feature's name is 1-64 of a-z, 0-9 and _ . : -")
            elif feature in raw[:number]:
                self._mistake(f"{place}[{number}]", f"names {feature!r} a second time")
        return tuple(str(feature) for feature in raw)

    def _duration(self, raw: object, place: str) -> Duration | None:
        try:
            duration = Duration.parse(raw if isinstance(raw, str) else "")
            if duration.unit is not Unit.SECOND:
                return duration
        except ValueError:
            pass
        self._mistake(place, 'must be "lifetime", or 1 to 1000 days, weeks, months or years, as "1 month" or "2 weeks"')
        return None

    def _window(self, raw: object, place: str) -> Duration | None:
        window = self._duration(raw, place)
        if window is not None and window.unit is Unit.LIFETIME:
            self._mistake(place, "must end: how long before its end the plan may be bought again")
        return window

    def _prices(self, raw: object, place: str) -> Mapping[str, int]:
        if not isinstance(raw, dict) or not raw:
            self._mistake(place, "must be a table of currencies, such as { XTR = 1250, GBP = 2500 }")
            return {}
        for currency, amount in raw.items():
            if currency not in EXPONENTS:
                self._mistake(f"{place}.{_key(currency)}", "is no currency that can be paid in; write GBP or XTR")
            elif type(amount) is not int or not 0 < amount <= MAX_AMOUNT:
                self._mistake(f"{place}.{_key(currency)}", "must be a whole number above 0, in the smallest unit")
        return dict(raw)

    def _limits(self, raw: object, place: str) -> Mapping[str, int]:
        if not isinstance(raw, dict):
            self._mistake(place, "must be a table of numbers, such as { max_devices = 3 }")
            return {}
        for name, limit in raw.items():
            if not _NAME.fullmatch(name):
                self._mistake(f"{place}.{_key(name)}", "a limit's name is 1-64 of a-z, 0-9 and _ . : -")
            if type(limit) is not int or not 0 <= limit <= MAX_AMOUNT:
                self._mistake(f"{place}.{_key(name)}", "must be a whole number, 0 or more")
        return dict(raw)

    def _unknown(self, raw: Mapping[str, Any], known: tuple[str, ...], place: str) -> None:
        for name in raw:
            if name not in known:
                self._mistake(f"{place}{_key(name)}", f"is not known here; known are {', '.join(known)}")

    def _mistake(self, place: str, problem: str) -> None:
        self.mistakes.append(f"{place}: {problem}")


def _key(name: str) -> str:
    """As TOML writes it: bare where it may be, else quoted and with nothing in it that a terminal would act on."""
    return name if _BARE.fullmatch(name) else json.dumps(name)
