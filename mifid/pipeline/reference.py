"""Reference files: features and statistics of real pictures, computed once."""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mifid.errors import MifidError, UnavailableError, setting
from mifid.files import check_output, occupied
from mifid.images import Source
from mifid.inputs import one_picture
from mifid.pipeline.options import Keywords, Options, with_options
from mifid.pipeline.pipeline import features_of, open_pictures
from mifid.statistics import UNKNOWN, Features, formats

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["build_reference", "reference_file"]

_ROUNDING = 1e-3
"""Of features, as a part of their size: devices differ by less, other pictures by more."""


@with_options
def build_reference(
    images: Any,
    out: str | os.PathLike[str],
    *,
    spatial: bool = False,
    force: bool = False,
    **keywords: Unpack[Keywords],
) -> Features:
    """Compute a reference and write it as .npz: mu, sigma, features, names, n, colours, provenance.

    ``mu`` and ``sigma`` are float64 with ddof 1 under the names that pytorch-fid and clean-fid
    read; ``features`` makes MiFID possible.

    Args:
        images: the real pictures (see :func:`mifid.images.open_images`).
        out: the .npz file; without an ending, ``.npz`` is added.
        spatial: also write Inception's spatial features (N, 2023), which ``sfid`` needs.
        force: replace a file that is there, whatever it holds; False: only one of the same
            features.
        keywords: as of :class:`mifid.pipeline.Options`.

    Returns:
        Features: those in the file.

    Raises:
        OutputError: ``out`` cannot be written, or has an ending that is not ``.npz``, or is no
            reference of ours; found out before any picture is read. Or it is the reference of other
            pictures, or has spatial features that the new one would not have.
        FeatureError: it would be of one picture.
        UnavailableError: ``spatial`` with a network that has no spatial features.
        MifidError: as :func:`mifid.features`.
    """
    options = Options.of(build_reference, keywords)
    options.warn_of_unused_seed()
    target = reference_file(out)
    there = None if force or not target.exists() else _reference_in(target)
    with closing(open_pictures(images, options)) as opened:
        if isinstance(opened, Source) and len(opened) < 2:
            raise one_picture("reference", opened.description, images)
        if spatial and options.network.with_spatial() is None:
            raise UnavailableError(
                f"{setting('spatial', True)}: {options.network.identity.name} has no spatial "
                "features",
                hint="Only Inception has them (--extractor inception).",
            )
        computed = features_of(opened, options, spatial=spatial)
    if there is not None and not _same(there, computed):
        raise occupied(target, "of other pictures, or made by another extractor")
    if there is not None and there.spatial is not None and not spatial:
        raise occupied(target, "with spatial features, which the new one would not have")
    computed.save(target)
    return computed


def _reference_in(file: Path) -> Features:
    """Return the features of a reference that :func:`build_reference` made.

    Raises:
        OutputError: it is something else.
    """
    try:
        contents = formats.read(file)
    except MifidError as error:
        raise occupied(file, "which mifid reference build did not make") from error
    if contents.features is None or contents.provenance.extractor == UNKNOWN:
        raise occupied(file, "which mifid reference build did not make")
    return Features.from_contents(contents)


def _same(one: Features, other: Features) -> bool:
    """Say whether both are features of the same pictures, but for the rounding of devices."""
    facts = [(found.names, found.available, found.provenance.fingerprint) for found in (one, other)]
    if facts[0] != facts[1] or one.values.shape != other.values.shape:
        return False
    return bool(np.linalg.norm(one.values - other.values) <= _ROUNDING * np.linalg.norm(one.values))


def reference_file(out: str | os.PathLike[str]) -> Path:
    """Return the file that :func:`build_reference` writes: ``out``, with .npz if it has no ending.

    Raises:
        OutputError: another ending, or a place that cannot be written.
    """
    file = Path(out)
    if file.name and not file.suffix:
        file = file.with_name(f"{file.name}.npz")
    return check_output(file, (".npz",))
