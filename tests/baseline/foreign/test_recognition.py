"""Files of other programs: the same pictures as theirs, or what was met, and never their code."""

import pickle
import zipfile
from pathlib import Path

import pytest
import torch
from original_networks import UGATIT, PatchGAN, ResNet, UNet, shaken
from safetensors.torch import save_file

from mifid.baseline.generation.weights_file import load_generator
from mifid.errors import InputError, WeightsError


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def saved(network, path, **changes):
    torch.save({**network.state_dict(), **changes}, path)
    return path


def pictures(size, count=2):
    generator = torch.Generator().manual_seed(5)
    return torch.rand(count, 3, size, size, generator=generator) * 2 - 1


def assert_paints_alike(network, loaded, size):
    with torch.no_grad():
        expected, made = network(pictures(size)), loaded.network(pictures(size))
    assert expected.std() > 0.05
    torch.testing.assert_close(made, expected, rtol=1e-4, atol=1e-5)


RESNETS = {
    "as published": {},
    "six blocks, wider": {"blocks": 6, "width": 12},
    "dropout": {"dropout": True},
    "batch norm": {"norm": "batch"},
    "batch norm and dropout": {"norm": "batch", "dropout": True},
    "no norm": {"norm": "none"},
    "resized": {"up": "resize"},
    "CUT": {"down": "blur", "up": "blur"},
    "CUT, batch norm and dropout": {"down": "blur", "up": "blur", "norm": "batch", "dropout": True},
    "CUT, no_antialias": {"up": "blur"},
    "CUT, no_antialias_up": {"down": "blur"},
}


@pytest.mark.parametrize("name", RESNETS)
def test_a_resnet_paints_as_the_original(name, tmp_path):
    options = RESNETS[name]
    network = shaken(ResNet(**options))
    loaded = load_generator(saved(network, tmp_path / "latest_net_G_A.pth"), size=32)
    assert_paints_alike(network, loaded, 32)
    settings = loaded.config.generator
    assert (settings.network, settings.width) == ("resnet", options.get("width", 8))
    assert settings.blocks == options.get("blocks", 2)
    assert settings.norm == options.get("norm", "instance")
    assert settings.dropout == (0.5 if options.get("dropout") else 0)
    assert settings.halving == options.get("down", "stride")
    assert settings.upsample == options.get("up", "transposed")
    assert ("CUT" in loaded.origin) == ("CUT" in name)
    assert "latest_net_G_A.pth" in loaded.origin
    assert bool(loaded.notes) == (name == "resized")


@pytest.mark.parametrize("norm", ["instance", "batch", "none"])
@pytest.mark.parametrize(("depth", "size"), [(5, 64), (7, 128)])
def test_a_unet_paints_as_the_original(norm, depth, size, tmp_path):
    network = shaken(UNet(norm=norm, depth=depth, dropout=True))
    loaded = load_generator(saved(network, tmp_path / "latest_net_G.pth"), size=size)
    assert_paints_alike(network, loaded, size)
    settings = loaded.config.generator
    assert (settings.network, settings.width, settings.depth) == ("unet", 4, depth)
    assert settings.norm == norm
    assert settings.skip_relu
    assert "generator.dropout" not in loaded.known  # its file does not say
    assert "dropout" in loaded.notes[0]


def test_what_surrounds_the_weights_does_not_matter(tmp_path):
    network = shaken(ResNet())
    weights = network.state_dict()
    old = {f"model.{n}.running_mean": torch.ones(8 * 2**k) for k, n in enumerate((2, 5, 8))}
    variants = {
        "module": {f"module.{name}": weight for name, weight in weights.items()},
        "compiled": {f"_orig_mod.{name}": weight for name, weight in weights.items()},
        "parameters": dict(network.named_parameters()),
        "torch 0.3": {**weights, **old},
    }
    for name, variant in variants.items():
        torch.save(variant, tmp_path / name)
        assert_paints_alike(network, load_generator(tmp_path / name, size=16), 16)
    torch.save(weights, tmp_path / "2019", _use_new_zipfile_serialization=False)
    assert_paints_alike(network, load_generator(tmp_path / "2019", size=16), 16)
    save_file({name: weight.clone() for name, weight in weights.items()}, tmp_path / "safe")
    assert_paints_alike(network, load_generator(tmp_path / "safe", size=16), 16)


def test_half_precision_is_read_as_float32(tmp_path):
    network = shaken(ResNet()).half()
    loaded = load_generator(saved(network, tmp_path / "half.pth"), size=16)
    assert {weight.dtype for weight in loaded.network.parameters()} == {torch.float32}
    assert_paints_alike(network.float(), loaded, 16)


class Planted:
    """A pickle of it would make a file when it is read."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def without(name):
    weights = ResNet().state_dict()
    del weights[name]
    return weights


def ugatit(**changes):
    weights = UGATIT(**changes).state_dict()
    del weights["UpBlock1_2.norm1.rho"]
    return weights


THEIRS = ("program that trained",)
BAD = {
    "a missing weight": (
        lambda: without("model.12.weight"),
        "doubles maps in 6 layers, from model.12 on, with convolutions at [3]",
        ("Two halvings",),
    ),
    "a missing bias": (
        lambda: without("model.19.bias"),
        "model.19.bias is missing",
        ("cut by hand",),
    ),
    "a weight too many": (
        lambda: ResNet().state_dict() | {"model.1.scale": torch.zeros(3)},
        "model.1.scale is not expected",
        ("changed",),
    ),
    "wrong shapes": (
        lambda: ResNet().state_dict() | {"model.4.weight": torch.zeros(16, 8, 5, 5)},
        "model.4.weight has shape (16, 8, 5, 5) instead of (16, 8, 3, 3)",
        ("changed",),
    ),
    "six channels": (
        lambda: ResNet(inputs=6).state_dict(),
        "takes 6 channels and makes 3",
        THEIRS,
    ),
    "one channel out": (lambda: ResNet(outputs=1).state_dict(), "and makes 1", THEIRS),
    "three halvings": (lambda: ResNet(halvings=3).state_dict(), "halves maps in 9 layers", ()),
    "padding with zeros": (lambda: ResNet(pad=None).state_dict(), "convolutions at [0, 3]", ()),
    "other names": (
        lambda: {"model.1.weight": torch.zeros(1, 1, 1, 1), "a.conv_block.b": torch.zeros(1)},
        "it has a.conv_block.b",
        (),
    ),
    "scales without statistics": (
        lambda: ResNet().state_dict() | {"model.2.weight": torch.ones(8)},
        "norm model.2 has scales, but no running statistics",
        ("batch norm",),
    ),
    "a discriminator": (lambda: PatchGAN().state_dict(), "a PatchGAN discriminator", ("CUT",)),
    "CUT's netF": (lambda: {"mlp_0.0.weight": torch.zeros(3)}, "projection network", ()),
    "another network": (
        lambda: {f"layer{n}.weight": torch.zeros(3) for n in range(9)},
        "no generator that is known; its 9 weights are layer0.weight, layer1.weight, "
        "layer2.weight and 6 more",
        ("latest_net_G_A.pth", "mifid score"),
    ),
    "U-GAT-IT": (
        ugatit,
        "looks like U-GAT-IT's generator (light), but UpBlock1_2.norm1.rho is missing",
        ("cut by hand",),
    ),
    "U-GAT-IT, all": (
        lambda: {name: ugatit(size=32) for name in ("genA2B", "genB2A", "disGA", "disLA")},
        "looks like U-GAT-IT's generator (full), but UpBlock1_2.norm1.rho is missing",
        THEIRS,
    ),
    "U-GAT-IT of six channels": (
        lambda: UGATIT(inputs=6).state_dict(),
        "takes 6 channels and makes 3",
        THEIRS,
    ),
    "U-GAT-IT with a bias": (
        lambda: UGATIT().state_dict() | {"gap_fc.bias": torch.zeros(1)},
        "gap_fc.bias is not expected",
        THEIRS,
    ),
    "U-GAT-IT without weights": (
        lambda: {"genA2B": {}, "genB2A": ugatit()},
        "it holds nothing",
        ("U-GAT-IT",),
    ),
    "U-GAT-IT with wrong shapes": (
        lambda: UGATIT().state_dict() | {"FC.2.weight": torch.zeros(16, 99)},
        "FC.2.weight has shape (16, 99) instead of (16, 16)",
        (),
    ),
    "an optimiser": (
        lambda: {"state": {0: {"step": torch.tensor(1.0)}}, "param_groups": [{"lr": 2e-4}]},
        "the state of an optimiser",
        (),
    ),
    "a checkpoint of others": (
        lambda: {"state_dict": ResNet().state_dict(), "epoch": 5},
        "it holds state_dict, epoch",
        ("torch.save(checkpoint[",),
    ),
    "a list": (lambda: [1, 2], "it holds a list", ("latest_net_G_A.pth",)),
    "a tensor": (lambda: torch.zeros(2, 3), "one tensor of shape (2, 3)", ()),
    "nothing": (dict, "it holds nothing", ()),
    "a NaN": (
        lambda: ResNet().state_dict() | {"model.1.bias": torch.full((8,), torch.nan)},
        "model.1.bias is not finite",
        ("diverged",),
    ),
    "sparse": (lambda: {"a": torch.zeros(3).to_sparse()}, "torch.sparse_coo", ()),
    "a bomb": (
        lambda: {"a": torch.zeros(1).expand(1 << 40)},
        "a tensor of shape (1099511627776,), which is larger than the file",
        ("memory",),
    ),
    "a whole module": (ResNet, "original_networks.ResNet, which is code", ("state_dict()",)),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_generator_is_refused_with_what_was_met(name, tmp_path):
    make, said, hints = BAD[name]
    path = tmp_path / "bad.pth"
    torch.save(make(), path)
    with pytest.raises(WeightsError) as caught:
        load_generator(path, size=32)
    assert said in caught.value.message
    assert str(path) in caught.value.message
    assert all(hint in caught.value.hint for hint in hints)
    assert caught.value.hint


@pytest.mark.parametrize("zipped", [True, False])
def test_code_in_a_file_is_not_run(zipped, tmp_path):
    planted, path = tmp_path / "planted", tmp_path / "bad.pth"
    torch.save(
        {"a": torch.zeros(3), "b": Planted(planted)}, path, _use_new_zipfile_serialization=zipped
    )
    with pytest.raises(WeightsError, match=r"which is code.*not run") as caught:
        load_generator(path)
    assert not planted.exists()
    assert "state_dict()" in caught.value.hint
    path.write_bytes(pickle.dumps(Planted(planted), protocol=2))
    with pytest.raises(WeightsError, match=str(path)):
        load_generator(path)
    assert not planted.exists()


@pytest.mark.parametrize("zipped", [True, False])
def test_a_file_that_is_cut_short(zipped, tmp_path):
    path = tmp_path / "short.pth"
    torch.save(ResNet().state_dict(), path, _use_new_zipfile_serialization=zipped)
    whole = path.read_bytes()
    for part in (0.01, 0.5, 0.99):
        path.write_bytes(whole[: int(part * len(whole))])
        with pytest.raises(WeightsError, match=str(path)) as caught:
            load_generator(path)
        assert "cut short" in caught.value.hint


def test_a_zip_of_pictures_is_named_as_a_zip(tmp_path):
    path = tmp_path / "images.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.jpg", b"picture")
    with pytest.raises(WeightsError, match=r"images\.zip.* a zip, but none of torch\.save"):
        load_generator(path)


def test_a_flipped_bit_is_noticed(tmp_path):
    path = saved(ResNet(), tmp_path / "flipped.pth")
    content = bytearray(path.read_bytes())
    weights = torch.load(path, weights_only=True)["model.10.conv_block.1.weight"]
    content[content.index(weights.numpy().tobytes()) + 100] ^= 1
    path.write_bytes(content)
    with pytest.raises(WeightsError, match="CRC-32"):
        load_generator(path)


def test_a_unet_that_the_size_cannot_hold(tmp_path):
    path = saved(UNet(depth=7), tmp_path / "unet.pth")
    with pytest.raises(WeightsError, match=r"cannot paint pictures of 64 x 64.*depth is 7") as e:
        load_generator(path, size=64)
    assert "multiple of 2" in e.value.hint


def test_a_file_of_another_program_holds_one_set_of_weights(tmp_path):
    path = saved(ResNet(), tmp_path / "g.pth")
    assert load_generator(path, which="raw").which == "raw"
    with pytest.raises(WeightsError, match=r"no averaged \(EMA\) weights"):
        load_generator(path, which="ema")


def test_a_width_that_the_settings_do_not_allow(tmp_path):
    path = saved(ResNet(width=2), tmp_path / "thin.pth")
    with pytest.raises(InputError, match=r"thin\.pth: generator\.width must be"):
        load_generator(path)


@pytest.mark.parametrize("form", ["light", "full"])
def test_ugatits_generator_paints_as_the_original(form, tmp_path):
    full = {"size": 32} if form == "full" else {}
    network, other = (shaken(UGATIT(width=6, blocks=3, **full), seed=n) for n in (0, 1))
    run = {name: UGATIT().state_dict() for name in ("disGA", "disGB", "disLA", "disLB")}
    run |= {"genA2B": network.state_dict(), "genB2A": other.state_dict()}
    torch.save(run, tmp_path / "monet_params_latest.pt")
    for side, original in (("painter", network), ("photographer", other)):
        loaded = load_generator(tmp_path / "monet_params_latest.pt", size=32, side=side)
        with torch.no_grad():
            picture, logits, heat = original(pictures(32))
            made = loaded.network(pictures(32))
            painted = loaded.network.paint(pictures(32), None)
        assert picture.std() > 0.05
        for ours, theirs in zip(made, (picture, logits, heat), strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(painted.picture, picture, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(painted.maps["attention"], heat, rtol=1e-4, atol=1e-4)
    settings = loaded.config.generator
    assert settings.network == ("ugatit_full" if full else "ugatit")
    assert (settings.width, settings.blocks) == (6, 3)
    assert "genB2A" in loaded.origin
    assert "variances of variances" in loaded.notes[0]
    alone = load_generator(saved(network, tmp_path / "genA2B.pt"), size=32)
    assert "genA2B," not in alone.origin


def test_ugatits_full_form_takes_its_own_size_alone(tmp_path):
    path = saved(UGATIT(size=32), tmp_path / "full.pt")
    loaded = load_generator(path)
    assert loaded.config.data.size == 32
    assert loaded.says_size
    with pytest.raises(WeightsError, match=r"pictures of 32 x 32 alone, not of 64 x 64") as caught:
        load_generator(path, size=64)
    assert "data.size=32" in caught.value.hint
    with pytest.raises(InputError, match="built for pictures of 32 x 32; got 64 x 64"):
        loaded.network(pictures(64))
