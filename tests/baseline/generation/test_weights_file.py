"""A generator's file holds all that painting needs, and no other file passes for one."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from generators import TINY, built, config, saved
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn
from torch.optim.swa_utils import AveragedModel

from mifid.baseline.config.schema import Config, Generator
from mifid.baseline.config.settings import as_dict
from mifid.baseline.generation.weights_file import load_generator, save_generator
from mifid.errors import InputError, OutputError, WeightsError
from mifid.files import sha256_of_file


@pytest.fixture
def path(tmp_path):
    return tmp_path / "best.safetensors"


def resaved(path, *, drop=(), more=None, **metadata):
    """Write the file again with other metadata (None: without it) and tensors."""
    with safe_open(path, framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        known = file.metadata() | metadata
    tensors = {name: t for name, t in tensors.items() if name not in drop} | (more or {})
    save_file(tensors, path, {key: value for key, value in known.items() if value is not None})
    return path


def outputs(network, settings):
    torch.manual_seed(0)
    with torch.no_grad():
        return network.eval()(torch.rand(2, 3, settings.data.size, settings.data.size) * 2 - 1)


@pytest.mark.parametrize("norm", ["instance", "batch"])
@pytest.mark.parametrize("layout", ["auto", "channels_first", "channels_last"])
def test_what_is_read_paints_as_what_was_written(norm, layout, path):
    settings = config(generator=replace(TINY, norm=norm))
    settings = replace(settings, training=replace(settings.training, layout=layout))
    network = built(settings, 3)
    network.train()(torch.randn(2, 3, 16, 16))  # moves the statistics of batch norm
    save_generator(path, networks={"raw": network}, config=settings, best="raw", facts={})
    assert network.training
    loaded = load_generator(path)
    assert not loaded.network.training
    assert not any(weight.requires_grad for weight in loaded.network.parameters())
    torch.testing.assert_close(outputs(loaded.network, settings), outputs(network, settings))
    for name, tensor in network.state_dict().items():
        assert torch.equal(loaded.network.state_dict()[name], tensor), name


def test_everything_around_the_weights_is_kept(path):
    settings = replace(config(), schedule=replace(Config().schedule, until=(0.25, 0.5)))
    facts = {"step": 120, "scores": {"mifid": 51.5, "fid": None}, "name": "Brücke"}
    saved(path, settings, facts=facts)
    loaded = load_generator(path)
    assert loaded.config == settings
    assert loaded.facts == facts
    assert loaded.sha256 == sha256_of_file(path)


@pytest.mark.parametrize("best", ["raw", "ema"])
def test_the_best_is_read_unless_one_is_named(best, path):
    settings = config()
    saved(path, settings, best=best)
    expected = {"raw": outputs(built(settings, 1), settings), "ema": None}
    expected["ema"] = outputs(built(settings, 2), settings)
    assert not torch.equal(expected["raw"], expected["ema"])
    for which in (None, "raw", "ema"):
        loaded = load_generator(path, which=which)
        assert loaded.which == (which or best)
        got = outputs(loaded.network, settings)
        torch.testing.assert_close(got, expected[loaded.which])


def test_the_file_is_as_its_description_says(path):
    saved(path)
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    assert {key: metadata[key] for key in ("format", "version", "best")} == {
        "format": "mifid-generator",
        "version": "1",
        "best": "ema",
    }
    assert json.loads(metadata["config"]) == as_dict(config())
    assert json.loads(metadata["facts"]) == {"step": 7}
    names = set(built(config()).state_dict())
    assert set(tensors) == {f"{kind}.{name}" for kind in ("raw", "ema") for name in names}
    assert {tensor.dtype for tensor in tensors.values()} == {torch.float32}


def test_equal_generators_make_equal_files_in_every_process(path, tmp_path):
    """safetensors alone writes its metadata in an order of the moment."""
    saved(path)
    script = "import sys, generators; generators.saved(sys.argv[1])"
    here = Path(__file__).parents[2]
    other = tmp_path / "other.safetensors"
    subprocess.run([sys.executable, "-c", script, str(other)], cwd=here, check=True)
    assert other.read_bytes() == path.read_bytes()
    for _ in range(5):
        assert saved(other).read_bytes() == path.read_bytes()


def test_lower_precision_is_written_as_float32_and_counters_as_they_are(path):
    settings = config(generator=replace(TINY, norm="batch"))
    network = built(settings).to(torch.bfloat16)
    save_generator(path, networks={"raw": network}, config=settings, best="raw", facts={})
    with safe_open(path, framework="pt") as file:
        kinds = {file.get_tensor(name).dtype for name in file.keys()}  # noqa: SIM118
    assert kinds == {torch.float32, torch.int64}
    loaded = load_generator(path).network.state_dict()
    for name, tensor in network.state_dict().items():
        assert torch.equal(loaded[name], tensor.to(loaded[name].dtype))


class Wrapped(nn.Module):
    """As torch.compile wraps: the network is ``_orig_mod``."""

    def __init__(self, network):
        super().__init__()
        self._orig_mod = network


@pytest.mark.parametrize("wrap", [AveragedModel, Wrapped, lambda n: AveragedModel(Wrapped(n))])
def test_averaged_and_compiled_networks_are_unwrapped(wrap, path):
    network = built(config(), 5)
    save_generator(path, networks={"ema": wrap(network)}, config=config(), best="ema", facts={})
    loaded = load_generator(path).network.state_dict()
    assert all(torch.equal(loaded[name], t) for name, t in network.state_dict().items())


def test_a_missing_folder(tmp_path):
    with pytest.raises(OutputError, match="mkdir -p"):
        saved(tmp_path / "no" / "best.safetensors")


def bad(kind, path):
    """Make a file that is no generator; return what is to be said of it."""
    if kind == "missing":
        return f"no such file: {path}", "mifid train-baseline"
    if kind == "folder":
        path.mkdir()
        return f"{path} is a folder", "best.safetensors"
    if kind == "text":
        path.write_text("hello, I am no network at all")
        return f"{path} cannot be read as safetensors", "cut short, damaged"
    if kind == "checkpoint":
        torch.save({"weight": torch.zeros(3)}, path)
        return f"{path}: it is no generator that is known", "latest_net_G_A.pth"
    if kind == "foreign":
        save_file({"weight": torch.zeros(3)}, path)
        return f"{path}: it is no generator that is known", "latest_net_G_A.pth"
    saved(path)
    if kind == "cut short":
        path.write_bytes(path.read_bytes()[:-100])
        return f"{path} cannot be read as safetensors", "cut short"
    if kind == "newer":
        resaved(path, version="2")
        return "is a generator in format 2; this mifid reads format 1", "pip install --upgrade"
    if kind == "no config":
        resaved(path, config=None)
        return "its config is missing or damaged", "best.safetensors"
    if kind == "facts":
        resaved(path, facts="[1, 2]")
        return "its facts is [1, 2]", "best.safetensors"
    if kind == "no best":
        resaved(path, best=None)
        return "has no '' weights; it has: raw, averaged (EMA)", "Leave out"
    if kind == "missing tensor":
        name = next(iter(built(config()).state_dict()))
        resaved(path, drop=[f"ema.{name}"])
        return f"do not fit their configuration: {name} is missing", "another version"
    if kind == "more tensors":
        resaved(path, more={f"ema.more{i}": torch.zeros(1) for i in range(5)})
        return "more0 is not expected; ", "another version"
    if kind == "nested config":
        resaved(path, config="[" * 100_000)
        return "its config is missing or damaged", "best.safetensors"
    if kind == "huge kernel":
        settings = as_dict(config())
        settings["generator"]["kernel"] = 10**9 + 1
        resaved(path, config=json.dumps(settings))
        return "generator.kernel must be a whole number, at least 0 and at most 63", "its default"
    name, tensor = next(iter(built(config()).state_dict().items()))
    if kind == "dtype":
        resaved(path, more={f"ema.{name}": tensor.double()})
        return f"{name} is float64 instead of float32", "another version"
    assert kind == "shape"
    resaved(path, more={f"ema.{name}": torch.zeros(2, 2)})
    return f"{name} has shape (2, 2) instead of {tuple(tensor.shape)}", "another version"


KINDS = ["missing", "folder", "text", "checkpoint", "foreign", "cut short", "newer", "no config"]
KINDS += ["facts", "no best", "missing tensor", "more tensors", "shape", "dtype"]
KINDS += ["nested config", "huge kernel"]


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_generator_is_told(kind, path):
    said, hint = bad(kind, path)
    with pytest.raises((WeightsError, InputError)) as caught:
        load_generator(path)
    assert said in caught.value.message
    assert str(path) in caught.value.message
    assert hint.lower() in caught.value.hint.lower()
    if kind == "more tensors":
        assert caught.value.message.endswith(" and 2 more")


def test_another_configuration_than_the_weights(path):
    wide = as_dict(config(generator=Generator(network="resnet", width=8, blocks=1)))
    resaved(saved(path), config=json.dumps(wide))
    with pytest.raises(WeightsError, match=r"has shape .* instead of .* and \d+ more"):
        load_generator(path)


def test_a_configuration_of_the_future(path):
    settings = as_dict(config())
    settings["generator"]["warp"] = 9
    resaved(saved(path), config=json.dumps(settings))
    with pytest.raises(InputError, match=f"{path}.*warp"):
        load_generator(path)


def test_where_the_weights_come_from_is_said(path):
    saved(path)
    assert load_generator(path).origin == f"{path}, trained by mifid (averaged (EMA), step 7)"
    assert load_generator(path, which="raw").origin.endswith("(raw, step 7)")


def test_weights_that_are_not_there(path):
    network = {"raw": built(config())}
    save_generator(path, networks=network, config=config(), best="raw", facts={})
    with pytest.raises(WeightsError, match=r"has no averaged \(EMA\) weights; it has: raw\n"):
        load_generator(path, which="ema")
    with pytest.raises(InputError, match="which is 'mean'; expected 'raw' or 'ema'"):
        load_generator(path, which="mean")


def test_a_runs_folder_stands_for_its_best(tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    with pytest.raises(WeightsError, match="is a folder without best"):
        load_generator(run)
    (run / "config.toml").touch()
    with pytest.raises(WeightsError, match=r"a run without best\.safetensors"):
        load_generator(run)
    file = saved(run / "best.safetensors")
    assert load_generator(run).sha256 == load_generator(file).sha256


def test_a_checkpoint_leads_to_the_best_of_its_run(tmp_path):
    file = tmp_path / "checkpoints" / "step-00000030.rank0.pt"
    file.parent.mkdir()
    torch.save({"step": 30}, file)
    with pytest.raises(WeightsError, match="is a checkpoint") as caught:
        load_generator(file)
    assert caught.value.hint == "Paint with best.safetensors of its run."
    saved(tmp_path / "best.safetensors")
    with pytest.raises(WeightsError) as caught:
        load_generator(file)
    assert str(tmp_path / "best.safetensors") in caught.value.hint
