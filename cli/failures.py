"""From an error to a message and an exit code: 1 for failures, 2 for usage, 130 for Ctrl-C."""

from __future__ import annotations

import warnings
from typing import Any, NoReturn, TextIO

import click

__all__ = ["SafeGroup"]

_DEBUG = "mifid.debug"


class SafeGroup(click.Group):
    """A group whose commands never show a traceback, unless --debug asks for it."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command, turning what goes wrong into one message."""
        from mifid.errors import MifidError

        warnings.showwarning = _show_warning
        try:
            return super().invoke(ctx)
        except MifidError as error:
            if ctx.meta.get(_DEBUG):
                raise
            _fail(ctx, error.message, error.hint)
        except KeyboardInterrupt:
            click.echo("\nInterrupted; nothing half-done was left behind.", err=True)
            ctx.exit(130)
        except (click.exceptions.Exit, click.ClickException, click.Abort, BrokenPipeError):
            raise
        except Exception as error:
            if ctx.meta.get(_DEBUG):
                raise
            if _is_out_of_memory(error):
                hint = "Lower --batch-size or --workers, or close other programs."
                _fail(ctx, "out of memory", hint)
            _fail(
                ctx,
                f"{type(error).__name__}: {error}",
                "This is a bug in mifid. --debug shows where it happened; please report it.",
            )


def _is_out_of_memory(error: Exception) -> bool:
    # torch's are told by name and words: it may not be imported, and has no class for the CPU's.
    torch_says = type(error).__name__ == "OutOfMemoryError" or "can't allocate memory" in str(error)
    return isinstance(error, MemoryError) or torch_says


def debug_option(command: Any) -> Any:
    """Add --debug, which lets tracebacks through."""

    def remember(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
        ctx.meta[_DEBUG] = value

    return click.option(
        "--debug",
        is_flag=True,
        expose_value=False,
        callback=remember,
        help="Show the traceback of an error.",
    )(command)


def _fail(ctx: click.Context, message: str, hint: str) -> NoReturn:
    click.secho("Error: ", fg="red", bold=True, nl=False, err=True)
    click.echo(message, err=True)
    if hint:
        click.echo(hint, err=True)
    ctx.exit(1)


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    del file
    from mifid.errors import MifidWarning

    if issubclass(category, MifidWarning):
        click.secho("Warning: ", fg="yellow", bold=True, nl=False, err=True)
        click.echo(str(message), err=True)
    else:
        click.echo(warnings.formatwarning(message, category, filename, lineno, line), err=True)
