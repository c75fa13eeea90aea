"""A command group that imports the module of a command when that command runs; its first command may stay unnamed."""

from __future__ import annotations

from typing import Any, ClassVar

import typer
from typer.core import TyperGroup
from typer.main import get_command

from .launch import load_module


class LazyDefaultGroup(TyperGroup):
    """Runs its first command where the first word names none: ``fsrfer-profile BUNDLE``.

    What is called like a command is the command: a folder of that name is given as ``./model``, or after the command.
    The command ``name`` is the function ``name`` of the module ``PREFIXname`` of this package.
    """

    prefix: ClassVar[str]
    summaries: ClassVar[dict[str, str]]
    """One line about each command, by its name."""

    # Signatures are those of the base class.
    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002
        """Return the names of the commands, in their order."""
        return list(self.summaries)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Import a command; None where there is none of that name."""
        if cmd_name not in self.summaries:
            return None
        alone = typer.Typer(add_completion=False, rich_markup_mode=None)
        module = load_module(f"{self.prefix}{cmd_name}", f"{ctx.info_name} {cmd_name}")
        alone.command(cmd_name)(getattr(module, cmd_name))
        return get_command(alone)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the name of the first command before words that begin with no command."""
        if args and args[0] not in self.summaries and args[0] not in ctx.help_option_names:
            args = [next(iter(self.summaries)), *args]
        return super().parse_args(ctx, args)

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(self.summaries.items()))

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help of the first command, whose options belong to the plain form, then the list of commands."""
        command = self.get_command(ctx, next(iter(self.summaries)))
        own = command.make_context(ctx.info_name, [], parent=ctx.parent, resilient_parsing=True)
        command.format_usage(own, formatter)
        command.format_help_text(own, formatter)
        command.format_options(own, formatter)
        self.format_commands(ctx, formatter)
