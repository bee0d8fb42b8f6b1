"""Runs that begin with trained weights: which networks get which, and what does not fit."""

import shutil
from dataclasses import replace

import pytest
import torch
from generators import built, saved
from original_networks import UGATIT, PatchGAN, ResNet, UNet, shaken
from PIL import Image
from small import SMALL, changed
from toys import drawn, write_pictures

from mifid.baseline.choosing import choose_config, choose_initial_weights
from mifid.baseline.config.file import read_run_file, write_run_file
from mifid.baseline.config.schema import Inputs
from mifid.baseline.distributed import ALONE
from mifid.baseline.foreign import recognise
from mifid.baseline.generation.weights_file import load_generator
from mifid.baseline.presets import preset
from mifid.baseline.run.checkpoint import Checkpoints
from mifid.baseline.run.initial_weights import InitialWeights, read_initial_weights
from mifid.baseline.training import train_baseline
from mifid.errors import InputError, MifidError, MifidWarning, WeightsError
from mifid.submission.writer import MONET

RULES = replace(MONET, competition="a toy", at_least=8, at_most=8, size=(16, 16))
BRIEF = changed(training={"steps": 1}, score={"points": 1}, data={"held_back": 0})
pytestmark = [
    pytest.mark.filterwarnings("ignore:generated. .*fail:mifid.errors.MifidWarning"),
    pytest.mark.filterwarnings("ignore:.*photos are too few:mifid.errors.MifidWarning"),
    pytest.mark.usefixtures("undrawn"),
]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    write_pictures(folder / "photos", drawn("photo", 8))
    write_pictures(folder / "monets", drawn("painting", 4, seed=100))
    return folder


def train(pictures, out, config=BRIEF, **options):
    given = (pictures / "photos", pictures / "monets", out)
    return train_baseline(*given, config=config, score=False, rules=RULES, **options)


def begins_with(out):
    """The state before the first step."""
    return Checkpoints(out / "checkpoints", ALONE).load(0)


def assert_equal(one, other):
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)


@pytest.fixture(scope="module")
def first(pictures, undrawn, tmp_path_factory):
    """The folder of a run with random first weights."""
    return train(pictures, tmp_path_factory.mktemp("first") / "run").folder


def test_a_whole_run_gives_all_its_networks(first, pictures, tmp_path):
    last = Checkpoints(first / "checkpoints", ALONE).load(1)["method"]["networks"]
    for name, given in (("folder", first), ("file", first / "checkpoints/step-00000001.rank0.pt")):
        run = tmp_path / name
        train(pictures, run, changed(BRIEF, training={"seed": 9}), init=given)
        state = begins_with(run)
        for network, weights in last.items():
            assert_equal(state["method"]["networks"][network], weights)
        assert_equal(average_of(state), last["painter"])
        assert all(value in (0, {}) for value in steps_of(state))
        noted = read_run_file(run / "config.toml")[0]
        assert (noted.init, noted.init_painter) == (str(given), "")
        page = (run / "report.html").read_text()
        assert "painter, photographer, painting_discriminator, photo_discriminator: " in page
        assert "step-00000001.rank0.pt, trained by mifid" in page
    train(pictures, run, changed(BRIEF, training={"seed": 9}), resume=True)
    assert "step-00000001.rank0.pt, trained by mifid" in (run / "report.html").read_text()


def average_of(state):
    weights = state["average"]
    return {name.rpartition("module.")[2]: w for name, w in weights.items() if "module." in name}


def steps_of(state):
    """What the optimisers remember: nothing, at the beginning."""
    return [state["method"][name].get("state", 0) for name in ("generators", "discriminators")]


@pytest.mark.parametrize("side", ["painter", "photographer"])
def test_one_generator_begins_with_a_foreign_file(side, first, pictures, tmp_path):
    path = tmp_path / "latest_net_G_B.pth"
    torch.save(shaken(ResNet(width=4, blocks=1)).state_dict(), path)
    train(pictures, tmp_path / "run", init={side: path})
    networks = begins_with(tmp_path / "run")["method"]["networks"]
    assert_equal(networks[side], load_generator(path, size=16).network.state_dict())
    for name, weights in begins_with(first)["method"]["networks"].items():
        if name != side:
            assert_equal(networks[name], weights)
    page = (tmp_path / "run" / "report.html").read_text()
    assert f"{side}: {path}, the ResNet generator of the CycleGAN repository" in page
    assert getattr(read_run_file(tmp_path / "run" / "config.toml")[0], f"init_{side}") == str(path)


def test_a_run_that_was_stopped_before_its_first_checkpoint_begins_with_them_again(
    first, pictures, tmp_path
):
    train(pictures, tmp_path / "run", init=first)
    before = begins_with(tmp_path / "run")["method"]["networks"]
    shutil.rmtree(tmp_path / "run" / "checkpoints")
    train_baseline(out=tmp_path / "run", resume=True, score=False, rules=RULES)
    for name, weights in begins_with(tmp_path / "run")["method"]["networks"].items():
        assert_equal(weights, before[name])


def test_the_config_of_a_run_repeats_its_beginning(first, pictures, tmp_path):
    train(pictures, tmp_path / "one", init=first)
    train_baseline(
        config=tmp_path / "one" / "config.toml", out=tmp_path / "two", score=False, rules=RULES
    )
    one, two = (begins_with(tmp_path / name)["method"]["networks"] for name in ("one", "two"))
    for name, weights in one.items():
        assert_equal(weights, two[name])


def choose(out, init, *, settings=(), config=None, resume=False, preset_name=None):
    """Return the initial weights and all settings, as train_baseline chooses them."""
    inputs, chosen = choose_config(
        photos="p",
        monets="m",
        held_out=None,
        out=out,
        preset_name=preset_name,
        config=config,
        settings=settings,
        resume=resume,
        init=init,
    )
    return choose_initial_weights(inputs, chosen, fixed=settings, all_fixed=config is not None)


@pytest.fixture
def foreign(tmp_path):
    """A file of a ResNet of three blocks, 8 wide, with dropout."""
    path = tmp_path / "latest_net_G.pth"
    torch.save(ResNet(width=8, blocks=3, dropout=True).state_dict(), path)
    return path


SIZE = ["data.size=32", "data.fit=stretch"]


def test_the_architecture_follows_the_file_unless_the_user_has_set_it(foreign, tmp_path):
    with pytest.warns(MifidWarning, match=r"follow .* generator\.network: unet -> resnet"):
        found, config = choose(tmp_path, foreign, settings=SIZE)
    chosen = config.generator
    assert (chosen.network, chosen.width, chosen.blocks, chosen.dropout) == ("resnet", 8, 3, 0.5)
    assert found.weights.keys() == {"painter"}
    other = replace(config, generator=preset("kaggle-5h").config.generator)
    assert other == choose(tmp_path, None, settings=SIZE)[1]  # nothing else has changed
    with pytest.warns(MifidWarning) as told:
        _, config = choose(tmp_path, foreign, settings=[*SIZE, "generator.dropout=0.2"])
    assert (config.generator.blocks, config.generator.dropout) == (3, 0.2)
    assert "stay: generator.dropout: 0.2 -> 0.5" in str(told[-1].message)


def test_settings_of_the_user_that_do_not_fit_are_refused_with_those_that_would(foreign, tmp_path):
    with pytest.raises(WeightsError, match=r"painter does not fit .*latest_net_G\.pth") as caught:
        choose(tmp_path, foreign, settings=[*SIZE, "generator.blocks=4"])
    assert caught.value.hint == "Settings that would fit: generator.blocks=3."
    with pytest.raises(WeightsError) as caught:
        choose(tmp_path, foreign, config=changed(SMALL, data={"size": 32}))
    assert "generator.width=8 generator.blocks=3" in caught.value.hint


def test_an_own_unet_keeps_its_depth_at_another_size(tmp_path):
    settings = changed(
        SMALL, generator={"network": "unet", "width": 4, "depth": 0}, data={"size": 32}
    )
    path = saved(tmp_path / "best.safetensors", settings)
    with pytest.warns(MifidWarning, match="generator.depth: 0 -> 5"):
        found, config = choose(tmp_path, path, settings=["data.size=64"])
    assert config.generator.depth == 5
    assert_equal(found.weights["painter"], built(settings, 2).state_dict())
    with pytest.raises(MifidError, match=r"generator\.depth is 5; expected 4"):
        choose(tmp_path, path, settings=["data.size=16"])


BOTH = [
    (["painter=a.pth", "painter=b.pth"], r"gives the painter twice: a\.pth and b\.pth"),
    (["a.pth", "b.pth"], r"gives the same networks twice: a\.pth and b\.pth"),
    ({"critic": "a.pth"}, r"names the network 'critic'; expected painter or photographer"),
    (["paintr=a.pth"], r"names the network 'paintr'; expected painter or photographer"),
    (["painter="], r"init has no file for the painter: its path is empty"),
    ("", r"init has no file: its path is empty"),
    ("nowhere.pth", r"init: no such file: nowhere\.pth"),
]


@pytest.mark.parametrize(("init", "said"), BOTH)
def test_what_is_given_wrongly_is_said(init, said, tmp_path):
    with pytest.raises(MifidError, match=said):
        choose(tmp_path, init)


@pytest.mark.filterwarnings("ignore:settings follow:mifid.errors.MifidWarning")
def test_a_path_may_have_an_equals_sign(tmp_path):
    path = saved(tmp_path / "lr=1.safetensors")
    found, _ = choose(tmp_path, f"photographer={path}", settings=["data.size=16"])
    assert found.weights.keys() == {"photographer"}
    found, _ = choose(tmp_path, [str(path)], settings=["data.size=16"])
    assert found.weights.keys() == {"painter"}


def test_a_run_that_goes_on_takes_no_initial_weights(first):
    with pytest.raises(InputError, match="goes on with its own weights") as caught:
        choose(first, "a.pth", resume=True)
    assert "Leave out" in caught.value.hint
    inputs, config = choose_config(
        photos=None,
        monets=None,
        held_out=None,
        out=first,
        preset_name=None,
        config=None,
        settings=(),
        resume=True,
    )
    assert config == read_run_file(first / "config.toml")[1]
    assert inputs.init == ""


def test_networks_of_different_architectures(foreign, first, tmp_path):
    other = tmp_path / "other.pth"
    torch.save(ResNet(width=8, blocks=2, dropout=True).state_dict(), other)
    with pytest.raises(InputError, match=r"blocks is 3 for the painter, but 2 for the photogr"):
        choose(tmp_path, {"painter": foreign, "photographer": other}, settings=SIZE)
    with pytest.raises(InputError, match="gives the painter twice"):
        choose(tmp_path, [str(first), f"painter={foreign}"], settings=SIZE)


@pytest.mark.parametrize(
    ("network", "said"),
    [
        (PatchGAN(), "a PatchGAN discriminator"),
        (ResNet(inputs=6), "takes 6 channels"),
        (UNet(depth=6), r"cannot paint pictures of 32 x 32.*generator\.depth is 6"),
    ],
)
def test_files_that_are_no_generators_for_this_run(network, said, tmp_path):
    torch.save(network.state_dict(), tmp_path / "x.pth")
    with pytest.raises(WeightsError, match=said):
        choose(tmp_path, tmp_path / "x.pth", settings=SIZE)


def test_a_run_without_checkpoints_gives_its_best_painter(first, tmp_path):
    run = shutil.copytree(first, tmp_path / "run")
    shutil.rmtree(run / "checkpoints")
    inputs = Inputs(init=str(run))
    with pytest.warns(MifidWarning, match="no checkpoints, only its best painter"):
        found = read_initial_weights(inputs, SMALL)
    assert found.weights.keys() == {"painter"}
    with pytest.raises(WeightsError, match="has no photographer"):
        read_initial_weights(Inputs(init_photographer=str(run)), SMALL)


@pytest.mark.filterwarnings("error")
def test_a_folder_without_a_painter_gives_only_an_error(tmp_path):
    with pytest.raises(WeightsError, match=r"a folder without best\.safetensors"):
        read_initial_weights(Inputs(init=str(tmp_path)), SMALL)


def test_sides_of_a_run(first):
    networks = Checkpoints(first / "checkpoints", ALONE).load(1)["method"]["networks"]
    inputs = Inputs(init_painter=str(first), init_photographer=str(first))
    found = read_initial_weights(inputs, SMALL)
    assert_equal(found.weights["photographer"], networks["photographer"])
    assert_equal(found.weights["painter"], load_generator(first).network.state_dict())


def test_checkpoints_that_cannot_be_used(first, tmp_path):
    alone = tmp_path / "step-00000001.rank0.pt"
    shutil.copy(first / "checkpoints" / alone.name, alone)
    with pytest.raises(InputError, match="is a checkpoint without its run"):
        read_initial_weights(Inputs(init=str(alone)), SMALL)
    run = shutil.copytree(first, tmp_path / "run")
    inputs, config = read_run_file(run / "config.toml")
    gan = changed(config, training={"method": "gan"})
    write_run_file(run / "config.toml", inputs, gan, version="0")
    with pytest.raises(InputError, match=r"training\.method gan; this one is of cyclegan") as e:
        read_initial_weights(Inputs(init=str(run)), SMALL)
    assert "painter=" in e.value.hint
    write_run_file(run / "config.toml", inputs, config, version="0")
    for path in (run / "checkpoints").iterdir():
        path.write_bytes(path.read_bytes()[:-99])
    with pytest.raises(WeightsError, match="not a readable checkpoint"):
        read_initial_weights(Inputs(init=str(run)), SMALL)


def test_a_preset_that_begins_with_trained_weights_needs_them(foreign, tmp_path):
    with pytest.raises(InputError, match="raviv-pretrained begins with a partly trained") as e:
        choose(tmp_path, None, preset_name="raviv-pretrained")
    assert "init" in e.value.hint
    given = {"init": {"painter": foreign}, "settings": SIZE}
    with pytest.warns(MifidWarning, match="blocks: 6 -> 3"):
        found, _ = choose(tmp_path, **given, preset_name="raviv-pretrained")
    assert found.weights.keys() == {"painter"}


@pytest.mark.filterwarnings("ignore:.*variances of variances:mifid.errors.MifidWarning")
def test_a_file_of_ugatit_gives_both_generators_and_samples_show_their_maps(pictures, tmp_path):
    networks = {name: shaken(UGATIT(blocks=1), seed=n) for n, name in enumerate(("A2B", "B2A"))}
    path = tmp_path / "monet_params_latest.pt"
    torch.save({f"gen{name}": each.state_dict() for name, each in networks.items()}, path)
    config = changed(
        BRIEF,
        generator={"network": "ugatit"},
        discriminator={"network": "ugatit"},
        training={"method": "ugatit"},
    )
    run = tmp_path / "run"
    train(pictures, run, config, init={"painter": path, "photographer": path})
    begun = begins_with(run)["method"]["networks"]
    for name, side in (("A2B", "painter"), ("B2A", "photographer")):
        assert_equal(begun[side], recognise(networks[name].state_dict()).weights)
    with Image.open(run / "samples" / "step-00000001.jpg") as sheet:
        assert sheet.width == 4 + 7 * 100  # photo; identity, painting, way back, each with its map
    page = (run / "report.html").read_text()
    assert "samples/step-00000001.jpg" in page
    assert "genB2A" in page


def test_the_digest_is_of_all_weights_wherever_they_come_from():
    def digest(value, *, origin="one.pt"):
        weights = {"painter": {"a": torch.tensor([1.0, value])}, "photographer": {}}
        return InitialWeights(weights, {"painter": origin}, {}).digest

    assert digest(2.0) == digest(2.0, origin="two.pt") != digest(2.0000002)
