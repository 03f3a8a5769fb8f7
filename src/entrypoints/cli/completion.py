"""`tollgram completion`: what a shell reads to complete our commands."""

from click import Command
from click.shell_completion import get_completion_class

PROGRAM = "tollgram"
ASKS_BY = "_TOLLGRAM_COMPLETE"


def script(command: Command, shell: str) -> str:
    """For bash, zsh or fish; at the tab key it asks `tollgram` itself, so that it never grows old."""
    known = get_completion_class(shell)
    if known is None:
        raise LookupError(f"nothing completes in {shell}")
    return known(command, {}, PROGRAM, ASKS_BY).source()
