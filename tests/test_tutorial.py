"""The tutorial runs from its first cell to its last."""

import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from patience import PATIENCE

TUTORIAL = Path(__file__).parents[1] / "docs" / "tutorial.ipynb"


@pytest.mark.network
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of Jupyter's own packages
def test_tutorial_runs(tmp_path):
    notebook = nbformat.read(TUTORIAL, as_version=4)
    first = next(cell for cell in notebook.cells if cell.cell_type == "code")
    few = re.sub(r"pictures=\d+", "pictures=20", first.source)  # the fewest whose bias is estimated
    assert few != first.source
    first.source = few
    NotebookClient(
        notebook,
        timeout=PATIENCE,
        startup_timeout=PATIENCE,
        resources={"metadata": {"path": tmp_path}},
    ).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    said = [output["text"] for output in outputs if output.get("name") == "stderr"]
    lines = [line for text in said for line in text.splitlines() if not line.startswith(" ")]
    assert all("MifidWarning: " in line for line in lines if line)  # its sets are small, and copies
    drawn = [output for output in outputs if "image/png" in output.get("data", {})]
    assert len(drawn) == 5  # bias, distances, pairs, map, histograms
