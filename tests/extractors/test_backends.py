"""Which backend is taken, and what OpenVINO keeps on disk."""

import io
import json
import os
import pickle
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from shared_network import sum_of_features

from mifid.errors import InputError, MifidWarning, WeightsError
from mifid.extractors import backends, open_extractor
from mifid.extractors.backends import BACKENDS, choose_backend, openvino_backend
from mifid.extractors.backends.openvino_backend import _folder, _kept, import_openvino
from mifid.extractors.inception import SHA256
from mifid.files import sha256_of_file


@pytest.mark.parametrize(
    ("device", "accelerator", "installed", "chosen"),
    [
        ("auto", False, True, "openvino"),
        ("cpu", True, True, "openvino"),
        ("auto", True, True, "torch"),
        ("cuda", True, True, "torch"),
        ("auto", False, False, "torch"),
        ("cpu", False, False, "torch"),
    ],
)
def test_auto(device, accelerator, installed, chosen, monkeypatch):
    monkeypatch.setattr(backends, "has_accelerator", lambda: accelerator)
    monkeypatch.setattr(backends, "find_spec", lambda name: object() if installed else None)
    assert choose_backend("auto", device) == chosen


@pytest.mark.parametrize("name", BACKENDS)
def test_a_name_is_a_choice(name):
    assert choose_backend(name, "cpu") == name


def test_unknown_backend():
    with pytest.raises(InputError, match="unknown backend 'openvivo'") as caught:
        open_extractor("inception-random", backend="openvivo")
    assert "Did you mean 'openvino'?" in caught.value.hint


def test_a_users_own_extractor_has_no_backend():
    with pytest.raises(InputError, match="'openvino' is for mifid's own networks"):
        open_extractor(lambda batch: batch, backend="openvino")


def test_openvino_is_for_the_cpu():
    with pytest.raises(InputError, match="runs on the CPU, not on 'cuda'"):
        open_extractor("inception-random", backend="openvino").load("cuda")


def test_openvino_that_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(InputError, match="backend openvino cannot be used") as caught:
        open_extractor("inception-random", backend="openvino").load("cpu")
    assert "pip install openvino" in caught.value.hint


def test_openvino_reports_to_nobody():
    """Its telemetry is not imported, so that its own stub, which sends nothing, stands in."""
    pytest.importorskip("openvino")
    code = (
        "from mifid.extractors.backends.openvino_backend import import_openvino\n"
        "import_openvino()\n"
        "import sys, openvino.tools.ovc.telemetry_utils as used\n"
        "assert sys.modules['openvino_telemetry'] is None\n"
        "assert used.tm.__name__ == 'openvino.tools.ovc.telemetry_stub', used.tm\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


OVERLAPPING = """
import gc, signal
import numpy as np
from mifid.extractors.backends import openvino_backend
from mifid.extractors.backends.openvino_backend import import_openvino
from mifid.extractors.base import EXACT
from mifid.extractors.resize import PYTORCH_FID, RESIZES

ops = import_openvino().opset13
x = ops.parameter([-1, 2], np.float32)
model = import_openvino().Model([ops.add(x, ops.constant(np.ones(2, np.float32)))], [x])
openvino_backend.obtain_model = lambda *_: model

def load():
    return openvino_backend.OpenVinoBackend(
        dict, key="", device="cpu", resize=RESIZES[PYTORCH_FID], precision=EXACT
    )

first, second = load(), load()
del first
gc.collect()
del second
gc.collect()
heard = []
signal.signal(signal.SIGTERM, lambda *_: heard.append(True))
signal.raise_signal(signal.SIGTERM)
assert heard
"""


def test_signals_are_heard_after_networks_that_overlapped():
    """OpenVINO left a signal stack that was gone: Ctrl-C ended a training unsaved."""
    pytest.importorskip("openvino")
    subprocess.run([sys.executable, "-c", OVERLAPPING], check=True)


def keep(model, key):
    """Put a model where a converted network is looked for."""
    folder = _folder(key)
    folder.mkdir(parents=True)
    import_openvino().save_model(model, folder / "model.xml", compress_to_fp16=False)
    hashes = {name: sha256_of_file(folder / name) for name in ("model.xml", "model.bin")}
    (folder / "sha256.json").write_text(json.dumps(hashes))
    return folder


@pytest.fixture
def small():
    """A model that adds one."""
    pytest.importorskip("openvino")
    ops = import_openvino().opset13
    x = ops.parameter([-1, 2], np.float32)
    added = ops.add(x, ops.constant(np.ones(2, np.float32)))
    return import_openvino().Model([added], [x])


def test_what_is_kept_is_loaded(small):
    core = import_openvino().Core()
    assert _kept(core, "a" * 64) is None
    keep(small, "a" * 64)
    assert _kept(core, "a" * 64) is not None
    assert _kept(core, "b" * 64) is None


@pytest.mark.parametrize("name", ["model.bin", "model.xml", "sha256.json"])
def test_damage_is_noticed_and_removed(name, small):
    folder = keep(small, "a" * 64)
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(content)
    with pytest.warns(MifidWarning, match="damaged and converted again"):
        assert _kept(import_openvino().Core(), "a" * 64) is None
    assert not folder.exists()


def test_what_cannot_be_read_is_not_called_damaged_nor_removed(small, monkeypatch):
    folder = keep(small, "a" * 64)

    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(openvino_backend, "sha256_of_file", refuse)
    with pytest.warns(MifidWarning, match="cannot be read: Permission denied"):
        assert _kept(import_openvino().Core(), "a" * 64) is None
    assert folder.exists()


def test_a_converter_whose_run_was_killed_leaves_nothing(small, tmp_path, monkeypatch):
    new = tmp_path / ".x.tmp" / "new"
    new.mkdir(parents=True)
    monkeypatch.setattr(openvino_backend, "_convert", lambda *_: small)
    for parent, left in ((os.getppid(), ["model.bin", "model.xml", "sha256.json"]), (-1, [])):
        task = io.BytesIO(pickle.dumps((dict, 224, str(new), parent)))
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=task))
        openvino_backend._be_converter()
        assert sorted(path.name for path in new.glob("*")) == left
    assert list(tmp_path.iterdir()) == []


def test_a_network_that_cannot_be_kept_still_runs(small, tmp_path, monkeypatch):
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("MIFID_CACHE", str(tmp_path / "file"))
    monkeypatch.setattr(openvino_backend, "_convert", lambda *_: small)
    core = import_openvino().Core()
    with pytest.warns(MifidWarning, match="could not be kept"):
        assert openvino_backend._converted(core, dict, 224, "a" * 64) is small


@pytest.mark.network
def test_a_run_imports_no_torch_even_if_it_is_the_first(network):
    """A process of its own converts the network; the second run finds it."""
    pytest.importorskip("openvino")
    first, second = (network / "first.txt").read_text(), sum_of_features(network)
    converted = [path for path in (network / "openvino").iterdir() if not path.is_symlink()]
    assert len([path for path in converted if path.name.startswith(SHA256[:32])]) == 1
    assert float(first) == pytest.approx(float(second), rel=1e-5)  # float32, whatever the order


def draw_nothing():
    raise WeightsError("there is nothing to be drawn")


def test_weights_that_cannot_be_read_elsewhere_are_read_here(monkeypatch, tmp_path):
    monkeypatch.delitem(sys.modules, "torch")
    assert not openvino_backend._converted_apart(lambda: {}, 224, tmp_path)  # cannot be pickled
    assert not openvino_backend._converted_apart(draw_nothing, 224, tmp_path)  # fails
    monkeypatch.setattr(sys, "executable", str(tmp_path / "nothing"))
    assert not openvino_backend._converted_apart(draw_nothing, 224, tmp_path)  # no second Python
    assert not list(tmp_path.iterdir())


def test_what_is_wrong_with_weights_is_told(monkeypatch):
    pytest.importorskip("openvino")
    monkeypatch.setattr(openvino_backend, "_converted_apart", lambda *_: False)
    core = import_openvino().Core()
    with pytest.raises(WeightsError, match="nothing to be drawn"):
        openvino_backend.obtain_model(core, draw_nothing, 224, "a" * 64)


@pytest.mark.network
def test_torch_loads_once_and_again_for_another_device():
    extractor = open_extractor("inception-random", backend="torch")
    extractor.load("cpu")
    loaded = extractor._loaded
    extractor.load("cpu")
    assert extractor._loaded is loaded
    if torch.cuda.is_available():
        assert extractor.load("cuda").startswith("cuda")
        assert extractor._loaded is not loaded
