"""pretrain(): a generator that fills holes, and a training that begins with it."""

import pytest
import torch
from small import SMALL, changed
from toys import drawn, write_pictures

from mifid.baseline import pretrain, train_baseline
from mifid.baseline.distributed import ALONE
from mifid.baseline.generation import generate
from mifid.baseline.generation.weights_file import load_generator
from mifid.baseline.run.checkpoint import Checkpoints
from mifid.baseline.run.records import read_metrics
from mifid.errors import InputError, WeightsError

CONFIG = changed(
    inpainting={"tile": 4},
    training={"method": "inpainting", "steps": 4, "log_steps": 1, "ema": 0.0},
    score={"points": 2},
)
pytestmark = [
    pytest.mark.filterwarnings("ignore::mifid.errors.MifidWarning"),  # of the few pictures
    pytest.mark.usefixtures("undrawn"),
]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    photos = write_pictures(folder / "photos", drawn("photo", 8))
    return photos, write_pictures(folder / "monets", drawn("painting", 8, seed=100))


@pytest.fixture(scope="module")
def pretrained(pictures, undrawn, tmp_path_factory):
    out = tmp_path_factory.mktemp("pretrained") / "run"
    return pretrain(*pictures, out, config=CONFIG, device="cpu", progress=False)


def weights(folder, step):
    return Checkpoints(folder / "checkpoints", ALONE).load(step)["method"]["networks"]


def assert_equal(one, other):
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_a_pretrained_generator_is_neither_scored_nor_painted_with(pretrained, pictures, tmp_path):
    assert pretrained.step == 4
    assert (pretrained.archive, pretrained.check, pretrained.report) == (None, None, None)
    kinds = [row["kind"] for row in read_metrics(pretrained.folder)]
    assert kinds.count("train") == 4
    assert "score" not in kinds
    held = {path.name for path in pretrained.folder.iterdir()}
    assert {"best.safetensors", "config.toml", "samples", "losses.png"} <= held
    assert not {"images.zip", "report.html", "score.json"} & held
    with pytest.raises(
        WeightsError, match="learnt to fill holes in pictures, not to paint"
    ) as error:
        generate(pretrained.folder, pictures[0], tmp_path / "images.zip")
    assert "init" in error.value.hint


@pytest.mark.parametrize(
    ("init", "begun"),
    [
        ("{}", ("painter", "photographer")),
        ("{}/best.safetensors", ("painter", "photographer")),
        ("photographer={}", ("photographer",)),
        ("painter={}", ("painter",)),
    ],
)
def test_a_training_begins_with_it(init, begun, pretrained, pictures, tmp_path):
    trained = train_baseline(
        *pictures,
        tmp_path / "run",
        config=changed(SMALL, training={"steps": 3, "ema": 0.0}, score={"points": 1}),
        init=[init.format(pretrained.folder)],
        score=False,
        device="cpu",
        progress=False,
    )
    assert trained.step == 3
    assert trained.archive.is_file()
    own = load_generator(pretrained.folder, to_paint=False).network.state_dict()
    networks = weights(trained.folder, 0)
    for name in ("painter", "photographer"):
        if name in begun:
            assert_equal(networks[name], own)
        else:
            assert any(not torch.equal(networks[name][key], own[key]) for key in own)
    assert "trained by mifid" in (trained.folder / "report.html").read_text()


def test_a_method_of_one_generator_begins_with_it_too(pretrained, pictures, tmp_path):
    config = changed(SMALL, training={"method": "cut", "steps": 3, "ema": 0.0}, score={"points": 1})
    trained = train_baseline(
        *pictures,
        tmp_path / "run",
        config=config,
        init=pretrained.folder,
        score=False,
        device="cpu",
        progress=False,
    )
    own = load_generator(pretrained.folder, to_paint=False).network.state_dict()
    assert_equal(weights(trained.folder, 0)["painter"], own)


def test_it_goes_on_to_another_length(pretrained, pictures, tmp_path):
    short = changed(CONFIG, training={"steps": 2})
    out = tmp_path / "run"
    assert pretrain(*pictures, out, config=short, device="cpu", progress=False).step == 2
    settings = ["training.steps=4"]
    longer = pretrain(out=out, resume=True, settings=settings, device="cpu", progress=False)
    assert (longer.step, longer.trained_steps) == (4, 2)
    assert weights(out, 4).keys() == weights(pretrained.folder, 4).keys() == {"painter"}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"preset": "kaggle-5h"}, "the preset kaggle-5h has a training.method of its own"),
        ({"config": SMALL}, "config has a training.method of its own"),
        ({"settings": ["training.method=gan"]}, "settings has a training.method of its own"),
        ({"generator_of": "derunets-slu"}, "there is no preset 'derunets-slu'"),
    ],
)
def test_other_methods_and_presets_are_refused(options, said, pictures, tmp_path):
    with pytest.raises(InputError, match=said):
        pretrain(*pictures, tmp_path / "run", **options)
    assert not (tmp_path / "run").exists()


def test_the_generator_of_a_preset_with_the_recipe_of_another(pictures, tmp_path):
    settings = "data.size=16 data.fit=stretch generator.width=4 training.steps=1 training.batch=2"
    done = pretrain(
        *pictures,
        tmp_path / "run",
        generator_of="cyclegan-paper",
        settings=f"{settings} generator.blocks=1 inpainting.tile=4 score.points=1".split(),
        device="cpu",
        progress=False,
    )
    config = load_generator(done.folder, to_paint=False).config
    assert (config.generator.network, config.generator.width) == ("resnet", 4)
    assert config.generator.blocks == 1
    assert (config.optimiser.name, config.optimiser.weight_decay) == ("adamw", 0.05)
    with pytest.raises(InputError, match="needs picture -> picture"):
        pretrain(
            *pictures,
            tmp_path / "other",
            settings=["generator.network=dcgan"],
            device="cpu",
        )
