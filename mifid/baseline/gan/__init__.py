"""Methods of training: losses, optimisers, schedules, augmentation, image pools."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mifid.registry import lazy_names

if TYPE_CHECKING:
    from mifid.baseline.gan.cyclegan import CycleGan as CycleGan
    from mifid.baseline.gan.ema import MovingAverage as MovingAverage
    from mifid.baseline.gan.method import METHODS as METHODS
    from mifid.baseline.gan.method import Method as Method
    from mifid.baseline.gan.method import Shown as Shown
    from mifid.baseline.gan.method import parameters as parameters
    from mifid.baseline.gan.precision import DTYPES as DTYPES
    from mifid.baseline.gan.precision import Precision as Precision
    from mifid.baseline.gan.precision import choose_precision as choose_precision
    from mifid.baseline.gan.precision import kept_precision as kept_precision
    from mifid.baseline.gan.schedule import check_schedule as check_schedule
    from mifid.baseline.gan.schedule import factor as factor
    from mifid.baseline.gan.states import check_state as check_state
    from mifid.baseline.gan.terms import Term as Term

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "cyclegan": ["CycleGan"],
        "ema": ["MovingAverage"],
        "method": ["METHODS", "Method", "Shown", "parameters"],
        "precision": ["DTYPES", "Precision", "choose_precision", "kept_precision"],
        "schedule": ["check_schedule", "factor"],
        "states": ["check_state"],
        "terms": ["Term"],
    },
)
