"""A command group whose first command may stay unnamed."""

from __future__ import annotations

from typing import Any

from typer.core import TyperGroup


class DefaultGroup(TyperGroup):
    """Runs its first command where the first word names none: ``fsrfer-profile BUNDLE``.

    What is called like a command is the command: a folder of that name is given as ``./model``, or after the command.
    """

    # Signatures are those of the base class.
    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the name of the first command before words that begin with no command."""
        if args and args[0] not in self.commands and args[0] not in ctx.help_option_names:
            args = [self._default, *args]
        return super().parse_args(ctx, args)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help of the first command, whose options belong to the plain form, then the list of commands."""
        command = self.commands[self._default]
        own = command.make_context(ctx.info_name, [], parent=ctx.parent, resilient_parsing=True)
        command.format_usage(own, formatter)
        command.format_help_text(own, formatter)
        command.format_options(own, formatter)
        self.format_commands(ctx, formatter)

    @property
    def _default(self) -> str:
        return next(iter(self.commands))
