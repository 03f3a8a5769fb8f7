"""Looks at everything that a purchase needs, one file for each part of it, and says how to mend what is wrong."""

from collections.abc import Iterator

from entrypoints.examination.bots import examine_bots
from entrypoints.examination.clock import examine_clock
from entrypoints.examination.database import examine_database
from entrypoints.examination.findings import Finding
from entrypoints.examination.passports import examine_passports
from entrypoints.examination.selling import examine_catalog, examine_selling
from entrypoints.examination.settings import examine_env_file, read_settings, wrong_settings
from entrypoints.examination.stripe import examine_stripe
from entrypoints.examination.texts import examine_texts
from entrypoints.settings import SettingsError, given_settings


def examine() -> Iterator[Finding]:
    """Everything that can be looked at, also where something before it was wrong."""
    try:
        given = given_settings()
        yield from examine_env_file()
        settings, problems = read_settings(given)
    except SettingsError as error:
        yield from wrong_settings(error)
        return
    yield from wrong_settings(problems)
    yield from examine_database(settings)
    yield from examine_clock(settings)
    catalog = yield from examine_catalog(settings)
    if catalog and not problems:
        yield from examine_selling(settings, catalog)
    yield from examine_texts(settings)
    yield from examine_passports(settings)
    yield from examine_stripe(settings, catalog)
    yield from examine_bots(settings)
