"""Looks at what every bot that takes payments has to say: /terms and /paysupport.

https://core.telegram.org/bots/payments-stars#live-checklist
"""

from collections.abc import Iterator

from adapters.telegram.limits import BeyondLimits, check
from adapters.telegram.texts import Texts
from application.messages import Letter, Message, PaySupport, TermsOfSale
from domain.ids import BotName, UserId
from entrypoints.examination.findings import Finding, Verdict
from entrypoints.settings import Settings

SUBJECT = "texts"
ANYBODY = UserId(1)


def examine_texts(settings: Settings) -> Iterator[Finding]:
    """Each in every language, as it would be sent."""
    texts = Texts(support_contact=settings.support_contact)
    required: dict[str, Message] = {"/terms": TermsOfSale(), "/paysupport": PaySupport(user_id=ANYBODY)}
    problems = []
    for name, message in required.items():
        for language in texts.languages:
            letter = Letter(bot=BotName("main"), chat_id=ANYBODY, language=language, message=message)
            try:
                check(texts.render(letter))
            except (BeyondLimits, LookupError) as problem:
                problems.append(f"{name} can't be sent in {language}: {problem}")
    for found in problems:
        yield Finding(Verdict.WRONG, SUBJECT, found, "Set a shorter SUPPORT_CONTACT.")
    if not settings.support_contact:
        yield Finding(
            Verdict.WARNING, SUBJECT, "/paysupport names nobody to write to", "Set SUPPORT_CONTACT=@your_name"
        )
    elif not problems:
        yield Finding(Verdict.GOOD, SUBJECT, "/terms and /paysupport are answered")
