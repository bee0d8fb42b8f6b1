"""The pictures of a run: curves, and sheets of samples."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mifid.registry import lazy_names

if TYPE_CHECKING:
    from mifid.baseline.figures.curves import NAMES as NAMES
    from mifid.baseline.figures.curves import WEIGHTS as WEIGHTS
    from mifid.baseline.figures.curves import draw_losses as draw_losses
    from mifid.baseline.figures.curves import draw_scores as draw_scores
    from mifid.baseline.figures.curves import plot_losses as plot_losses
    from mifid.baseline.figures.curves import plot_scores as plot_scores
    from mifid.baseline.figures.sheets import heat_map as heat_map
    from mifid.baseline.figures.sheets import sample_grid as sample_grid
    from mifid.baseline.figures.sheets import save_picture as save_picture
    from mifid.baseline.figures.sheets import sheet as sheet
    from mifid.baseline.figures.sheets import write_augmented as write_augmented

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "curves": ["NAMES", "WEIGHTS", "draw_losses", "draw_scores", "plot_losses", "plot_scores"],
        "sheets": ["heat_map", "sample_grid", "save_picture", "sheet", "write_augmented"],
    },
)
