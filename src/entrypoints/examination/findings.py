"""What the doctor says of one thing that it has looked at."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    GOOD = "good"
    WARNING = "warning"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Finding:
    """`remedy` is empty where nothing is to be done."""

    verdict: Verdict
    subject: str
    finding: str
    remedy: str = ""


def of_subject(
    subject: str,
) -> tuple[Callable[[str], Finding], Callable[[str, str], Finding], Callable[[str, str], Finding]]:
    """What is good, what is to be looked at and what is wrong with it; the latter two with their remedies."""
    return (
        lambda finding: Finding(Verdict.GOOD, subject, finding),
        lambda finding, remedy: Finding(Verdict.WARNING, subject, finding, remedy),
        lambda finding, remedy: Finding(Verdict.WRONG, subject, finding, remedy),
    )
