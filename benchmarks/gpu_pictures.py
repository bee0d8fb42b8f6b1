"""Pictures for the stages, drawn by mifid in as many processes as there are cores."""

from __future__ import annotations

import os
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from gpu_plan import Plan
from gpu_recorder import Recorder

__all__ = ["DRAWN", "pictures"]

DRAWN = "drawn"
"""Name of the folder that holds the folders of drawn pictures."""


def pictures(plan: Plan, recorder: Recorder) -> None:
    """Draw landscapes as photos, and paintings, where there are none yet."""
    start = time.perf_counter()
    sizes = plan.sizes
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for folder, count, draw in (
            (plan.photos, sizes.photos, draw_photo),
            (plan.paintings, sizes.paintings, draw_painting),
        ):
            if folder.is_dir():
                continue
            new = folder.with_name(f"{folder.name}.new")  # one that was not finished is no folder
            new.mkdir(parents=True, exist_ok=True)
            names = [new / f"{number:05}.jpg" for number in range(count)]
            list(pool.map(draw, range(count), names, chunksize=8))
            os.replace(new, folder)
            recorder.record("seconds", time.perf_counter() - start)
    for name, folder in (("photos", plan.photos), ("paintings", plan.paintings)):
        recorder.record(name, len(list(folder.glob("*.jpg"))))
        recorder.record(f"{name}_drawn", folder.parent.name == DRAWN)


def draw_photo(number: int, path: Path) -> None:
    """Draw one landscape, 256 x 256."""
    import numpy as np

    from mifid.demo import landscape
    from mifid.submission import encode_picture

    path.write_bytes(encode_picture(landscape(np.random.RandomState(number))))


def draw_painting(number: int, path: Path) -> None:
    """Paint one, of another landscape than any photo's."""
    import numpy as np

    from mifid.demo import painting
    from mifid.submission import encode_picture

    path.write_bytes(encode_picture(painting(np.random.RandomState(100_000 + number))))
