"""The `tollgram` command. What can be typed is in `usage/`; what a command does is in the file of its name."""

from collections.abc import Sequence

from entrypoints.cli.typed import Panelled, click
from entrypoints.cli.usage import deciding, keeping, looking, running, setting_up
from entrypoints.cli.usage.options import EXIT_CODES

PANELS: dict[str, Sequence[click.Command]] = {
    "Run it": running.COMMANDS,
    "Set it up": setting_up.COMMANDS,
    "See what happened": looking.COMMANDS,
    "Decide": deciding.COMMANDS,
    "Keep the books": keeping.COMMANDS,
}


def show_version(context: click.Context, _option: click.Parameter, asked: bool) -> None:
    if asked and not context.resilient_parsing:
        from entrypoints.version import version  # whoever asks for help needs none

        click.echo(f"tollgram {version()}")
        context.exit()


@click.group(
    cls=Panelled, epilog=EXIT_CODES, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=show_version,
    help="Show the version and exit.",
)
def main() -> None:
    """Sells access inside Telegram, and tells every other service who may come in.

    Settings come from the environment and from a .env file in the current folder.
    """


main.add(PANELS)
