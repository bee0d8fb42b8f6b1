"""How large a run's folder is: told before the run, and what lies in it at the end."""

import warnings
from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace

import pytest
from small import SMALL, changed
from torch import nn
from toys import drawn, write_pictures

from mifid.baseline import training
from mifid.baseline.config.schema import Checkpoint
from mifid.baseline.generation import weights_file
from mifid.baseline.models.networks import build_discriminator, outline_generator
from mifid.baseline.presets import DEFAULT, preset
from mifid.baseline.run import checkpoint, preflight
from mifid.baseline.run.run_folder import contents
from mifid.errors import MifidWarning

pytestmark = pytest.mark.usefixtures("undrawn")


def test_the_largest_goes_first_and_folders_are_added_up(tmp_path):
    (tmp_path / "checkpoints").mkdir()
    for name, size in (("checkpoints/a", 70), ("checkpoints/b", 50), ("x.zip", 100), ("y", 0)):
        (tmp_path / name).write_bytes(bytes(size))
    assert contents(tmp_path) == [("checkpoints/", 120), ("x.zip", 100), ("y", 0)]


def test_a_large_folder_is_told_before_the_run(tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda _folder: SimpleNamespace(free=1e12))
    painter = nn.Linear(10_000, 10_000, device="meta")  # 400 MB; with two moments, 1.2 GB
    method = SimpleNamespace(networks={"painter": painter}, painter=painter, config=SMALL)
    said = r"will hold about 2\.8 GB, and 3\.2 GB while .*: checkpoints of 1\.2 GB"
    with pytest.warns(MifidWarning, match=said):
        preflight.check_space(tmp_path, method, averaged=False, world=1, submission=10)


def outlined(config):
    """Return what the space of a CycleGAN is computed from, without its memory."""
    generator = outline_generator(config.generator, size=config.data.size)
    discriminator = build_discriminator(config.discriminator, size=config.data.size, seed=0)
    networks = {"a": generator, "b": generator, "c": discriminator, "d": discriminator}
    return SimpleNamespace(networks=networks, painter=generator, config=config)


def test_the_default_run_takes_less_than_1500_mb():
    """54.41 M weights a generator, 2.77 M a discriminator: 457 MB of weights in all."""
    method = outlined(preset(DEFAULT).config)
    weights = sum(
        4 * w.numel() for network in method.networks.values() for w in network.parameters()
    )
    assert weights == pytest.approx(457.4e6, rel=1e-3)
    given = {"averaged": True, "world": 1, "submission": 7038}
    space = preflight.folder_space(method, **given)
    assert space.resting < 1.5e9
    # No whole checkpoint is given up before the next one is whole: there are two for seconds.
    assert space.writing < 1.9e9
    assert space.writing - 2 * preflight.checkpoint_bytes(method, averaged=True) < 2 * weights
    exact = replace(method.config, checkpoint=Checkpoint())
    assert preflight.folder_space(outlined(exact), **given).resting > 3.5e9


class Measured:
    """The largest number of bytes that a folder held while something was written into it."""

    def __init__(self, folder, patch):
        self.largest = 0
        for module in (checkpoint, weights_file):
            patch.setattr(module, "atomic_write", self.watching(module.atomic_write, folder))

    def watching(self, write, folder):
        @contextmanager
        def watched(path):
            with write(path) as file:
                yield file
                file.flush()
                self.largest = max(self.largest, sum(size for _, size in contents(folder)))

        return watched


@pytest.mark.parametrize(
    "kept",
    [{}, {"exact": False, "kept": 1}, {"exact": False, "kept": 2, "keep_raw": True}],
    ids=["exact", "compact", "compact, both"],
)
def test_a_run_never_takes_more_than_was_computed(kept, tmp_path, monkeypatch):
    write_pictures(tmp_path / "photos", drawn("photo", 6))
    write_pictures(tmp_path / "monets", drawn("painting", 4, seed=100))
    config = changed(
        generator={"width": 32},
        discriminator={"width": 32},
        training={"steps": 3, "checkpoint_minutes": 0.0, "submission": 2},
        score={"points": 3},
        checkpoint=kept,
    )
    run = tmp_path / "run"
    measured = Measured(run, monkeypatch)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MifidWarning)
        training.train_baseline(
            tmp_path / "photos", tmp_path / "monets", run, config=config, score=False
        )
    method = outlined(config)
    given = {"averaged": True, "world": 1, "submission": 2}
    space = preflight.folder_space(method, **given)
    others = 1_000_000  # page, samples, plots, zip directories; all weights have 4.5 MB
    assert 0.9 * space.writing < measured.largest < space.writing + others
    saved = list((run / "checkpoints").iterdir())
    assert len(saved) == config.checkpoint.kept
    each = preflight.checkpoint_bytes(method, averaged=True)
    assert all(path.stat().st_size == pytest.approx(each, rel=0.05) for path in saved)
    best = (run / "best.safetensors").stat().st_size
    assert best == pytest.approx(preflight.best_bytes(method, averaged=True), rel=0.05)
