"""Painting photos with a trained generator."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mifid.registry import lazy_names

if TYPE_CHECKING:
    from mifid.baseline.generation.generating import Generated as Generated
    from mifid.baseline.generation.generating import as_submitted as as_submitted
    from mifid.baseline.generation.generating import generate as generate
    from mifid.baseline.generation.painter import Painter as Painter
    from mifid.baseline.generation.painter import seed_of as seed_of
    from mifid.baseline.generation.weights_file import LoadedGenerator as LoadedGenerator
    from mifid.baseline.generation.weights_file import check_fit as check_fit
    from mifid.baseline.generation.weights_file import load_generator as load_generator
    from mifid.baseline.generation.weights_file import save_generator as save_generator

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "generating": ["Generated", "as_submitted", "generate"],
        "painter": ["Painter", "seed_of"],
        "weights_file": ["LoadedGenerator", "check_fit", "load_generator", "save_generator"],
    },
)
