"""DINOv2 against timm's network and its positions in NumPy, on random weights; missing weights."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from small_transformers import BOUND, DEPTH, GRID, WIDTH, error, randomized, written

from mifid.errors import MifidWarning, WeightsError
from mifid.extractors import open_extractor
from mifid.extractors.backends import BACKENDS
from mifid.extractors.dinov2 import Dinov2, Dinov2B14, architecture, interpolated_positions
from mifid.extractors.vision_transformer import VisionTransformer
from mifid.extractors.weights import FILES
from mifid.files import cache_folder

timm_transformer = pytest.importorskip("timm.models.vision_transformer")


def cubic(x):
    """Keys' kernel with a = -0.75, as torch has it."""
    x, a = np.abs(x), -0.75
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = ((x - 5) * x + 8) * x * a - 4 * a
    return np.where(x < 1, near, np.where(x < 2, far, 0.0))


def axis(trained, grid):
    """Matrix (grid, trained): centres at (i + 0.5) trained / (grid + 0.1) - 0.5, edges repeated."""
    matrix = np.zeros((grid, trained))
    for i in range(grid):
        centre = (i + 0.5) * trained / (grid + 0.1) - 0.5
        for j in range(int(np.floor(centre)) - 1, int(np.floor(centre)) + 3):
            matrix[i, min(max(j, 0), trained - 1)] += cubic(centre - j)
    return matrix


def interpolated(positions, trained, grid):
    table = positions[0, 1:].reshape(trained, trained, -1)
    matrix = axis(trained, grid)
    resized = np.einsum("ip,jq,pqd->ijd", matrix, matrix, table).reshape(grid**2, -1)
    return np.concatenate([positions[0, :1], resized])[None]


@pytest.mark.parametrize("grid", [16, 5, 36])
def test_positions_are_interpolated_with_the_hubs_steps(random, grid):
    table = random.randn(1, 1 + 37**2, 4)
    found = interpolated_positions(torch.from_numpy(table).float(), grid).numpy()
    np.testing.assert_allclose(found, interpolated(table, 37, grid), atol=2e-5)


def test_positions_of_the_trained_size_stay(random):
    table = torch.from_numpy(random.randn(1, 1 + 16, 4)).float()
    assert torch.equal(interpolated_positions(table, 4), table)


class Small(Dinov2):
    """The same network and protocol, smaller."""

    name = "dinov2"
    resize = replace(Dinov2.resize, size=14 * GRID)
    sizes = (WIDTH, DEPTH)


def timms_network(size):
    """timm's small network for pictures of so many pixels a side."""
    return timm_transformer.VisionTransformer(
        img_size=size,
        patch_size=14,
        embed_dim=WIDTH,
        depth=DEPTH,
        num_heads=WIDTH // 64,
        init_values=1.0,
        num_classes=0,
        global_pool="token",
    )


@pytest.fixture(scope="module")
def timms():
    """timm's network for pictures of 518 pixels: 37 x 37 patches."""
    return randomized(timms_network(518))


@pytest.fixture(scope="module")
def file(timms, tmp_path_factory):
    """A file as the hub has it: timm's names are DINOv2's, but for the mask."""
    path = tmp_path_factory.mktemp("weights") / "dinov2_vitl14_pretrain.pth"
    torch.save({**timms.state_dict(), "mask_token": torch.zeros(1, WIDTH)}, path)
    return path


@pytest.fixture(scope="module")
def pictures():
    random = np.random.RandomState(3)
    return random.randint(0, 256, (3, 60, 90, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def expected(timms, pictures):
    """Features in float64, of input made by Pillow alone and positions by NumPy alone."""
    resized = [Image.fromarray(p).resize((42, 42), Image.Resampling.BICUBIC) for p in pictures]
    x = torch.from_numpy(np.stack(resized)).permute(0, 3, 1, 2).double() / 255
    mean, std = torch.tensor([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]]).double()
    positions = interpolated(timms.pos_embed.detach().double().numpy(), 37, GRID)
    network = timms_network(42)
    network.double().eval()
    state = {k: v.double() for k, v in timms.state_dict().items()}
    network.load_state_dict({**state, "pos_embed": torch.from_numpy(positions)})
    with torch.inference_mode():
        return network((x - mean[:, None, None]) / std[:, None, None]).numpy()


@pytest.fixture(scope="module", params=BACKENDS)
def extractor(request, file):
    return written(Small, file, backend=request.param)


def test_features_are_timms(extractor, pictures, expected):
    features = extractor(pictures)
    assert features.dtype == np.float32
    assert features.shape == (3, WIDTH)
    assert error(features, expected) < BOUND
    assert error(extractor.submit(pictures[:2])(), expected[:2]) < BOUND


def test_timm_would_show_another_protocol(extractor, pictures, expected):
    assert error(extractor(pictures // 2 * 2), expected) > 100 * BOUND
    bilinear = [np.asarray(Image.fromarray(p).resize((42, 42), 2)) for p in pictures]
    assert error(extractor(np.stack(bilinear)), expected) > 100 * BOUND


def test_fast_is_near_exact(file, pictures, expected):
    fast = written(Small, file, backend="torch", precision="fast")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mifid.extractors.backends.torch_backend._cpu_has_bfloat16", lambda: True)
        assert 1e-3 < error(fast(pictures), expected) < 0.1
    assert "bfloat16" in fast.identity.not_comparable


def test_identity(file):
    identity = written(Small, file).identity
    assert identity.fingerprint.startswith("dgm-eval-dinov2-1 float32 ")
    assert identity.weights_sha256 in identity.fingerprint
    assert identity.resize == "pillow-bicubic-224"
    assert "dinov2" in identity.not_comparable
    assert "Kaggle" in identity.not_comparable


@pytest.mark.parametrize(
    ("extractor", "width", "depth"), [(Dinov2, 1024, 24), (Dinov2B14, 768, 12)]
)
def test_published_sizes(extractor, width, depth):
    """16² patches of 14 pixels, heads of 64."""
    assert extractor.resize.size == 16 * 14
    with torch.device("meta"):
        network = VisionTransformer(architecture(*extractor.sizes, grid=16))
    parameters = sum(p.numel() for p in network.parameters())
    block = 12 * width**2 + 15 * width
    assert parameters == depth * block + (3 * 14**2 + 1 + 1 + 257 + 2) * width
    assert network.blocks[0].attn.heads * 64 == width


def test_another_networks_file(file):
    with pytest.raises(WeightsError, match=r"another network's: \d+ layers are missing") as caught:
        written(Dinov2, file).layers()
    assert "dinov2_vitl14_pretrain.pth" in caught.value.hint
    assert "mifid weights fetch --extractor dinov2" in caught.value.hint


@pytest.mark.parametrize("name", ["dinov2", "dinov2-b14"])
def test_a_damaged_file(name, tmp_path, file):
    path = tmp_path / FILES[name].names[0]
    path.write_bytes(file.read_bytes()[:-100])
    with pytest.warns(MifidWarning, match="not the published"):
        extractor = open_extractor(name, weights=path, backend="torch")
    with pytest.raises(WeightsError, match="cannot be read as network weights") as caught:
        extractor.load("cpu")
    assert f"mifid weights fetch --extractor {name}" in caught.value.hint


def test_another_file_under_the_name():
    path = cache_folder() / "weights" / "dinov2_vitl14_pretrain.pth"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"other weights")
    with pytest.warns(MifidWarning, match=r"not the published .* dinov2.*d5383ea8f487"):
        extractor = open_extractor("dinov2", backend="torch")
    assert "its weights are others" in extractor.identity.not_comparable
    with pytest.raises(WeightsError, match="it begins with b'other weights'"):
        extractor.load("cpu")
