"""Options that several commands share; each has the name and value of the library's argument."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import click

from .failures import debug_option

if TYPE_CHECKING:
    from mifid.progress import Progress

__all__ = [
    "check_outputs",
    "common",
    "device",
    "extraction",
    "extraction_of_one",
    "force",
    "intervals",
    "json_option",
    "limit",
    "make_progress",
    "memorization",
    "painting",
    "prepare_extractor",
    "quality",
    "reference",
    "seed",
    "switch_off",
    "training_sides",
]

device = click.option(
    "--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1 or mps."
)

force = click.option(
    "--force", is_flag=True, help="Replace FILE even if other inputs or settings made it."
)

Command = TypeVar("Command", bound=Callable[..., Any])

json_option = click.option("--json", "as_json", is_flag=True, help="Print only JSON on stdout.")


def switch_off(name: str, *, help: str) -> Callable[[Command], Command]:
    """Return the option ``--no-name``, with which the argument ``name`` is False."""
    return click.option(
        f"--no-{name}",
        name,
        is_flag=True,
        callback=lambda _ctx, _param, given: not given,
        help=help,
    )


_LABELS = ("generated", "reference", "memorization_reference", "held_out", "photos")


def _ranges(_ctx: click.Context, _param: click.Parameter, given: tuple[str, ...]) -> Any:
    """Turn 0,1 into (0, 1), and generated=-1,1 into a mapping."""
    ranges: dict[str, tuple[float, float]] = {}
    for text in given:
        label, equals, numbers = text.rpartition("=")
        label = label.strip().replace("-", "_")
        if (equals and label not in _LABELS) or label in ranges:
            again = f"is a second range for {label or 'all sides'}; SIDE=LOW,HIGH is for one side"
            problem = again if label in ranges else "does not begin with the name of a side"
            raise click.BadParameter(f"{text} {problem}; sides are: {', '.join(_LABELS)}")
        try:
            low, high = (float(number) for number in numbers.split(","))
        except ValueError as error:
            raise click.BadParameter(
                f"{text} is not a range; expected LOW,HIGH, such as 0,1 or generated=-1,1"
            ) from error
        ranges[label] = (low, high)
    if "" not in ranges:
        return ranges or None
    return ranges if len(ranges) > 1 else ranges[""]


def _range(_ctx: click.Context, _param: click.Parameter, given: str | None) -> Any:
    """Turn 0,1 into (0, 1)."""
    if given is None:
        return None
    try:
        low, high = (float(number) for number in given.split(","))
    except ValueError as error:
        raise click.BadParameter(
            f"{given} is not a range for one set of pictures; expected LOW,HIGH, such as 0,1"
        ) from error
    return low, high


_ONE_RANGE = click.option(
    "--value-range",
    callback=_range,
    metavar="LOW,HIGH",
    help="Values of black and white in arrays of floats, such as 0,1 or -1,1. Values clearly "
    "outside are refused.",
)

_RANGE = click.option(
    "--value-range",
    multiple=True,
    callback=_ranges,
    metavar="[SIDE=]LOW,HIGH",
    help="Values of black and white in arrays of floats, such as 0,1 or -1,1. Values clearly "
    "outside are refused. SIDE= (generated, reference, memorization_reference, held_out, photos) "
    "limits the range to one side. May be given several times.",
)

_LIMIT = [
    click.option(
        "--limit",
        type=click.IntRange(min=2),
        metavar="N",
        help="Use at most N pictures per side, drawn with --seed. score, compare, diagnose and "
        "reference build draw the same pictures; generate and train-baseline take the first N.",
    ),
]

_SEED = [
    click.option(
        "--seed",
        type=click.IntRange(min=0, max=2**32 - 1),
        default=2020,
        show_default=True,
        help="Seed of the pictures that --limit draws.",
    ),
]


def _extractor(default: str) -> Callable[[Command], Command]:
    return click.option(
        "--extractor",
        metavar="NAME",
        callback=lambda _ctx, _param, given: given and prepare_extractor(given),
        help="inception, or one that is not comparable with Kaggle: inception-clean-fid and "
        "inception-pytorch-fid (with the resize of these tools), lite0 (EfficientNet-Lite0: "
        "trained, no download), dinov2 and dinov2-b14 (for FD_DINOv2), clip-l14-336 (for CMMD), "
        "timm:NAME (any trained network of timm), inception-random (seeded weights, for tests), or "
        f"your own as package.module:function.  [default: {default}]",
    )


_EXTRACTION = [
    click.option(
        "--weights",
        type=click.Path(),
        metavar="FILE",
        help="Weights of the extractor. Default: MIFID_WEIGHTS (MIFID_WEIGHTS_DINOV2, ... for "
        "others than inception), mifid's cache, torch hub's cache or /kaggle/input; else they are "
        "downloaded.",
    ),
    click.option(
        "--backend",
        default="auto",
        show_default=True,
        metavar="NAME",
        help="Library that runs the network: torch, openvino (fastest on a CPU), or auto: openvino "
        "if it is installed and there is no GPU.",
    ),
    click.option(
        "--precision",
        type=click.Choice(["exact", "fast"]),
        default="exact",
        show_default=True,
        help="fast runs the network in bfloat16: a different score from Kaggle's, and marked so.",
    ),
    click.option(
        "--device",
        default="auto",
        show_default=True,
        help="auto, cpu, cuda, cuda:1, cuda:0,cuda:1, cuda:all or mps.",
    ),
    click.option(
        "--batch-size",
        type=click.IntRange(min=1),
        metavar="N",
        help="Pictures per batch; changes only speed and memory. Default: 8 on a CPU, 128 on CUDA, "
        "else 32.",
    ),
    click.option(
        "--workers",
        type=click.IntRange(min=1),
        metavar="N",
        help="Decoding threads; processes with a GPU. Default: one per core, at least two.",
    ),
    click.option("--skip-bad", is_flag=True, help="Leave out pictures that cannot be decoded."),
    switch_off("cache", help="Do not read or write the cache of features."),
]


_INCOMPLETE = click.option(
    "--incomplete",
    is_flag=True,
    help="Take a feature store (mifid features) although shards are missing, and mark the score as "
    "not comparable.",
)

_OVER = {
    "both": ("generated", "reference"),
    "generated": ("generated",),
    "reference": ("reference",),
}

_INTERVALS = [
    click.option(
        "--ci",
        type=float,
        metavar="LEVEL",
        help="Level of the intervals in per cent, 50 to 99.9; 0 for none. Default: 95 for up to "
        "20,000 pictures, else 0.",
    ),
    click.option(
        "--ci-over",
        "resample",
        callback=lambda _ctx, _param, given: _OVER[given],
        type=click.Choice(list(_OVER)),
        default="both",
        show_default=True,
        help="Sides that are resampled: generated, reference, or both.",
    ),
    click.option(
        "--replicates",
        type=click.IntRange(min=100),
        default=1000,
        show_default=True,
        help="Number of bootstrap replicates.",
    ),
    click.option(
        "--seed",
        type=click.IntRange(min=0, max=2**32 - 1),
        default=2020,
        show_default=True,
        help="Seed of all random draws: for intervals, and for the pictures of --limit.",
    ),
]


_MEMORIZATION = [
    click.option(
        "--memorization-ref",
        "memorization_reference",
        metavar="PATH",
        help="The training pictures, if they are not the reference.",
    ),
    click.option(
        "--epsilon",
        type=click.FloatRange(0, 1),
        help="Memorization distances below it are penalized.  [default: the extractor's own: 0.1 "
        "for inception, 0.12 for lite0, none for the others of mifid]",
    ),
]


_TRAINING_SIDES = [
    click.option(
        "--photos",
        type=click.Path(),
        metavar="PATH",
        help="The photos: a folder, zip, tar or TFRecords.",
    ),
    click.option(
        "--monets",
        type=click.Path(),
        metavar="PATH",
        help="The paintings, in any of the same forms.",
    ),
]


_PAINTING = [
    click.option(
        "--ema/--raw",
        "which",
        default=None,
        callback=lambda _ctx, _param, ema: None if ema is None else ("ema" if ema else "raw"),
        help="Paint with the averaged (EMA) or the raw weights. Default: those that scored best.",
    ),
    click.option(
        "--dropout/--no-dropout",
        default=None,
        help="Let the generator's dropout drop while it paints, as in training. Default: as its "
        "setting generator.paint_dropout says.",
    ),
    device,
]


_RUNNING = [
    device,
    click.option(
        "--gpus",
        type=click.IntRange(min=1),
        default=1,
        show_default=True,
        metavar="N",
        help="Train on N GPUs, each with a process of its own that torchrun starts. With --device "
        "cpu the processes share the processor.",
    ),
    click.option("--workers", type=click.IntRange(min=1), metavar="N", help="Decoding threads."),
    click.option("--skip-bad", is_flag=True, help="Leave out pictures that cannot be decoded."),
    click.option(
        "--tensorboard",
        is_flag=True,
        help="Also write TensorBoard's event files: numbers, samples, the final text.",
    ),
    click.option(
        "--wandb",
        is_flag=True,
        help="Also show numbers, samples and the final page in Weights & Biases (pip install "
        "'mifid[wandb]'). WANDB_MODE=offline writes files alone.",
    ),
]


def check_outputs(
    written: Mapping[str, tuple[str | None, Callable[[str], object]]],
) -> None:
    """Refuse output files that cannot be written, before the long job begins.

    Args:
        written: option -> (its path, the function that checks it).
    """
    from mifid.errors import OutputError

    seen: dict[str, str] = {}
    for option, (path, check) in written.items():
        if path is None:
            continue
        if option == "--report" and not path.lower().endswith(".html"):
            raise click.BadParameter(f"{path} does not end in .html", param_hint=option)
        other = seen.setdefault(os.path.realpath(path), option)
        if other != option:
            raise click.BadParameter(f"{path} is also the file of {other}", param_hint=option)
        try:
            check(path)
        except OutputError as error:
            raise OutputError(f"{option}: {error.message}", hint=error.hint) from error


def common(command: Command) -> Command:
    """Add --quiet and --debug."""
    quiet = click.option("-q", "--quiet", is_flag=True, help="Show no progress.")
    decorated: Command = debug_option(quiet(command))
    return decorated


def extraction(command: Command) -> Command:
    """Add the options of commands that run a network over the pictures of several sides."""
    default = "what the --ref file was made with, else inception"
    return _with([_RANGE, _extractor(default), *_EXTRACTION, _INCOMPLETE], command)


def extraction_of_one(default: str) -> Callable[[Command], Command]:
    """Add the options of commands that run a network over one set of pictures.

    Args:
        default: the extractor that is taken if none is named, for the help text.
    """
    return partial(_with, [_ONE_RANGE, _extractor(default), *_EXTRACTION])


def reference(like: str) -> Callable[[Command], Command]:
    """Add --ref, whose value is a path, or a list of those that are one set.

    Args:
        like: what has the same forms, for the help text.
    """
    return click.option(
        "--ref",
        "reference",
        required=True,
        multiple=True,
        metavar="PATH|NAME",
        callback=lambda _ctx, _param, given: given[0] if len(given) == 1 else list(given),
        help=f"The real pictures, in any form that {like} Or the name of a published reference, "
        "such as cifar10-train (see `mifid references`). If given several times, all together are "
        "one set.",
    )


def limit(command: Command) -> Command:
    """Add --limit."""
    return _with(_LIMIT, command)


def seed(command: Command) -> Command:
    """Add --seed, for commands that draw only the pictures of --limit."""
    return _with(_SEED, command)


def memorization(command: Command) -> Command:
    """Add --memorization-ref and --epsilon."""
    return _with(_MEMORIZATION, command)


def intervals(command: Command) -> Command:
    """Add the options of intervals."""
    return _with(_INTERVALS, command)


def running(command: Command) -> Command:
    """Add the options of commands that train: device, processes, trackers."""
    return _with(_RUNNING, command)


def training_sides(command: Command) -> Command:
    """Add --photos and --monets, which a run that goes on has in its config.toml."""
    return _with(_TRAINING_SIDES, command)


def painting(command: Command) -> Command:
    """Add the options of commands that paint with one generator: weights, dropout, device."""
    return _with(_PAINTING, command)


def quality(of: str) -> Callable[[Command], Command]:
    """Add --quality.

    Args:
        of: which pictures it is the quality of, for the help text.
    """
    return click.option(
        "--quality",
        type=click.IntRange(1, 100),
        default=95,
        show_default=True,
        metavar="N",
        help=of,
    )


def _with(options: list[Callable[[Any], Any]], command: Command) -> Command:
    for option in reversed(options):  # the last one applied is listed first
        command = option(command)
    return command


def make_progress(*, silent: bool) -> Progress:
    """Return bars on stderr if it is a terminal, else a line every half minute."""
    from mifid.progress import Bars, Lines, Silent, is_watched

    if silent:
        return Silent()
    if is_watched(sys.stderr):
        return Bars()
    lines, context = Lines(), click.get_current_context()
    # Lines appear as long as the command runs, also between its tasks.
    context.with_resource(lines.task(context.command_path, None, ""))
    return lines


def prepare_extractor(name: str) -> str:
    """Make package.module:function importable from the current folder, if one is named.

    Installed packages are searched first, so a file of the current folder cannot replace one.
    """
    if ":" in name and os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
    return name
