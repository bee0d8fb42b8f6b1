"""Every preset: two steps of narrow networks, at 32 or 64 pixels, through to its archive."""

import zipfile
from collections import defaultdict
from dataclasses import replace

import pytest
import torch
from original_networks import ResNet
from toys import drawn, write_pictures

from mifid.baseline import train_baseline
from mifid.baseline.presets import PRESETS
from mifid.submission import MONET

NARROW = "data.held_back=0 generator.width=8 discriminator.width=8"
TWO = "training.steps=2 training.epochs=0 training.budget= training.batch=2"
LARGER = ("ugatit", "inpainting")
"""Methods that need 64 pixels."""

LITTLE = "score.samples=1 score.points=1"
RULES = replace(MONET, at_least=1)


def recipes():
    """Presets that differ in more than their length and their set of pictures, by one of them."""
    groups = defaultdict(list)
    for name, preset in PRESETS.items():
        training = replace(preset.config.training, epochs=0.0, steps=0, budget="")
        groups[repr(replace(preset.config, training=training)), preset.init].append(name)
    return [names[0] for names in groups.values()]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Photos and paintings of both sizes."""
    return {size: _pictures(tmp_path_factory.mktemp("pictures"), size) for size in (32, 64)}


def _pictures(folder, size):
    photos = write_pictures(folder / "photos", drawn("photo", 3, size=size))
    return photos, write_pictures(folder / "monets", drawn("painting", 30, size=size))


@pytest.mark.usefixtures("undrawn")
@pytest.mark.filterwarnings("ignore::mifid.errors.MifidWarning")  # of the few pictures
@pytest.mark.parametrize("name", recipes())
def test_a_preset_trains_through_to_its_archive(name, pictures, tmp_path, monkeypatch):
    monkeypatch.setattr("mifid.baseline.page.show_run", lambda *_, **__: None)  # half of the time
    size = 64 if PRESETS[name].config.training.method in LARGER else 32
    photos, monets = pictures[size]
    trained_before = tmp_path / "latest_net_G_B.pth"
    torch.save(ResNet(width=8, blocks=6).state_dict(), trained_before)
    trained = train_baseline(
        photos,
        monets,
        tmp_path / "run",
        preset=name,
        settings=f"data.size={size} {NARROW} {TWO} {LITTLE}".split(),
        init={"painter": trained_before} if PRESETS[name].init else None,
        score=False,
        device="cpu",
        rules=RULES,
        progress=False,
    )
    assert trained.step == trained.trained_steps == 2
    if PRESETS[name].config.training.method == "inpainting":  # it does not paint
        assert (trained.folder / "best.safetensors").is_file()
        return
    assert trained.check.accepted
    with zipfile.ZipFile(trained.archive) as archive:
        assert len(archive.namelist()) == 3
