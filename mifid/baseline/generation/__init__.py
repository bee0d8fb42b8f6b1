"""Painting photos with a trained generator."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mifid.registry import lazy_names

if TYPE_CHECKING:
    from mifid.baseline.generation.generating import Generated as Generated
    from mifid.baseline.generation.generating import as_submitted as as_submitted
    from mifid.baseline.generation.generating import drops as drops
    from mifid.baseline.generation.generating import generate as generate
    from mifid.baseline.generation.painter import Painter as Painter
    from mifid.baseline.generation.painter import seed_of as seed_of
    from mifid.baseline.generation.weights_file import FOREIGN_SIZE as FOREIGN_SIZE
    from mifid.baseline.generation.weights_file import GeneratorFacts as GeneratorFacts
    from mifid.baseline.generation.weights_file import LoadedGenerator as LoadedGenerator
    from mifid.baseline.generation.weights_file import check_fit as check_fit
    from mifid.baseline.generation.weights_file import facts_of as facts_of
    from mifid.baseline.generation.weights_file import is_foreign as is_foreign
    from mifid.baseline.generation.weights_file import load_generator as load_generator
    from mifid.baseline.generation.weights_file import origin_of as origin_of
    from mifid.baseline.generation.weights_file import save_generator as save_generator

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "generating": ["Generated", "as_submitted", "drops", "generate"],
        "painter": ["Painter", "seed_of"],
        "weights_file": [
            "FOREIGN_SIZE",
            "GeneratorFacts",
            "LoadedGenerator",
            "check_fit",
            "facts_of",
            "is_foreign",
            "load_generator",
            "origin_of",
            "save_generator",
        ],
    },
)
