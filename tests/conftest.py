"""Shared by all tests: each begins alike, whatever ran before it and whatever surrounds the run.

Nothing touches the user's cache, nothing needs a network. A test that leaves something behind for
the ones after it (a variable, a folder, a setting of torch, a process) fails itself.

MIFID_TEST_ORDER=7 (make test ORDER=7) runs the files, and the tests within each, in a random
order: the one of seed 7.
"""

from __future__ import annotations

import gc
import inspect
import itertools
import os
import random as python_random
import signal
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

# One thread a process: tests run side by side, in as many processes as there are cores. Libraries
# read this once, when they are loaded; processes that tests start inherit it.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"

import numpy as np
import pytest
import shared_network
import torch
import toys
from hypothesis import HealthCheck, settings

from mifid.extractors import inception
from mifid.extractors.weights import FILES
from mifid.files import cache_folder
from mifid.uncertainty.intervals import Uncertainty, uncertainty

# Measured data that cannot be shipped; tests that read it are skipped where it is missing.
DATA = Path(os.environ.get("MIFID_DATA", Path(__file__).parents[2] / "shared" / "data"))

# Published weights, which no test fetches; tests that read them are skipped where they are missing.
WEIGHTS = Path(os.environ.get("MIFID_TEST_WEIGHTS", cache_folder() / "weights"))

ORDER = os.environ.get("MIFID_TEST_ORDER", "")

# What a shell, a CI or a launcher may have set, and what would change what is tested.
AMBIENT = (
    *(name for name in os.environ if name.startswith("MIFID_") and name != "MIFID_SCREENSHOTS"),
    *("WORLD_SIZE", "RANK", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT", "TORCHELASTIC_RUN_ID"),
    *("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "CLICOLOR_FORCE", "TTY_COMPATIBLE"),
    *("PYTHONWARNINGS", "PYTHONOPTIMIZE", "PYTHONDONTWRITEBYTECODE", "TQDM_DISABLE"),
    "KAGGLE_KERNEL_RUN_TYPE",
    *(name for name in os.environ if name.startswith("WANDB_")),
)

for _name in AMBIENT:
    os.environ.pop(_name, None)

# What a shell starts in the background ignores Ctrl-C, and so does all that it starts.
signal.signal(signal.SIGINT, signal.default_int_handler)

# No deadline: a loaded machine is slow, not wrong. The same examples each time: what passes here
# passes everywhere.
settings.register_profile(
    "any machine", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("any machine")


def pytest_report_header() -> str:
    return f"order: random, MIFID_TEST_ORDER={ORDER}" if ORDER else "order: long files first"


# Choices that need a package which may be missing: tests over all choices skip these.
OPTIONAL = {"openvino": "openvino", "adabelief": "pytorch_optimizer", ".parquet": "pyarrow"}


# Without a network of Inception, but with servers, launchers or training runs.
LONG = {
    Path(__file__).parent / name
    for name in (
        *("baseline/run/test_run.py", "baseline/test_distributed.py", "baseline/test_torchrun.py"),
        *("cli/test_train.py", "distributed/test_engines.py", "metric/test_gathering.py"),
        *("baseline/test_every_preset_trains.py", "comparison/test_comparing.py"),
        *("benchmarks/test_gpu_toy.py", "test_tutorial.py", "web/test_page.py"),
    )
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs a missing package; put long files first, or shuffle all of them.

    Shuffled are files, and tests within files, so fixtures of a file are still set up once.
    """
    missing = {choice for choice, package in OPTIONAL.items() if not _is_installed(package)}
    for item in items:
        given = getattr(item, "callspec", None)
        for value in given.params.values() if given and missing else ():
            name = str(getattr(value, "__name__", value))
            for choice in missing:
                if name.endswith(choice):
                    reason = f"{OPTIONAL[choice]} is not installed"
                    item.add_marker(pytest.mark.skip(reason=reason))
    if not ORDER:
        # Files that take long are begun first, so that all processes end at about the same time.
        long = {item.path for item in items if item.get_closest_marker("network")} | LONG
        items.sort(key=lambda item: item.path not in long)
        return
    generator = python_random.Random(ORDER)
    files: dict[Path, list[pytest.Item]] = {}
    for item in items:
        files.setdefault(item.path, []).append(item)
    groups = list(files.values())
    generator.shuffle(groups)
    for group in groups:
        generator.shuffle(group)
    items[:] = [item for group in groups for item in group]


def pytest_collection_finish() -> None:
    """Hide what lives to the end from the garbage collector, which is slow to walk it."""
    gc.collect()
    gc.freeze()


def pytest_make_parametrize_id(val: object) -> str | None:
    """Name sets and generators alike in every process: those that share the tests must agree."""
    if isinstance(val, set | frozenset):
        return "{" + ",".join(sorted(map(str, val))) + "}"
    return "generator" if inspect.isgenerator(val) else None


def _is_installed(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except ImportError:
        return False


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Seed the global generators before any fixture draws from them."""
    python_random.seed(0)
    np.random.seed(0)
    torch.default_generator.manual_seed(0)  # torch.manual_seed() takes milliseconds


@pytest.fixture(scope="session", autouse=True)
def _shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Folder of what tests share; fixtures of a module find their caches there."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent  # of all processes
    folder /= "shared"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MIFID_CACHE", str(folder))
        patch.setenv("TORCH_HOME", str(folder))
        patch.setattr(inception, "random_weights", lambda _: dict(shared_network.read(folder)))
        yield folder


@pytest.fixture(scope="session")
def network(_shared: Path) -> Path:
    """The random network's files, as :func:`shared_network.make` makes them."""
    return shared_network.make(_shared)


_NUMBERS = itertools.count()


@pytest.fixture(autouse=True)
def _own_surroundings(
    _nothing_left_behind: None,  # looks when monkeypatch has put back what it replaced
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    own = tmp_path_factory.getbasetemp() / f"own-{next(_NUMBERS)}"
    (own / "cache").mkdir(parents=True)
    monkeypatch.setenv("MIFID_CACHE", str(own / "cache"))
    monkeypatch.setenv("TORCH_HOME", str(own / "torch"))
    monkeypatch.setenv("MIFID_PAINTERS", str(own / "painters"))
    if request.node.get_closest_marker("network"):
        converted = request.getfixturevalue("network") / "openvino"
        (own / "cache" / "openvino").symlink_to(converted)


@pytest.fixture(autouse=True)
def _nothing_left_behind() -> Iterator[None]:
    """Fail the test that leaves something for the next ones, and take it away."""
    before, variables, children = _surroundings(), dict(os.environ), _children()
    yield
    after = _surroundings()
    left = {name: (before[name], now) for name, now in after.items() if before[name] != now}
    # torch, OpenMP and others set some of their own for good, at their first use.
    left |= {
        name: (was, os.environ.get(name))
        for name, was in variables.items()
        if os.environ.get(name) != was and not name.startswith("PYTEST_")
    }
    ours = {name for name in os.environ if name in AMBIENT or name.startswith("MIFID_")}
    left |= {name: (None, os.environ[name]) for name in ours - variables.keys()}
    # By their numbers: one that is just being started has no command yet. multiprocessing's own
    # helpers stay to the end, from their first use on.
    started = [_command(pid) for pid in _children() - children]
    helpers = "multiprocessing.resource_tracker", "multiprocessing.forkserver"
    if started := [one for one in started if not any(name in one for name in helpers)]:
        left["child processes"] = ([], started)
    os.chdir(before["current folder"])
    torch.set_num_threads(before["threads of torch"])
    torch.set_default_dtype(before["default dtype of torch"])
    assert left == {}, "what was there before the test and after it"


def _surroundings() -> dict[str, object]:
    pyplot = sys.modules.get("matplotlib.pyplot")
    return {
        "current folder": os.getcwd(),
        "sys.path": list(sys.path),
        "threads of torch": torch.get_num_threads(),
        "default dtype of torch": torch.get_default_dtype(),
        "default device of torch": str(torch.get_default_device()),
        "gradients of torch": torch.is_grad_enabled(),
        "deterministic algorithms of torch": torch.are_deterministic_algorithms_enabled(),
        "open figures": pyplot.get_fignums() if pyplot else [],
    }


def _children() -> set[str]:
    """Return the numbers of this process's children, ended or not (Linux)."""
    found: set[str] = set()
    for task in Path("/proc/self/task").glob("*/children"):
        try:
            found.update(task.read_text().split())
        except OSError:  # the thread has ended
            continue
    return found


def _command(pid: str) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ").strip() or f"ended {pid}"
    except OSError:
        return f"ended {pid}"


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of measured data, or a skip."""
    if not DATA.is_dir():
        pytest.skip(f"no measured data in {DATA} (MIFID_DATA names another place)")
    return DATA


@pytest.fixture(scope="session")
def published() -> Callable[[str], Path]:
    """Return an extractor's published weights file, or skip."""

    def find(extractor: str) -> Path:
        path = WEIGHTS / FILES[extractor].names[0]
        if not path.is_file():
            pytest.skip(f"no {path} (MIFID_TEST_WEIGHTS names another folder)")
        return path

    return find


@pytest.fixture(scope="module")
def unrendered() -> Iterator[None]:
    """Let figures be built, but written as next to nothing: that takes most of a toy run's time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("matplotlib.figure.Figure.savefig", toys.savefig)
        yield


@pytest.fixture(scope="module")
def undrawn(unrendered: None) -> Iterator[None]:
    """Let runs write their figures, but empty ones: they are tested where they are drawn."""
    from matplotlib.figure import Figure

    with pytest.MonkeyPatch.context() as patch:
        for name in ("draw_losses", "draw_scores"):
            # The page first: its import keeps the function itself in the face of the package.
            patch.setattr(f"mifid.baseline.page.{name}", lambda *_, **__: Figure())
            patch.setattr(f"mifid.baseline.figures.curves.{name}", lambda *_, **__: Figure())
        patch.setattr("mifid.baseline.page.draw_rgb_histograms", lambda *_, **__: Figure())
        yield


@pytest.fixture(scope="module")
def few_resamples() -> Iterator[None]:
    """Compute intervals from 100 resamples, the fewest, where tests are of other things."""

    def fewer(*, replicates: int, **given: Any) -> Uncertainty:
        return uncertainty(replicates=min(replicates, 100), **given)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mifid.uncertainty.assessment.uncertainty", fewer)
        yield


@pytest.fixture
def random() -> np.random.RandomState:
    return np.random.RandomState(7)
