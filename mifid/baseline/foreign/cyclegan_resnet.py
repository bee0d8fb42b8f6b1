"""ResNet generators of the CycleGAN repository, and of CUT, which came from it.

Both are one ``nn.Sequential``, so that the numbers in the names of weights depend on everything
that is between: padding, activations, dropout, and CUT's blurs, which have a weight ``filt``.

Sources: ``ResnetGenerator`` in models/networks.py of junyanz/pytorch-CycleGAN-and-pix2pix and of
taesungp/contrastive-unpaired-translation.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from mifid.baseline.foreign.layout import Recognised, Translation, norm_of
from mifid.errors import WeightsError

__all__ = ["recognise"]

_NAME = re.compile(r"model\.(\d+)\.(?:conv_block\.(\d+)\.)?(\w+)")
_OTHER = "Paint with the program that trained it."
_DROPOUT = 0.5  # the authors' code has no other

_BLOCKS: dict[tuple[int, ...], float] = {(1, 5): 0.0, (1, 6): _DROPOUT}
"""Numbers of a block's two convolutions -> its dropout."""


@dataclass(frozen=True)
class _Way:
    """A way of halving, or of doubling, twice.

    Attributes:
        convs: numbers of its convolutions, counted from its first layer.
        blurs: numbers of its layers with a ``filt``, counted likewise.
        length: number of its layers.
    """

    convs: tuple[int, ...]
    blurs: tuple[int, ...]
    length: int


_HALVINGS = {"stride": _Way((0, 3), (), 6), "blur": _Way((0, 4), (3, 7), 8)}
_DOUBLINGS = {
    "transposed": _Way((0, 3), (), 6),
    "blur": _Way((1, 5), (0, 4), 8),
    "resize": _Way((2, 7), (), 10),  # of forks: nn.Upsample, reflection padding, convolution
}
_START = 4  # layers before the halvings: padding, convolution, norm, activation
_UNSAID = (
    "it doubles maps with nn.Upsample: nearest neighbour is assumed, as the file does not say "
    "whether it is bilinear"
)


def recognise(weights: Mapping[str, Tensor]) -> Recognised | None:
    """Return the generator that the weights are of; None: they are of something else.

    Raises:
        WeightsError: it is such a generator, but not one that our network can be.
    """
    stem = weights.get("model.1.weight")
    if stem is None or stem.dim() != 4 or not any(".conv_block." in name for name in weights):
        return None
    fields: dict[int, set[str]] = defaultdict(set)  # of the layers that are no blocks
    blocks: dict[int, set[int]] = defaultdict(set)  # the convolutions of each
    for name, weight in weights.items():
        found = _NAME.fullmatch(name)
        if found is None:
            raise WeightsError(f"it has {name}, which such a generator does not have", hint=_OTHER)
        number, inner, field = int(found[1]), found[2], found[3]
        if inner is None:
            fields[number].add(field)
        elif field == "weight" and weight.dim() == 4:
            blocks[number].add(int(inner))
    first, end, last = min(blocks, default=0), max(blocks, default=-1) + 1, max(fields)
    convs = _convs_of(blocks, range(first, end))
    down = _way(_HALVINGS, "halves", fields, weights, range(_START, first))
    up = _way(_DOUBLINGS, "doubles", fields, weights, range(end, last - 1))
    norm = norm_of(fields.get(2, ()), bias="bias" in fields[1], name="model.2")
    width = stem.shape[0]
    taken = Translation(weights, norm=norm)
    _stage(taken, "model", 1, "stem", width)
    _part(taken, _HALVINGS[down], _START, ("down1.conv", "down2.conv"), (2 * width, 4 * width))
    for number in range(first, end):
        for conv, name in zip(convs, ("first", "second"), strict=True):
            ours = f"blocks.{number - first}.{name}"
            _stage(taken, f"model.{number}.conv_block", conv, ours, 4 * width)
    inner = "conv" if up == "transposed" else "conv.conv"
    _part(taken, _DOUBLINGS[up], end, (f"up1.{inner}", f"up2.{inner}"), (2 * width, width))
    taken.conv(f"model.{last}", "out.conv", bias=True, required=True)
    program = "CUT" if "blur" in (down, up) else "the CycleGAN repository"
    return taken.finish(
        f"the ResNet generator of {program}",
        {
            "generator.network": "resnet",
            "generator.norm": norm,
            "generator.norm_eps": 1e-5,
            "generator.first_norm": True,
            "generator.activation": "relu",
            "generator.halving": down,
            "generator.width": width,
            "generator.blocks": end - first,
            "generator.kernel": 0,
            "generator.upsample": up,
            "generator.dropout": _BLOCKS[convs],
            "generator.residual_activation": False,
        },
        first="stem.conv",
        notes=(_UNSAID,) if up == "resize" else (),
    )


def _stage(taken: Translation, theirs: str, number: int, ours: str, channels: int) -> None:
    """Take a convolution and the norm after it."""
    taken.conv(f"{theirs}.{number}", f"{ours}.conv")
    taken.norm(f"{theirs}.{number + 1}", f"{ours}.norm", channels=channels)


def _part(
    taken: Translation, way: _Way, start: int, names: tuple[str, str], channels: tuple[int, int]
) -> None:
    """Take both halvings, or both doublings; ``names`` are of our convolutions."""
    for number, name, width in zip(way.convs, names, channels, strict=True):
        transposed = way is _DOUBLINGS["transposed"]
        taken.conv(f"model.{start + number}", name, transposed=transposed)
        ours = f"{name.partition('.')[0]}.norm"
        taken.norm(f"model.{start + number + 1}", ours, channels=width)
    for blur in way.blurs:
        taken.drop(f"model.{start + blur}.filt")


def _convs_of(blocks: Mapping[int, set[int]], numbers: range) -> tuple[int, ...]:
    """Return the numbers of the two convolutions of a block, the same in all of them.

    Raises:
        WeightsError: blocks of another kind.
    """
    for number in numbers:
        convs = tuple(sorted(blocks.get(number, ())))
        if convs not in _BLOCKS or convs != tuple(sorted(blocks[numbers.start])):
            raise WeightsError(
                f"its block model.{number}.conv_block has convolutions at {list(convs)}; expected "
                "two, at 1 and 5, or with dropout at 1 and 6, in all blocks",
                hint=f"Blocks with another padding than reflection have other numbers. {_OTHER}",
            )
    return convs


def _way(
    ways: Mapping[str, _Way],
    does: str,
    fields: Mapping[int, set[str]],
    weights: Mapping[str, Tensor],
    numbers: range,
) -> str:
    """Return how the layers of these numbers halve or double maps, as in the settings.

    Raises:
        WeightsError: in none of the known ways.
    """

    def at(field: str, dimensions: int) -> tuple[int, ...]:
        return tuple(
            number - numbers.start
            for number in numbers
            if field in fields.get(number, ())
            and weights[f"model.{number}.{field}"].dim() == dimensions
        )

    found = _Way(at("weight", 4), at("filt", 4), len(numbers))
    for name, way in ways.items():
        if way == found:
            return name
    raise WeightsError(
        f"it {does} maps in {found.length} layers, from model.{numbers.start} on, with "
        f"convolutions at {list(found.convs)} and blurs at {list(found.blurs)} of these; known are "
        + "; ".join(
            f"{list(way.convs)} and {list(way.blurs)} of {way.length}" for way in ways.values()
        ),
        hint=f"Two halvings and two doublings are recognised. {_OTHER}",
    )
