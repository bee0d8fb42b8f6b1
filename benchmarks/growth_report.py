"""The section on growth: all that was measured, simulated and computed, in Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from growth_paper import Measurements, paper, simulation
from growth_pictures import Run, lines_table, runs_table
from machine import describe_machine, markdown_table

__all__ = ["report"]

PACKAGES = ("mifid", "torch", "torch-fidelity", "openvino", "numpy", "pillow")


def archive_table(found: Mapping[str, Any]) -> str:
    """Return the Markdown table of a zip of tiny entries."""
    rows = [
        [name, f"{found[part]['seconds']:.2f}", f"{found[part]['mib']:,.1f}"]
        for part, name in (("open", "opening"), ("hash", "hashing"))
    ]
    return markdown_table([f"a zip of {found['entries']:,} tiny entries", "seconds", "MiB"], rows)


def report(runs: Sequence[Run], given: Measurements, *, about: str, repeat: str, image: str) -> str:
    """Return the whole section."""
    return f"""\
## Growth

### Pictures

{about}.

Each run is a process of its own. Nothing is kept of any picture, but the network has been converted
before, and the system may still hold the files in memory. `fid` asks for FID alone, `mifid` for
FID, memorization distance and MiFID, `default` for what `mifid score` gives without options,
intervals included. Process seconds are from its start to its end. Peak memory is that of the
process itself; that of all processes together, if it starts some, is looked at every few seconds.

{runs_table(runs)}

Lines by least squares, through the runs at all sizes; the deviation is the largest from the line,
relative to it. The start includes starting Python, loading the network and the reference. CPU
seconds depend less than the process's on what else the machine does.

{lines_table(runs)}

{image}

### A million features, simulated

{simulation(given.simulated)}

### A million pictures, on paper

{archive_table(given.archive)}

{paper(given)}

{describe_machine(PACKAGES)}. One run each. Again with `{repeat}`."""
