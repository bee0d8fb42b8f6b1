"""Write the command-line reference from --help: python -m mifid_cli.document docs/cli.md"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import click

from .main import cli

__all__ = ["reference_text", "write_or_check"]

_HEAD = """\
# Command line

Made from `--help` by `make docs`; `make test` fails when it is out of date.

Exit codes: 0 done; 1 it failed, or `check` found what Kaggle refuses; 2 an option or argument is
unknown, missing or not of the kind that `--help` says (a value that is found to be of no use only
later, such as an unknown metric or device, is 1); 130 interrupted. Results go to stdout, everything
else to stderr.
"""


def reference_text() -> str:
    """Return the whole reference as Markdown."""
    sections = [
        f"## {path}\n\n```text\n{command.get_help(context)}\n```\n"
        for path, command, context in _commands(cli, "mifid", None)
    ]
    return "\n".join([_HEAD, *sections])


def _commands(
    command: click.Command, path: str, parent: click.Context | None
) -> Iterator[tuple[str, click.Command, click.Context]]:
    context = click.Context(
        command,
        info_name=path.rsplit(maxsplit=1)[-1],
        parent=parent,
        max_content_width=96,
        **command.context_settings,  # such as -h, which the commands inherit
    )
    context.terminal_width = 96
    yield path, command, context
    if isinstance(command, click.Group):
        for name in sorted(command.commands):
            yield from _commands(command.commands[name], f"{path} {name}", context)


def write_or_check(text: str, arguments: list[str], *, source: str) -> int:
    """Write a page, or with --check see that it is there already; return the exit code."""
    target = Path(arguments[-1])
    if "--check" not in arguments:
        target.write_text(text, encoding="utf-8")
        return 0
    if target.is_file() and target.read_text(encoding="utf-8") == text:
        return 0
    print(f"{target} is not what {source} say; run: make docs", file=sys.stderr)  # noqa: T201
    return 1


if __name__ == "__main__":
    sys.exit(write_or_check(reference_text(), sys.argv[1:], source="the commands' --help texts"))
