"""Over which time one looks: the choices above figures, in words."""

from typing import Final

from application.figures import Compared, Span
from domain.money import written
from entrypoints.console.forms import AnyRequest
from entrypoints.console.wording import number

FEW: Final = 5
"""Of fewer than that a share in hundredths says nothing."""
WORDS: Final = {Span.DAY: "24 hours", Span.WEEK: "7 days", Span.MONTH: "30 days", Span.QUARTER: "90 days"}


def span_of(request: AnyRequest, otherwise: Span = Span.DAY) -> Span:
    """The one that the address names, if it does."""
    asked = request.query_params.get("span", "")
    return Span(asked) if asked in set(Span) else otherwise


def beside(compared: Compared, span: Span, currency: str = "") -> str:
    """What the figure was in the time before, and how it has changed."""
    now, before = (compared.amount, compared.amount_before) if currency else (compared.number, compared.number_before)
    words = f"in the {WORDS[span]} before"
    if before == now:
        return f"as {'much' if currency else 'many'} {words}" if now else f"nothing {words} either"
    shown = written(before, currency) if currency else number(before)
    if not before:
        return f"nothing {words}"
    if compared.number_before < FEW:
        return f"{shown} {words}"
    change = round(100 * (now - before) / before)
    return f"{shown} {words}, {'+' if change > 0 else '−' if change < 0 else '±'}{abs(change):,} %"
