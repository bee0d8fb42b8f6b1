"""Patterns without quotes, which the shell has turned into thousands of file names."""

from __future__ import annotations

import os
from collections.abc import Sequence

import click

__all__ = ["PatternGroup"]

_SHORT = 3
"""So many unexpected arguments are listed by click itself."""


class PatternGroup(click.Group):
    """A group that tells too many arguments in a line, and how to give a pattern instead."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, and look at its arguments before it does."""
        name, command, rest = super().resolve_command(ctx, args)
        if command is not None and not isinstance(command, click.Group):
            own = command.context_class(command, parent=ctx, info_name=name)
            _refuse_expanded(command, own, rest)
        return name, command, rest


def _refuse_expanded(command: click.Command, ctx: click.Context, args: Sequence[str]) -> None:
    """Raise UsageError if a pattern's files were given, or too many arguments to list them."""
    found, extra, _ = command.make_parser(ctx).parse_args(list(args))
    helping = command.get_help_option(ctx)
    if not extra or ctx.resilient_parsing or (helping is not None and helping.name in found):
        return
    patterns = _patterns(extra)
    if not patterns and len(extra) <= _SHORT:
        return
    what = "argument" if len(extra) == 1 else f"arguments, from {extra[0]} to {extra[-1]}"
    advice = _advice(command, patterns) if patterns else ""
    ctx.fail(f"Got {len(extra):,} unexpected extra {what}. {advice}".strip())


def _patterns(paths: Sequence[str]) -> list[str]:
    """Return the patterns that pictures were found by; none if other things are among them."""
    from mifid.images.source import EXTENSIONS

    split = {(os.path.dirname(path), os.path.splitext(path)[1]) for path in paths}
    if any(ending.lower() not in EXTENSIONS for _, ending in split):
        return []
    return sorted(os.path.join(folder, f"*{ending}") for folder, ending in split)


def _advice(command: click.Command, patterns: Sequence[str]) -> str:
    if any(
        isinstance(p, click.Argument) and isinstance(p.type, click.Path) for p in command.params
    ):
        return "Give one file that holds the pictures, such as images.zip."
    shown = " ".join(f"'{pattern}'" for pattern in patterns[:_SHORT])
    return f"Put a pattern in quotes ({shown}), or name the folder."
