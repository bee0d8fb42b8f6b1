"""Toy networks: a second thread costs more than it brings, most of all beside other work."""

import pytest
import torch
from matplotlib.figure import Figure


@pytest.fixture(autouse=True)
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def undrawn(unrendered):
    """Let runs write their figures, but empty ones: they are tested where they are drawn."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("draw_losses", "draw_scores"):
            patch.setattr(f"mifid.baseline.figures.curves.{name}", lambda *_, **__: Figure())
            patch.setattr(f"mifid.baseline.page.{name}", lambda *_, **__: Figure())
        patch.setattr("mifid.baseline.page.draw_rgb_histograms", lambda *_, **__: Figure())
        yield
