"""Every entry of the table of metrics behaves like a metric."""

import inspect

import numpy as np
import pytest

from mifid.metrics import METRICS


@pytest.mark.parametrize("name", METRICS)
def test_conforms(name, random):
    metric = METRICS[name]
    parameters = inspect.signature(metric).parameters
    for side in ("generated", "reference"):
        assert parameters[side].kind is inspect.Parameter.KEYWORD_ONLY
    assert "Source" in metric.__doc__ or "penalized" in inspect.getsource(metric)
    generated, reference = random.rand(12, 5), random.rand(9, 5)
    before = generated.copy(), reference.copy()
    value = metric(generated=generated, reference=reference)
    assert type(value) is float
    assert np.isfinite(value)
    assert (generated == before[0]).all()
    assert (reference == before[1]).all()
    # Order never matters.
    shuffled = metric(generated=generated[::-1], reference=reference[::-1])
    assert shuffled == pytest.approx(value, rel=1e-9)
