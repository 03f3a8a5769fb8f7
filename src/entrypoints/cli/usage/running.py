"""Running it: `up`, `serve`, `migrate`, `sandbox`."""

from entrypoints.cli.typed import click
from entrypoints.cli.usage.options import EXIT_CODES, PORT, STOPPED, plainly


@click.command(epilog=STOPPED)
@click.option("--port", default=8000, show_default=True, type=PORT, help="Where the service listens.")
@click.option("--sandbox-port", default=8081, show_default=True, type=PORT, help="Where the sandbox listens.")
@plainly
def up(port: int, sandbox_port: int) -> int:
    """Run all of it: migrate, serve, and without a bot token the sandbox beside it."""
    from entrypoints.cli.up import up

    return up(port=port, sandbox_port=sandbox_port)


@click.command(epilog=STOPPED)
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen at.")
@click.option("--port", default=8000, show_default=True, type=PORT, help="The port to listen at.")
@click.option("--workers", default=1, show_default=True, type=click.IntRange(1, 64), help="Processes.")
@plainly
def serve(host: str, port: int, workers: int) -> None:
    """Serve webhooks and the API, and carry messages."""
    from entrypoints.cli.serve import serve

    serve(host=host, port=port, workers=workers)


@click.command(epilog=EXIT_CODES)
@plainly
def migrate() -> None:
    """Bring the database to the newest schema."""
    from entrypoints.cli.migrate import migrate

    click.echo(migrate())


@click.command(epilog=STOPPED)
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen at.")
@click.option("--port", default=8081, show_default=True, type=PORT, help="The port to listen at.")
@click.option("--mtproto-port", type=PORT, help="Where Telegram's own protocol is spoken, too.")
@click.option("--mtproto-key", default="", help="Where the public key is written that its clients need.")
@plainly
def sandbox(host: str, port: int, mtproto_port: int | None, mtproto_key: str) -> None:
    """A local Telegram and Stripe to play against, with a chat page."""
    from entrypoints.cli.sandbox import sandbox

    sandbox(host=host, port=port, mtproto_port=mtproto_port, mtproto_key=mtproto_key)


COMMANDS = (up, serve, migrate, sandbox)
