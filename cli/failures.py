"""Messages and exit codes of errors: 1 for failures, 2 for usage, 130 for Ctrl-C."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NoReturn, TextIO, TypeVar

import click

if TYPE_CHECKING:
    from mifid.comparison import Comparison
    from mifid.diagnosis import Diagnosis
    from mifid.report import Report
    from mifid.selection import Selection

__all__ = [
    "ELSEWHERE",
    "SHORTHANDS",
    "CommandGroup",
    "SafeGroup",
    "debug_option",
    "unshown",
    "writable_streams",
]

Result = TypeVar("Result", "Report", "Comparison", "Diagnosis", "Selection")

_DEBUG = "mifid.debug"

_SHORT = 3
"""Number of unexpected arguments up to which click's own message is used."""

_SHOWN: list[str] = []
"""Warnings that the running command has shown on stderr."""


_NO_OPTION = "the path of the generated pictures, without an option"

ELSEWHERE = {
    "--real": "--ref",
    "--reference": "--ref",
    "--input2": "--ref",
    "--dataset": "--ref",
    "--gen": _NO_OPTION,
    "--fake": _NO_OPTION,
    "--generated": _NO_OPTION,
    "--input1": _NO_OPTION,
    "--images": _NO_OPTION,
    "--gpu": "--device cuda",
    "--cuda": "--device cuda",
    "--fid": "--metrics",
    "--kid": "--metrics",
    "--isc": "--metrics",
    "--prc": "--metrics",
    "--metric": "--metrics",
    "--num-workers": "--workers",
    "--threshold": "--epsilon",
    "--eps": "--epsilon",
    "--save-stats": "the command mifid reference build",
    "--csv": "-o scores.csv",
    "--html": "--report",
    "--data": "--photos and --monets",
    "--dataroot": "--photos and --monets",
    "--time": "--budget",
    "--output-dir": "--out",
    "--checkpoints-dir": "--out",
}
"""Options of pytorch-fid, torch-fidelity, clean-fid and training scripts -> ours.

Other names of training settings are in mifid.baseline.config.settings.
"""


SHORTHANDS = {
    "training.budget": "--budget",
    "training.epochs": "--epochs",
    "training.steps": "--steps",
    "data.limit_photos": "--limit",
    "data.limit_paintings": "--limit",
    "data.select_paintings": "--select",
}
"""Training settings with an option of their own; all others are given with --set."""


class CommandGroup(click.Group):
    """A group that checks the arguments of a command before the command parses them."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; refuse options given twice, empty values and expanded patterns."""
        try:
            name, command, rest = super().resolve_command(ctx, args)
        except click.UsageError as error:
            if ctx.parent is None and os.path.exists(args[0]):
                raise click.UsageError(
                    f"{args[0]} is a path, not a command. To score it: "
                    f"mifid score {args[0]} --ref {args[1] if len(args) > 1 else 'monet_jpg/'}",
                    ctx,
                ) from error
            raise
        if command is not None and not isinstance(command, click.Group):
            from mifid.errors import name_options

            everywhere = _option_names(ctx.find_root().command)
            name_options({**everywhere, **_option_names(command)})
            own = command.context_class(command, parent=ctx, info_name=name)
            found, extra, order = _parsed(command, own, rest)
            helping = command.get_help_option(own)
            if not own.resilient_parsing and (helping is None or helping.name not in found):
                _refuse_empty(own, found)
                _refuse_twice(own, order)
                _refuse_extra(own, found, extra)
        return name, command, rest


class SafeGroup(CommandGroup):
    """A group whose commands never show a traceback, unless --debug asks for it."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; turn any error into one message."""
        from mifid.errors import MifidError, name_options, option_names
        from mifid.formatting import terminal_safe

        before = option_names()
        _SHOWN.clear()
        warnings.showwarning = _show_warning
        try:
            return super().invoke(ctx)
        except MifidError as error:
            if ctx.meta.get(_DEBUG):
                raise
            _fail(ctx, error.message, error.hint)
        except KeyboardInterrupt:
            click.echo("\nInterrupted; no incomplete file was left.", err=True)
            ctx.exit(130)
        except click.UsageError as error:
            # The message may hold file names, since the shell expands patterns.
            raise click.UsageError(terminal_safe(error.format_message()), error.ctx) from error
        except (click.exceptions.Exit, click.Abort, BrokenPipeError):
            raise
        except Exception as error:
            if ctx.meta.get(_DEBUG):
                raise
            _fail(ctx, *_explained(error))
        finally:
            name_options(before)


def _parsed(
    command: click.Command, ctx: click.Context, arguments: Sequence[str]
) -> tuple[dict[str, Any], list[str], list[click.Parameter]]:
    """Parse arguments; for an option of another tool, name ours."""
    try:
        found, extra, order = command.make_parser(ctx).parse_args(list(arguments))
    except click.NoSuchOption as error:
        here = ELSEWHERE.get(error.option_name.replace("_", "-").lower(), "")
        own = {option for parameter in command.params for option in parameter.opts}
        named = [word for word in here.split() if word.startswith("-")] or ["--ref"]
        if not here or not own.issuperset(named):
            raise _with_setting(command, error) from error
        raise click.UsageError(
            f"No such option '{error.option_name}'. Use {here} instead.", ctx
        ) from error
    return found, extra, order


def _explained(error: Exception) -> tuple[str, str]:
    """Return a message and a hint for an error that is not mifid's own."""
    if _is_out_of_memory(error):
        return "out of memory", "Lower --batch-size or --workers, or close other programs."
    if isinstance(error, FileNotFoundError) and _without_folder():
        return "the current folder no longer exists", "Change to a folder that exists: cd FOLDER"
    hint = "This is a bug in mifid. --debug shows where it happened; please report it."
    return f"{type(error).__name__}: {error}", hint


def _without_folder() -> bool:
    try:
        os.getcwd()
    except FileNotFoundError:
        return True
    return False


def _is_out_of_memory(error: Exception) -> bool:
    # Recognise torch's errors by name and text: torch may not be imported here, and has no class
    # for those of the CPU.
    torch_says = type(error).__name__ == "OutOfMemoryError" or "can't allocate memory" in str(error)
    return isinstance(error, MemoryError) or torch_says


def debug_option(command: Any) -> Any:
    """Add --debug, which shows tracebacks."""

    def remember(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
        ctx.meta[_DEBUG] = value

    return click.option(
        "--debug",
        is_flag=True,
        expose_value=False,
        callback=remember,
        help="Show the traceback of an error.",
    )(command)


def writable_streams() -> None:
    """Open closed streams, and escape letters that a stream cannot encode.

    If stderr were closed, libraries would write their messages into the next file that is opened.
    """
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number: this one
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
        else:
            stream.reconfigure(errors="backslashreplace")


def unshown(result: Result) -> Result:
    """Return a result to print, without warnings that were already shown on stderr.

    If stdout and stderr go to different places, each gets all warnings.
    """
    if not _read_together():
        return result
    return replace(result, warnings=tuple(w for w in result.warnings if w not in _SHOWN))


def _read_together() -> bool:
    """Return whether stdout and stderr go to one terminal, pipe or file (``2>&1 | tee log``)."""
    if sys.stdout.isatty() and sys.stderr.isatty():
        return True
    try:
        out, err = os.fstat(sys.stdout.fileno()), os.fstat(sys.stderr.fileno())
    except (OSError, ValueError):  # a stream without a file, or a closed one
        return False
    return out.st_ino != 0 and os.path.samestat(out, err)  # Windows pipes have no inode


def _with_setting(command: click.Command, error: click.NoSuchOption) -> click.UsageError:
    """Add the ``--set`` form to the error about an option such as ``--lr 0.001``."""
    if not any(parameter.name == "settings" for parameter in command.params):
        return error
    from mifid.baseline.config import setting_named
    from mifid.registry import did_you_mean

    meant = [
        SHORTHANDS.get(name, f"--set {name}=VALUE") for name in setting_named(error.option_name)
    ]
    if not meant:
        return error
    asked = did_you_mean(meant).strip()
    return click.UsageError(f"No such option '{error.option_name}'. {asked}", error.ctx)


def _option_names(command: click.Command) -> dict[str, str]:
    """Return argument of the library -> option; see mifid.errors.setting.

    A group has the options of all its commands: a message of `mifid weights fetch` may name an
    option of `mifid score`.
    """
    if isinstance(command, click.Group):
        found: dict[str, str] = {}
        for each in command.commands.values():
            for name, named in _option_names(each).items():
                if named.startswith("-") or name not in found:  # options go before arguments
                    found[name] = named
        return found
    names = {p.name or "": _named(p) for p in command.params}
    return names | SHORTHANDS if "settings" in names else names


def _refuse_empty(ctx: click.Context, found: Mapping[str, Any]) -> None:
    """Raise UsageError for ``--ref "$UNSET"``: an empty path would be the current folder."""
    for parameter in ctx.command.params:
        value = found.get(parameter.name or "")
        for given in value if isinstance(value, list | tuple) else (value,):
            if isinstance(given, str) and not given.strip():
                ctx.fail(
                    f'{_named(parameter)} has no value: "{given}" is empty. Is a shell variable '
                    "unset?"
                )


def _refuse_twice(ctx: click.Context, order: Sequence[click.Parameter]) -> None:
    """Raise UsageError for an option given twice: click would silently use the last one."""
    for parameter in ctx.command.params:
        if not isinstance(parameter, click.Option) or parameter.multiple:
            continue
        if parameter.is_flag and not parameter.secondary_opts:
            continue  # the same flag twice is harmless; --ema and --raw are not
        if order.count(parameter) > 1:
            ctx.fail(f"{_named(parameter)} is given {order.count(parameter)} times; give it once.")


def _named(parameter: click.Parameter) -> str:
    if isinstance(parameter, click.Option):
        return "/".join([parameter.opts[-1], *parameter.secondary_opts])
    return parameter.human_readable_name


def _refuse_extra(ctx: click.Context, found: Mapping[str, Any], extra: Sequence[str]) -> None:
    """Raise UsageError for a reference without --ref, an expanded pattern, or many arguments."""
    command = ctx.command
    patterns = _patterns(extra) if extra else []
    reference = next((p for p in command.params if p.name == "reference"), None)
    if reference is not None and "reference" not in found and not patterns:
        others = [value for value in found.values() if isinstance(value, tuple) and len(value) > 2]
        if last := extra[-1:] or [value[-1] for value in others]:
            ctx.fail(
                f"Missing option '--ref', the real pictures. If they are {last[0]}: --ref {last[0]}"
            )
    if not extra or (not patterns and len(extra) <= _SHORT):
        return
    what = "argument" if len(extra) == 1 else f"arguments, from {extra[0]} to {extra[-1]}"
    advice = _advice(command, patterns) if patterns else ""
    ctx.fail(f"Got {len(extra):,} unexpected extra {what}. {advice}".strip())


def _patterns(paths: Sequence[str]) -> list[str]:
    """Return the patterns that match all paths; none if some paths are not pictures."""
    from mifid.images import EXTENSIONS

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


def _fail(ctx: click.Context, message: str, hint: str) -> NoReturn:
    from mifid.formatting import terminal_safe

    with suppress(OSError):  # if stderr fails too, the exit code reports the error
        click.secho("Error: ", fg="red", bold=True, nl=False, err=True)
        click.echo(terminal_safe(message), err=True)
        if hint:
            click.echo(terminal_safe(hint), err=True)
    _discard_unwritten()
    ctx.exit(1)


def _discard_unwritten() -> None:
    """Drop output that a full disk did not take: Python would try again at exit, and complain."""
    try:
        sys.stdout.flush()
    except OSError:
        with suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


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
    from mifid.formatting import terminal_safe

    if issubclass(category, MifidWarning):
        click.secho("Warning: ", fg="yellow", bold=True, nl=False, err=True)
        click.echo(terminal_safe(str(message)), err=True)
        _SHOWN.append(str(message))
    else:
        text = warnings.formatwarning(message, category, filename, lineno, line)
        click.echo(terminal_safe(text), err=True)
