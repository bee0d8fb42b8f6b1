"""References by name: published statistics, and the competition's folders."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mifid.registry import lazy_names

if TYPE_CHECKING:
    from mifid.references.entries import COMPETITION as COMPETITION
    from mifid.references.entries import REFERENCES as REFERENCES
    from mifid.references.entries import Reference as Reference
    from mifid.references.entries import siblings as siblings
    from mifid.references.references import Found as Found
    from mifid.references.references import chosen as chosen
    from mifid.references.references import fetch_reference as fetch_reference
    from mifid.references.references import find_pictures as find_pictures
    from mifid.references.references import locate as locate
    from mifid.references.references import name_of as name_of
    from mifid.references.references import named_sets as named_sets
    from mifid.references.references import open_named as open_named
    from mifid.references.references import recorded as recorded
    from mifid.references.references import references_folder as references_folder

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "entries": ["COMPETITION", "REFERENCES", "Reference", "siblings"],
        "references": [
            "Found",
            "chosen",
            "fetch_reference",
            "find_pictures",
            "locate",
            "name_of",
            "named_sets",
            "open_named",
            "recorded",
            "references_folder",
        ],
    },
)
