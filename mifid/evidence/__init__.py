"""Evidence for a score: tables, galleries and plots of its pictures.

Everything here uses features that are already computed; nothing runs a network.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mifid.registry import lazy_names

if TYPE_CHECKING:
    from mifid.evidence.evidence import Album as Album
    from mifid.evidence.evidence import Evidence as Evidence
    from mifid.evidence.evidence import Shown as Shown
    from mifid.evidence.galleries import Card as Card
    from mifid.evidence.galleries import Gallery as Gallery
    from mifid.evidence.galleries import best_influence as best_influence
    from mifid.evidence.galleries import most_copied as most_copied
    from mifid.evidence.galleries import nearest_pairs as nearest_pairs
    from mifid.evidence.galleries import never_approached as never_approached
    from mifid.evidence.galleries import plot_gallery as plot_gallery
    from mifid.evidence.galleries import random_rows as random_rows
    from mifid.evidence.galleries import random_sheet as random_sheet
    from mifid.evidence.galleries import worst_influence as worst_influence
    from mifid.evidence.galleries import write_with_pictures as write_with_pictures
    from mifid.evidence.plots import draw as draw
    from mifid.evidence.plots import draw_distances as draw_distances
    from mifid.evidence.plots import draw_histograms as draw_histograms
    from mifid.evidence.plots import draw_map as draw_map
    from mifid.evidence.plots import plot_bias as plot_bias
    from mifid.evidence.tables import Column as Column
    from mifid.evidence.tables import PictureTable as PictureTable
    from mifid.evidence.tables import TrainingTable as TrainingTable
    from mifid.evidence.tables import check_table_output as check_table_output
    from mifid.evidence.tables import data_frame as data_frame
    from mifid.evidence.tables import write_table as write_table

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "evidence": ["Album", "Evidence", "Shown"],
        "galleries": [
            "Card",
            "Gallery",
            "best_influence",
            "most_copied",
            "nearest_pairs",
            "never_approached",
            "plot_gallery",
            "random_rows",
            "random_sheet",
            "worst_influence",
            "write_with_pictures",
        ],
        "plots": ["draw", "draw_distances", "draw_histograms", "draw_map", "plot_bias"],
        "tables": [
            "Column",
            "PictureTable",
            "TrainingTable",
            "check_table_output",
            "data_frame",
            "write_table",
        ],
    },
)
