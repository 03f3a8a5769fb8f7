"""Click: in rich's dress where a person reads at a terminal, plain elsewhere, which is there three times as soon."""

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING or sys.stdout.isatty():
    import rich_click as click

    class Panelled(click.RichGroup):
        """Shows its commands under headings."""

        def add(self, panels: Mapping[str, Sequence[click.Command]]) -> None:
            for heading, commands in panels.items():
                self.add_panel(click.RichCommandPanel(heading, commands=[str(command.name) for command in commands]))
                for command in commands:
                    self.add_command(command)

else:
    import click

    class Panelled(click.Group):
        def add(self, panels: Mapping[str, Sequence[click.Command]]) -> None:
            self.panels = panels
            for commands in panels.values():
                for command in commands:
                    self.add_command(command)

        def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
            for heading, commands in self.panels.items():
                with formatter.section(heading):
                    formatter.write_dl([(command.name, command.get_short_help_str(200)) for command in commands])


__all__ = ["Panelled", "click"]
