"""Money as Telegram and Stripe count it: whole numbers of the currency's smallest unit, never a float."""

from dataclasses import dataclass

STARS = "XTR"
MAX_AMOUNT = 2**53 - 1

_ZERO_DECIMALS = "CLP ISK JPY KRW PYG RWF UGX VND XTR"
_THREE_DECIMALS = "BHD IQD JOD KWD OMR TND"
_TWO_DECIMALS = (
    "AED AFN ALL AMD ARS AUD AZN BAM BDT BGN BND BOB BRL BYN CAD CHF CNY COP CRC CZK DKK DOP DZD EGP ETB EUR GBP GEL "
    "GHS GTQ HKD HNL HRK HUF IDR ILS INR IRR JMD KES KGS KZT LBP LKR MAD MDL MMK MNT MOP MUR MVR MXN MYR MZN NGN NIO "
    "NOK NPR NZD PAB PEN PHP PKR PLN QAR RON RSD RUB SAR SEK SGD SYP THB TJS TRY TTD TWD TZS UAH USD UYU UZS VES YER "
    "ZAR"
)

EXPONENTS: dict[str, int] = {
    **dict.fromkeys(_TWO_DECIMALS.split(), 2),
    **dict.fromkeys(_ZERO_DECIMALS.split(), 0),
    **dict.fromkeys(_THREE_DECIMALS.split(), 3),
}
"""Decimals of each currency that may be asked for (ISO 4217, https://core.telegram.org/bots/payments/currencies.json)."""

_SYMBOLS = {"GBP": "£", "EUR": "€", "USD": "$", "JPY": "¥", "INR": "₹", "KRW": "₩", "UAH": "₴"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Money:
    """A positive sum. `amount` is in minor units: GBP 2500 is £25.00, XTR 250 is 250 Stars, JPY 1200 is ¥1,200.

    Raises ValueError for an unknown currency or an amount outside 1 to 2^53 - 1.
    """

    amount: int
    currency: str

    def __post_init__(self) -> None:
        if self.currency not in EXPONENTS:
            raise ValueError(f"unknown currency {self.currency!r}")
        if type(self.amount) is not int or not 0 < self.amount <= MAX_AMOUNT:
            raise ValueError(f"an amount is a whole number from 1 to {MAX_AMOUNT}, not {self.amount!r}")

    def __str__(self) -> str:
        """As people write it: £25.00, 1,250 ⭐, ¥1,200, 1.500 KWD."""
        return written(self.amount, self.currency)


def written(amount: int, currency: str) -> str:
    """A sum as people write it, also of several payments, none, or what is missing: £0.00, −1,250 ⭐."""
    exponent = EXPONENTS[currency]
    whole, fraction = divmod(abs(amount), 10**exponent)
    digits = f"{whole:,}" + (f".{fraction:0{exponent}d}" if exponent else "")
    sign = "−" if amount < 0 else ""
    if currency == STARS:
        return f"{sign}{digits} ⭐"
    symbol = _SYMBOLS.get(currency)
    return f"{sign}{symbol}{digits}" if symbol else f"{sign}{digits} {currency}"
