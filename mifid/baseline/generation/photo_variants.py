"""Variants of one photo: other draws of noise, maps and dropout, or another picture's map."""

from __future__ import annotations

import os
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from mifid.baseline.data import fit_picture
from mifid.baseline.generation.weights_file import LoadedGenerator
from mifid.errors import InputError, PictureError, setting
from mifid.files import make_folder
from mifid.images import Source, decode, digest, open_images, stated_for
from mifid.inputs import of_side

__all__ = ["archive_of", "check_variants", "like_picture", "make_folders"]


def archive_of(path: Path, variant: int) -> Path:
    """Return the archive of a variant: ``images.zip``, ``variant-2/images.zip``, ...

    Kaggle takes only an archive of that name, with one picture under the name of each photo.
    """
    return path if variant == 1 else path.parent / f"variant-{variant}" / path.name


def make_folders(archives: list[Path]) -> None:
    """Make the folders of all variants but the first, whose folder is the user's.

    Raises:
        OutputError: one cannot be made.
    """
    for archive in archives[1:]:
        make_folder(archive.parent, hint=f"Give another {setting('output')}.")


def check_variants(generator: LoadedGenerator, variants: int, *, drops: bool, liked: bool) -> None:
    """Refuse more variants of a photo than a generator can make.

    Args:
        generator: to paint with.
        variants: that are asked for.
        drops: whether its dropout is on.
        liked: whether it paints with the map of one picture.

    Raises:
        InputError: it makes the same picture each time.
    """
    if variants == 1 or generator.network.noise or drops:
        return
    hint = f"Leave {setting('variants')} out. Generators with noise or with maps make variants."
    if generator.network.dropouts:
        hint = f"Its dropout makes them: {setting('dropout', True)}."
    elif liked:
        hint = f"Leave {setting('like')} out: then each picture's map is drawn."
    raise InputError(
        f"{setting('variants')} is {variants}, but this generator makes one picture of each photo: "
        "nothing in it is random",
        hint=hint,
    )


def like_picture(generator: LoadedGenerator, like: Any) -> LoadedGenerator:
    """Return a generator that paints with the map of a picture.

    Args:
        generator: one with maps.
        like: path of a picture, or a picture. It is brought to the generator's size as
            ``data.fit`` says, with ``exact`` by cutting the middle out.

    Raises:
        InputError: the generator has no maps, or ``like`` is not one picture.
        PictureError: it cannot be decoded, or is tiny.
    """
    size, fit = generator.config.data.size, generator.config.data.fit
    if not generator.network.has_maps:
        own = generator.config.generator.network
        raise InputError(
            f"{setting('like')} is given, but this generator ({own}) has no maps of pictures",
            hint=f"Leave {setting('like')} out. Generators of the presets bayes-sfm and "
            "sabathier-bayes have maps.",
        )
    with stated_for(None), of_side(setting("like")):
        source = open_images([like])
        if not isinstance(source, Source) or len(source.names) != 1:
            raise InputError(
                f"{setting('like')} is {source.description}; expected one picture",
                hint="Give the path of one picture.",
            )
        with closing(source):
            content, name = source.read(0), source.names[0]
        decoded = decode(content, name) if isinstance(content, bytes) else content
        how = "stretch" if fit == "stretch" else "crop"
        try:
            pixels = fit_picture(decoded.pixels, size=size, fit=how, name=name)
        except PictureError as error:
            raise PictureError(error.message, hint="Give a larger picture.") from error
    picture = torch.from_numpy(pixels.copy()).permute(2, 0, 1)
    shown = os.path.basename(like) if isinstance(like, str | os.PathLike) else "the given picture"
    return replace(
        generator,
        network=generator.network.like(picture),
        sha256=f"{generator.sha256} like {digest(content).hex()} {how}",
        origin=f"{generator.origin}, with the map of {shown}",
    )
