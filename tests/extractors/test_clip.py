"""CLIP against OpenAI's network on random weights, from archives whose code is not run; CMMD."""

import warnings
import zipfile
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from small_transformers import BOUND, DEPTH, GRID, WIDTH, error, randomized, written
from torch_fidelity.feature_extractor_clip import CLIPVisual

from mifid.errors import MifidWarning, WeightsError
from mifid.extractors import open_extractor
from mifid.extractors.backends import BACKENDS
from mifid.extractors.clip import Clip, architecture, clip_layers
from mifid.extractors.vision_transformer import VisionTransformer
from mifid.extractors.weights import FILES, load_state_dict
from mifid.metrics.cmmd import clip_discrepancy

pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit")

WIDE, HIGH = 90, 60
SIDE, PROJECTION = 14 * GRID, 48
SMALL = architecture(width=WIDTH, depth=DEPTH, grid=GRID, projection=PROJECTION)


class Small(Clip):
    """The same network and protocol, smaller."""

    resize = replace(Clip.resize, size=SIDE)

    def layers(self):
        return clip_layers(SMALL, load_state_dict(self.weights.path), hint="Expected a toy.")


class Whole(CLIPVisual):
    """With parts of the text's side, as OpenAI's file has them; half precision, too."""

    def __init__(self):
        super().__init__(PROJECTION, SIDE, DEPTH, WIDTH, 14)
        self.text_projection = torch.nn.Parameter(torch.ones(3, 4))
        self.register_buffer("input_resolution", torch.tensor(SIDE))
        randomized(self)
        for module in self.modules():
            if isinstance(module, torch.nn.Linear | torch.nn.Conv2d):
                module.weight.data = module.weight.data.half().float()

    def forward(self, x):
        return self.visual(x)


@pytest.fixture(scope="module")
def whole():
    return Whole()


@pytest.fixture(scope="module")
def archive(whole, tmp_path_factory):
    """OpenAI's kind of file: traced, then saved by torch.jit."""
    path = tmp_path_factory.mktemp("weights") / "ViT-L-14-336px.pt"
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # on what tracing may miss
        torch.jit.trace(whole, torch.zeros(1, 3, SIDE, SIDE), check_trace=False).save(path)
    return path


@pytest.fixture(scope="module")
def pictures():
    return np.random.RandomState(3).randint(0, 256, (3, HIGH, WIDE, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def expected(whole, pictures):
    """OpenAI's features in float64, of input made by Pillow alone."""
    left = (WIDE - HIGH) // 2
    squares = [Image.fromarray(p[:, left : left + HIGH]) for p in pictures]
    resized = [each.resize((SIDE, SIDE), Image.Resampling.BICUBIC) for each in squares]
    x = torch.from_numpy(np.stack(resized)).permute(0, 3, 1, 2).double() / 255
    mean = torch.tensor([0.48145466, 0.4578275, 0.40821073]).double()
    std = torch.tensor([0.26862954, 0.26130258, 0.27577711]).double()
    network = Whole().eval()
    network.load_state_dict(whole.state_dict())
    for module in network.modules():  # OpenAI's norm casts its input to float32
        if isinstance(module, torch.nn.LayerNorm):
            module.__class__ = torch.nn.LayerNorm
    with torch.inference_mode():
        found = network.double()((x - mean[:, None, None]) / std[:, None, None]).numpy()
    return found / np.linalg.norm(found, axis=1, keepdims=True)


@pytest.fixture(scope="module", params=BACKENDS)
def extractor(request, archive):
    return written(Small, archive, backend=request.param)


def test_features_are_openais_and_of_length_one(extractor, pictures, expected):
    features = extractor(pictures)
    assert features.dtype == np.float32
    assert features.shape == (3, PROJECTION)
    assert error(features, expected) < BOUND
    np.testing.assert_allclose(np.linalg.norm(features, axis=1), 1, rtol=1e-6)


def test_the_protocol_takes_the_middle_before_it_resizes(extractor, pictures, expected):
    """What is beside the square has no effect; a grey level in it has."""
    beside = pictures.copy()
    beside[:, :, :15] = beside[:, :, -15:] = 0
    np.testing.assert_array_equal(extractor(beside), extractor(pictures))
    assert error(extractor(pictures // 2 * 2), expected) > 100 * BOUND
    tall = np.ascontiguousarray(beside.transpose(0, 2, 1, 3))
    assert extractor(tall).shape == (3, PROJECTION)


def test_an_archive_and_its_state_dict_are_one_network(whole, archive, tmp_path):
    torch.save(whole.state_dict(), tmp_path / "state.pt")
    from_archive = load_state_dict(archive)
    from_state = load_state_dict(tmp_path / "state.pt")
    assert set(from_archive) == set(from_state)
    for name, value in from_state.items():
        assert torch.equal(from_archive[name], value), name


def test_a_module_of_any_name_is_read(archive, tmp_path):
    """A class of a script has no module of its own in its name."""
    with zipfile.ZipFile(archive) as old, zipfile.ZipFile(tmp_path / "w.pt", "w") as new:
        for info in old.infolist():
            content = old.read(info)
            if info.filename.endswith("data.pkl"):
                start = content.index(b"c__torch__")
                end = content.index(b"\n", start)
                content = content[:start] + b"c__torch__" + content[end:]
            new.writestr(info.filename, content)
    assert set(load_state_dict(tmp_path / "w.pt")) == set(load_state_dict(archive))


def test_half_precision_is_read_as_it_is(whole, tmp_path):
    """OpenAI's matrices have 16 bits; they become float32 without rounding."""
    halved = {k: v.half() if v.ndim > 1 else v for k, v in whole.state_dict().items()}
    torch.save(halved, tmp_path / "half.pt")
    network = clip_layers(SMALL, load_state_dict(tmp_path / "half.pt"))
    weight = network[0].blocks[1].mlp.fc1.weight
    assert weight.dtype == torch.float32
    name = "visual.transformer.resblocks.1.mlp.c_fc.weight"
    assert torch.equal(weight, halved[name].float())


class Stateful(torch.nn.Module):
    """Its class has code that ``torch.jit.load`` would run."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(3))

    def forward(self, x):
        return x * self.weight

    @torch.jit.export
    def __getstate__(self):
        return self.weight, self.training

    @torch.jit.export
    def __setstate__(self, state: tuple[torch.Tensor, bool]):
        self.weight = state[0]
        self.training = state[1]
        assert torch.zeros(1).item() == 1.0, "code of the file ran"


def test_code_of_an_archive_is_not_run(tmp_path):
    torch.jit.script(Stateful()).save(tmp_path / "w.pt")
    with pytest.raises(torch.jit.Error, match="code of the file ran"):
        torch.jit.load(tmp_path / "w.pt")
    with pytest.raises(WeightsError, match=r"w\.pt cannot be read .*state is invalid"):
        load_state_dict(tmp_path / "w.pt")


def test_code_that_is_damaged_does_not_matter_and_tensors_that_are_do(archive, tmp_path):
    with zipfile.ZipFile(archive) as old:
        members = {info.filename: old.read(info) for info in old.infolist()}
    (code,) = (name for name in members if name.endswith("feature_extractor_clip.py"))

    def rewritten(**changes):
        path = tmp_path / "new.pt"
        with zipfile.ZipFile(path, "w") as new:
            for name, content in {**members, **changes}.items():
                new.writestr(name, content)
        return path

    assert len(load_state_dict(rewritten(**{code: b"import os; os.abort()"}))) > 20
    (program,) = (name for name in members if name.endswith("data.pkl"))
    for harmful in (
        members[program].replace(b"__torch__.", b"os.path..."),
        members[program].replace(b"__torch__.", b"__torch__x."),
        members[program].replace(b"_rebuild_tensor_v2", b"_rebuild_tensor_v9"),
        b"\x80\x02c__torch__\nX\n)R.",
    ):
        with pytest.raises(WeightsError, match="cannot be read as network weights"):
            load_state_dict(rewritten(**{program: harmful}))


def test_modules_that_hold_themselves_end(archive, tmp_path):
    """A dict in itself, by the pickle's memo."""
    program = b"\x80\x02}q\0(X\1\0\0\0ah\0X\1\0\0\0bh\0u."
    with zipfile.ZipFile(tmp_path / "w.pt", "w") as new:
        new.writestr("w/data.pkl", program)
        new.writestr("w/constants.pkl", b"\x80\x02).")
    with pytest.raises(WeightsError, match="hold each other"):
        load_state_dict(tmp_path / "w.pt")


def test_published_sizes():
    """The file's network has 304,293,888 parameters."""
    of = architecture(width=1024, depth=24, grid=336 // 14, projection=768)
    assert Clip.resize.size == 336
    with torch.device("meta"):
        network = VisionTransformer(of)
    parameters = sum(p.numel() for p in network.parameters())
    assert parameters == 304_293_888
    assert network.blocks[0].attn.heads == 16


def test_another_networks_file(archive):
    with pytest.raises(WeightsError, match="another network's") as caught:
        written(Clip, archive).layers()
    assert "ViT-L-14-336px.pt" in caught.value.hint
    assert "mifid weights fetch --extractor clip-l14-336" in caught.value.hint


def test_a_damaged_file(archive, tmp_path):
    path = tmp_path / FILES["clip-l14-336"].names[0]
    damaged = bytearray(archive.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    path.write_bytes(damaged)
    with pytest.warns(MifidWarning, match="not the published"):
        extractor = open_extractor("clip-l14-336", weights=path, backend="torch")
    with pytest.raises(WeightsError, match=r"the checksum of .* is another"):
        extractor.load("cpu")


def test_cmmd_of_one_picture_a_side_is_its_closed_form(archive, pictures):
    features = written(Small, archive, backend="torch")(pictures)
    found = clip_discrepancy(generated=features[:1], reference=features[1:2])["cmmd"]
    squared = float(((features[0].astype(float) - features[1]) ** 2).sum())
    assert found == pytest.approx(2000 * (1 - np.exp(-squared / 200)), rel=1e-5)


def test_identity(archive):
    identity = written(Clip, archive).identity
    assert identity.name == "clip-l14-336"
    assert identity.fingerprint == f"cmmd-clip-1 float32 {identity.weights_sha256}"
    assert identity.resize == "centre-pillow-bicubic-336"
    assert "Kaggle" in identity.not_comparable
