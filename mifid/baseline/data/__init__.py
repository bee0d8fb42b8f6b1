"""Training pictures, and a run's random numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mifid.registry import lazy_names

if TYPE_CHECKING:
    from mifid.baseline.data.augment import to_pixels as to_pixels
    from mifid.baseline.data.augment import to_tensor as to_tensor
    from mifid.baseline.data.batches import Feed as Feed
    from mifid.baseline.data.batches import PictureSet as PictureSet
    from mifid.baseline.data.batches import hold_back as hold_back
    from mifid.baseline.data.fitting import fit_picture as fit_picture
    from mifid.baseline.data.held_out import held_out_fingerprints as held_out_fingerprints
    from mifid.baseline.data.held_out import overlap as overlap
    from mifid.baseline.data.held_out import sha256_of as sha256_of
    from mifid.baseline.data.photos import Photos as Photos
    from mifid.baseline.data.photos import paintable as paintable
    from mifid.baseline.data.picture_fingerprints import common as common
    from mifid.baseline.data.picture_fingerprints import fingerprints as fingerprints
    from mifid.baseline.data.picture_fingerprints import in_order as in_order
    from mifid.baseline.data.random_numbers import Draws as Draws
    from mifid.baseline.data.store import PixelStore as PixelStore
    from mifid.baseline.data.store import open_side as open_side
    from mifid.baseline.data.store import refuse_shared as refuse_shared
    from mifid.baseline.data.store import store_sides as store_sides

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "augment": ["to_pixels", "to_tensor"],
        "batches": ["Feed", "PictureSet", "hold_back"],
        "fitting": ["fit_picture"],
        "held_out": ["held_out_fingerprints", "overlap", "sha256_of"],
        "photos": ["Photos", "paintable"],
        "picture_fingerprints": ["common", "fingerprints", "in_order"],
        "random_numbers": ["Draws"],
        "store": ["PixelStore", "open_side", "refuse_shared", "store_sides"],
    },
)
