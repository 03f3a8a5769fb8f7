"""Looks at the database: can it be reached, is its schema the one that is needed, is there room on its disk, what
waits in it."""

from collections.abc import Iterator
from pathlib import Path

from adapters.sql.address import Address
from adapters.sql.engine import open_engine
from adapters.sql.gauges import SqlGauges
from adapters.sql.work import SqlUnitOfWork
from domain.errors import Unavailable
from entrypoints.cli.failure import reason_of
from entrypoints.examination.disk import examine_disk
from entrypoints.examination.endpoints import examine_endpoints
from entrypoints.examination.findings import Finding, Verdict
from entrypoints.examination.queues import examine_queues
from entrypoints.settings import Settings


def examine_database(settings: Settings) -> Iterator[Finding]:
    address = Address.read(settings.database_url)
    place = address.place
    if address.url.get_backend_name() == "sqlite":
        yield from examine_disk(Path(place).absolute().parent)
    if address.url.get_backend_name() == "sqlite" and not Path(place).is_file():
        yield Finding(Verdict.WRONG, "database", f"there is none yet at {place}", "Run: tollgram migrate")
        return
    engine = open_engine(settings.database_url)
    gauges = SqlGauges(engine)
    try:
        revision, newest = gauges.schema_revision(), gauges.expected_revision()
    except Unavailable as problem:
        said = reason_of(problem)
        for secret in settings.secrets:
            said = said.replace(secret, "…")
        yield Finding(
            Verdict.WRONG,
            "database",
            f"{place} can't be reached. {said}".strip(),
            "Is the database running, and DATABASE_URL right?",
        )
        return
    finally:
        engine.dispose()
    yield Finding(Verdict.GOOD, "database", f"{place} can be reached")
    if revision == newest:
        yield Finding(Verdict.GOOD, "schema", f"the newest: {newest}")
        yield from examine_queues(gauges)
        yield from examine_endpoints(settings, SqlUnitOfWork(engine))
        engine.dispose()
    else:
        yield Finding(
            Verdict.WRONG,
            "schema",
            f"is {revision or 'not there yet'}, but {newest} is needed",
            "Run: tollgram migrate",
        )
