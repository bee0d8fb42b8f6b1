"""The bars of a diagnosis, and the files that it is saved in."""

from __future__ import annotations

import os
from pathlib import Path

from matplotlib.axes import Axes

from mifid import files
from mifid.diagnosis.diagnosis import Diagnosis, Variant
from mifid.files import atomic_write
from mifid.rendering import (
    BLUE,
    GREY,
    VERMILION,
    finish,
    in_own_style,
    new_figure,
    save_figure,
    say,
)

__all__ = ["check_output", "plot_diagnosis", "save_diagnosis"]

FORMATS = (".png", ".json")

# Hatches repeat the colours for grey prints.
_KINDS = {
    "resize": ("both sides resized otherwise", BLUE, ""),
    "encoding": ("generated pictures encoded again", VERMILION, "///"),
}


def check_output(path: str | os.PathLike[str]) -> Path:
    """Return the path, or raise OutputError now, before the long job, if it cannot be written."""
    return files.check_output(path, FORMATS)


def save_diagnosis(diagnosis: Diagnosis, path: str | os.PathLike[str]) -> None:
    """Write the plot to a .png, or everything to a .json; whole or not at all.

    Raises:
        OutputError: another ending, or a place that cannot be written.
    """
    file = check_output(path)
    if file.suffix.lower() == ".png":
        plot_diagnosis(diagnosis, file)
        return
    with atomic_write(file) as out:
        out.write(f"{diagnosis.to_json()}\n".encode())


@in_own_style
def plot_diagnosis(diagnosis: Diagnosis, path: str | os.PathLike[str]) -> None:
    """Draw a bar for each variant, its length the change of FID, as a PNG.

    Args:
        diagnosis: what was measured.
        path: of the PNG.

    Raises:
        OutputError: it cannot be written there.
    """
    rows = [variant for variant in diagnosis.variants if variant.kind != "given"]
    figure = new_figure("How far FID moves for the same pictures", height=1.6 + 0.42 * len(rows))
    axes = figure.add_subplot()
    measured = [row for row in rows if row.difference is not None]
    finish(axes, y="", title=_title(diagnosis))
    if not measured:
        say(axes, "nothing could be measured: every variant is omitted")
    else:
        _draw_bars(axes, rows, diagnosis.fid)
    save_figure(figure, path)


def _title(diagnosis: Diagnosis) -> str:
    n, m = diagnosis.generated.n, diagnosis.reference.n
    against = "" if m is None else f" against {m:,} real ones"
    return f"FID as given: {diagnosis.fid:.2f} ({n:,} generated pictures{against})"


def _draw_bars(axes: Axes, rows: list[Variant], fid: float) -> None:
    # Where FID as given is 0 there are no per cents.
    relative = fid > 0
    values = [(row.percent if relative else row.difference) or 0.0 for row in rows]
    for kind, (label, colour, hatch) in _KINDS.items():
        places = [i for i, row in enumerate(rows) if row.kind == kind and row.fid is not None]
        if places:
            widths = [values[i] for i in places]
            axes.barh(places, widths, height=0.6, color=colour, hatch=hatch, label=label, ec="w")
    for i, row in enumerate(rows):
        text = "omitted" if row.fid is None else f"{values[i]:+.2f}{' %' if relative else ''}"
        side = -1 if values[i] < 0 else 1
        axes.annotate(
            text,
            (values[i], i),
            xytext=(4 * side, 0),
            textcoords="offset points",
            ha="right" if side < 0 else "left",
            va="center",
            fontsize=9,
            color=GREY if row.fid is None else "black",
        )
    axes.set_yticks(range(len(rows)), [row.title for row in rows])
    axes.invert_yaxis()
    axes.axvline(0, color="black", lw=0.8)
    axes.margins(x=0.18)
    axes.grid(visible=False, axis="y")
    _plain_numbers(axes, relative=relative)
    figure = axes.get_figure()
    assert figure is not None
    figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=9)


def _plain_numbers(axes: Axes, *, relative: bool) -> None:
    """Undo finish()'s whole numbers on x: changes may be fractions."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(nbins=8))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set_xlabel("change of FID in per cent" if relative else "change of FID")
