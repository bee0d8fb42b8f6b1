"""Every format of reference statistics that users have, written as its own tool writes it."""

import collections
import json
import os
import pickle
import struct
import types
import zipfile

import numpy as np
import pytest
import torch

from mifid import Features, Statistics, score
from mifid.errors import FeatureError, InputError, MifidError, MifidWarning
from mifid.images import QUALITIES, Colours
from mifid.inputs import open_input
from mifid.metrics.frechet import frechet_distance
from mifid.statistics import formats
from mifid.statistics.provenance import Provenance

ROWS = np.random.RandomState(3).rand(30, 6).astype(np.float32)
MU = ROWS.astype(np.float64).mean(axis=0)
SIGMA = np.cov(ROWS.astype(np.float64), rowvar=False)


class Unloadable:
    """Stands for dgm-eval's pickled hparams: reading it would run code."""

    def __reduce__(self):
        return (os.system, ("touch /tmp/mifid-test-was-here",))


def pytorch_fid(folder):
    np.savez_compressed(folder / "a.npz", mu=MU, sigma=SIGMA)
    return folder / "a.npz"


def clean_fid(folder):
    np.savez_compressed(folder / "a.npz", mu=MU.astype(np.float32), sigma=SIGMA)
    return folder / "a.npz"


def clean_fid_kid(folder):
    np.savez_compressed(folder / "set_kid.npz", feats=ROWS)
    return folder / "set_kid.npz"


def torch_fidelity_statistics(folder):
    torch.save({"mu": MU.astype(np.float32), "sigma": SIGMA}, folder / "unsafe.pt")
    stats = {"mu": torch.from_numpy(MU.astype(np.float32)), "sigma": torch.from_numpy(SIGMA)}
    torch.save(stats, folder / "a.pt")
    return folder / "a.pt"


def torch_fidelity_numpy(folder):
    torch.save({"mu": MU.astype(np.float32), "sigma": SIGMA}, folder / "a.pt")
    return folder / "a.pt"


def torch_fidelity_features(folder):
    torch.save(torch.from_numpy(ROWS), folder / "a-features-2048.pt")
    return folder / "a-features-2048.pt"


def edm2(folder):
    stats = {"num_images": 30, "fid": {"mu": MU, "sigma": SIGMA}, "fd_dinov2": {"mu": MU}}
    (folder / "a.pkl").write_bytes(pickle.dumps(stats))
    return folder / "a.pkl"


def stylegan3(folder):
    rows = ROWS.astype(np.float64)
    stats = {
        "capture_all": False,
        "capture_mean_cov": True,
        "max_items": None,
        "num_items": 30,
        "num_features": 6,
        "all_features": None,
        "raw_mean": rows.sum(axis=0),
        "raw_cov": rows.T @ rows,
    }
    (folder / "a.pkl").write_bytes(pickle.dumps(stats))
    return folder / "a.pkl"


def stylegan3_features(folder):
    stats = {
        "num_items": 30,
        "num_features": 6,
        "all_features": [ROWS[:20], ROWS[20:]],
        "raw_mean": np.zeros(6),
        "raw_cov": np.zeros((6, 6)),
    }
    (folder / "a.pkl").write_bytes(pickle.dumps(stats))
    return folder / "a.pkl"


def adm(folder):
    np.savez(folder / "a.npz", mu=MU, sigma=SIGMA, mu_s=np.arange(3.0), sigma_s=2 * np.eye(3))
    return folder / "a.npz"


def kaggle(folder):
    np.savez(folder / "a.npz", m=MU, s=SIGMA, features=ROWS.astype(np.float64))
    return folder / "a.npz"


def kaggle_without_features(folder):
    np.savez(folder / "a.npz", m=MU, s=SIGMA)
    return folder / "a.npz"


def dgm_eval(folder):
    hparams = np.array(Unloadable(), dtype=object)
    np.savez(folder / "a.npz", model="inception", reps=ROWS, hparams=hparams)
    return folder / "a.npz"


def ours(folder):
    Features(ROWS, tuple(f"{i}.jpg" for i in range(30))).save(folder / "a.npz")
    return folder / "a.npz"


def ours_streamed(folder):
    Statistics.from_features(ROWS).save(folder / "a.npz")
    return folder / "a.npz"


def rosinality(folder):
    stats = {"mean": MU, "cov": SIGMA, "size": 256, "path": "ffhq.lmdb"}
    (folder / "a.pkl").write_bytes(pickle.dumps(stats))
    return folder / "a.pkl"


def mean_and_cov(folder):
    np.savez(folder / "a.npz", mean=MU, cov=SIGMA)
    return folder / "a.npz"


def torchmetrics_sums(start="", kind="real", n=30):
    rows = torch.from_numpy(ROWS).double()
    name = f"{start}{kind}_features"
    return {
        f"{name}_sum": rows.sum(dim=0) * (n > 0),
        f"{name}_cov_sum": rows.T @ rows * (n > 0),
        f"{name}_num_samples": torch.tensor(n),
    }


def torchmetrics(folder):
    state = collections.OrderedDict(torchmetrics_sums() | torchmetrics_sums(kind="fake", n=0))
    state._metadata = {"": {"version": 1}}
    torch.save(state, folder / "a.pt")
    return folder / "a.pt"


def torchmetrics_in_a_module(folder):
    others = {"net.weight": torch.rand(3, 3)}
    torch.save(torchmetrics_sums("fid.") | others, folder / "a.pt")
    return folder / "a.pt"


def torchmetrics_generated(folder):
    state = torchmetrics_sums(n=0) | torchmetrics_sums(kind="fake")
    torch.save(state, folder / "a.pt")
    return folder / "a.pt"


def pair_of_tensors(folder):
    torch.save((torch.from_numpy(MU), torch.from_numpy(SIGMA)), folder / "a.pt")
    return folder / "a.pt"


def pair_of_arrays(folder):
    (folder / "a.pkl").write_bytes(pickle.dumps((MU, SIGMA)))
    return folder / "a.pkl"


def plain_array(folder):
    np.save(folder / "a.npy", ROWS.astype(np.float64))
    return folder / "a.npy"


def unnamed_array(folder):
    np.savez(folder / "a.npz", ROWS)
    return folder / "a.npz"


def activations(folder):
    np.savez_compressed(folder / "a.npz", act=ROWS)
    return folder / "a.npz"


def list_of_batches(folder):
    (folder / "a.pkl").write_bytes(pickle.dumps([ROWS[:20], ROWS[20:]]))
    return folder / "a.pkl"


def list_of_rows(folder):
    torch.save(list(torch.from_numpy(ROWS)), folder / "a.pt")
    return folder / "a.pt"


def lists_of_numbers(folder):
    (folder / "a.pickle").write_bytes(pickle.dumps({"features": ROWS.tolist()}))
    return folder / "a.pickle"


def torchmetrics_features(folder):
    state = {"real_features": [torch.from_numpy(ROWS)], "fake_features": []}
    torch.save(state, folder / "a.pth")
    return folder / "a.pth"


WITH_FEATURES = [
    activations,
    list_of_batches,
    list_of_rows,
    lists_of_numbers,
    plain_array,
    torchmetrics_features,
    unnamed_array,
    clean_fid_kid,
    dgm_eval,
    kaggle,
    ours,
    stylegan3_features,
    torch_fidelity_features,
]
MOMENTS_ONLY = [
    adm,
    clean_fid,
    edm2,
    kaggle_without_features,
    mean_and_cov,
    ours_streamed,
    pair_of_arrays,
    pair_of_tensors,
    pytorch_fid,
    rosinality,
    stylegan3,
    torch_fidelity_numpy,
    torch_fidelity_statistics,
    torchmetrics,
    torchmetrics_generated,
    torchmetrics_in_a_module,
]


@pytest.mark.parametrize("make", WITH_FEATURES, ids=lambda make: make.__name__)
def test_features_are_read(make, tmp_path):
    path = make(tmp_path)
    assert formats.holds_statistics(path)
    loaded = open_input(path)
    assert isinstance(loaded, Features)
    np.testing.assert_array_equal(loaded.values, ROWS)
    assert loaded.values.dtype == np.float32


@pytest.mark.parametrize("make", WITH_FEATURES + MOMENTS_ONLY, ids=lambda make: make.__name__)
def test_statistics_are_read(make, tmp_path):
    statistics = Statistics.load(make(tmp_path))
    rel = 1e-6 if make in (clean_fid, torch_fidelity_numpy, torch_fidelity_statistics) else 1e-12
    np.testing.assert_allclose(statistics.mu, MU, rtol=rel)
    np.testing.assert_allclose(statistics.sigma, SIGMA, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("make", MOMENTS_ONLY, ids=lambda make: make.__name__)
def test_statistics_alone_stay_statistics(make, tmp_path):
    assert isinstance(open_input(str(make(tmp_path))), Statistics)


@pytest.mark.parametrize(
    ("make", "n"), [(edm2, 30), (stylegan3, 30), (ours_streamed, 30), (torchmetrics, 30)]
)
def test_n_is_read_where_it_is_recorded(make, n, tmp_path):
    assert Statistics.load(make(tmp_path)).n == n


def test_n_is_unknown_elsewhere(tmp_path):
    assert Statistics.load(pytorch_fid(tmp_path)).n is None


def test_colours_and_spatial_features_are_kept(tmp_path):
    colours = Colours.from_dict(json.loads(COLOURS))
    Features(ROWS, spatial=ROWS[:, :2], colours=colours).save(tmp_path / "r.npz")
    loaded = open_input(tmp_path / "r.npz")
    assert loaded.colours == colours
    np.testing.assert_array_equal(loaded.spatial, ROWS[:, :2])
    assert loaded.take([0, 1]).colours is None  # they are those of all the pictures


def test_provenance_of_others_is_unknown(tmp_path):
    assert open_input(pytorch_fid(tmp_path)).provenance.fingerprint is None
    assert open_input(pytorch_fid(tmp_path)).provenance.not_comparable
    assert open_input(dgm_eval(tmp_path)).provenance.extractor == "dgm-eval inception"


def test_our_file_keeps_everything(tmp_path):
    provenance = Provenance(extractor="x", fingerprint="f", versions={"torch": "2"}, batch_size=8)
    names = tuple(f"Monet №{i}.jpg" for i in range(30))
    Features(ROWS, names, provenance).save(tmp_path / "r.npz")
    loaded = open_input(tmp_path / "r.npz")
    assert loaded.names == names
    assert loaded.provenance == provenance
    with np.load(tmp_path / "r.npz", allow_pickle=False) as file:
        # What pytorch-fid and clean-fid read.
        assert file["mu"].dtype == file["sigma"].dtype == np.float64
        np.testing.assert_allclose(file["mu"], MU, rtol=1e-12)
        np.testing.assert_allclose(file["sigma"], SIGMA, rtol=1e-12)
        assert int(file["n"]) == 30
        assert int(file["ddof"]) == 1
        assert "resize" in file


def test_dgm_evals_pickled_hparams_are_never_loaded(tmp_path):
    open_input(dgm_eval(tmp_path))
    assert not os.path.exists("/tmp/mifid-test-was-here")


@pytest.mark.parametrize(
    "harmful", [Unloadable(), {"mu": Unloadable()}, {"f": types.SimpleNamespace()}]
)
def test_a_pickle_with_code_is_refused(harmful, tmp_path):
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(harmful))
    with pytest.raises(InputError, match=r"a\.pkl: the pickle asks for \S+") as caught:
        open_input(tmp_path / "a.pkl")
    assert "can run code" in caught.value.hint
    assert not os.path.exists("/tmp/mifid-test-was-here")


def test_a_tensor_file_with_code_is_refused(tmp_path):
    torch.save({"mu": Unloadable()}, tmp_path / "a.pt")
    with pytest.raises(InputError, match=r"a\.pt: the pickle asks for \S*system"):
        open_input(tmp_path / "a.pt")
    assert not os.path.exists("/tmp/mifid-test-was-here")


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_every_pickle_protocol_is_read(protocol, tmp_path):
    stats = collections.OrderedDict(mu=MU, sigma=SIGMA, n=np.int64(3), scale=np.float64(1.5))
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(stats, protocol=protocol))
    np.testing.assert_array_equal(Statistics.load(tmp_path / "a.pkl").mu, MU)


@pytest.mark.parametrize("make", WITH_FEATURES + MOMENTS_ONLY, ids=lambda make: make.__name__)
def test_a_file_cut_short_is_refused_by_name(make, tmp_path):
    path = make(tmp_path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(InputError, match=path.name):
        open_input(path)


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("a.pkl", pickle.dumps(7), "holds a int; expected a dict"),
        ("a.pkl", pickle.dumps({"x": 1}), "its keys are x"),
        ("a.pkl", b"nonsense", "cannot be read as a pickle"),
        ("a.pt", b"nonsense", "cannot be read as a pickle or torch file"),
    ],
)
def test_other_contents_are_refused(name, content, text, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=text):
        open_input(tmp_path / name)


def test_nan_features_are_refused(tmp_path):
    np.savez(tmp_path / "a.npz", features=np.array([[1.0, np.nan], [1.0, 2.0]]))
    with pytest.raises(FeatureError, match="NaN or infinity in 1 of 2 rows"):
        open_input(tmp_path / "a.npz")


def test_text_features_are_refused(tmp_path):
    np.savez(tmp_path / "a.npz", features=np.array([["a", "b"]]))
    with pytest.raises(FeatureError, match="expected floating-point"):
        open_input(tmp_path / "a.npz")


def test_a_pickle_of_one_item_has_no_covariance(tmp_path):
    stats = {"num_items": 1, "raw_mean": MU, "raw_cov": SIGMA, "all_features": None}
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(stats))
    with pytest.raises(FeatureError, match="at least 2"):
        open_input(tmp_path / "a.pkl")


def test_a_damaged_header_is_left_to_whoever_opens_it(tmp_path):
    path = pytorch_fid(tmp_path)
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\x01\x02") + 6] = 99  # a version of zip that there is none of
    path.write_bytes(content)
    assert not formats.holds_statistics(path)


def test_both_sums_of_torchmetrics_warn_of_the_one_that_is_not_used(tmp_path):
    torch.save(torchmetrics_sums() | torchmetrics_sums(kind="fake"), tmp_path / "a.pt")
    with pytest.warns(MifidWarning, match="only real_features_sum is used"):
        assert open_input(tmp_path / "a.pt").n == 30


def test_pictures_beside_statistics_are_mentioned(tmp_path):
    pictures = np.zeros((4, 8, 8, 3), np.uint8)
    np.savez(tmp_path / "adm.npz", arr_0=pictures, mu=MU, sigma=SIGMA)
    with pytest.warns(MifidWarning, match="also holds 4 pictures, in 'arr_0'") as caught:
        assert isinstance(open_input(tmp_path / "adm.npz"), Statistics)
    assert f"mifid reference build {tmp_path / 'adm.npz'}" in str(caught[0].message)


@pytest.mark.parametrize("wrap", [lambda x: x, lambda x: {"samples": x, "epoch": 3}])
@pytest.mark.parametrize("ending", [".pt", ".pkl"])
def test_pickled_pictures_are_pictures(wrap, ending, tmp_path):
    pictures = np.random.RandomState(0).randint(0, 256, (4, 8, 8, 3), dtype=np.uint8)
    path = tmp_path / f"samples{ending}"
    if ending == ".pt":
        torch.save(wrap(torch.from_numpy(pictures).permute(0, 3, 1, 2)), path)
    else:
        path.write_bytes(pickle.dumps(wrap(pictures)))
    assert not formats.holds_statistics(path)
    source = open_input(path)
    np.testing.assert_array_equal(source.read(2).pixels, pictures[2])
    assert str(path) in source.description


@pytest.mark.parametrize(
    ("write", "text"),
    [
        (lambda p: np.save(p, np.array([{}, 1], dtype=object)), "Python objects are never"),
        (lambda p: np.save(p, np.zeros(3)), r"shape \(3,\); expected features"),
        (lambda p: np.save(p, np.array([["a"]])), "expected floating-point"),
        (lambda p: np.save(p, np.array([[1j]])), "array of type <c16"),
    ],
)
def test_other_arrays_are_refused_by_name(write, text, tmp_path):
    write(tmp_path / "a.npy")
    with pytest.raises(MifidError, match=text) as caught:
        open_input(tmp_path / "a.npy")
    assert "a.npy" in caught.value.message


def damaged_npz(path, shape="(30, 6)", descr="'<f4'", data=None):
    header = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    with zipfile.ZipFile(path, "w") as archive:
        start = b"\x93NUMPY\1\0" + struct.pack("<H", len(header))
        archive.writestr(
            "features.npy", start + header.encode() + (ROWS.tobytes() if data is None else data)
        )


@pytest.mark.parametrize(
    "parts",
    [
        {"shape": f"({2**64}, 6)"},
        {"shape": "(True, 6)"},
        {"shape": "(-1, 6)"},
        {"shape": "(30, 7)"},
        {"shape": "(20, 6)"},
        {"shape": "[30, 6]"},
        {"shape": "30"},
        {"shape": "(" * 200},
        {"descr": "'|O'"},
        {"descr": "[('a', '<f4')]"},
        {"descr": "'<f4', 'x': 1"},
        {"descr": "4"},
        {"data": b""},
        {"data": ROWS.tobytes() + b"x"},
    ],
    ids=repr,
)
def test_a_damaged_numpy_header_is_refused_by_name(parts, tmp_path):
    damaged_npz(tmp_path / "good.npz")
    np.testing.assert_array_equal(open_input(tmp_path / "good.npz").values, ROWS)
    damaged_npz(tmp_path / "a.npz", **parts)
    with pytest.raises(MifidError, match=r"a\.npz"):
        open_input(tmp_path / "a.npz")


def test_python_2_wrote_shapes_otherwise(tmp_path):
    damaged_npz(tmp_path / "a.npz", shape="(30L, 6L)")
    assert open_input(tmp_path / "a.npz").values.shape == (30, 6)


def test_an_npz_that_unpacks_to_many_times_its_size_is_a_bomb(tmp_path, monkeypatch):
    monkeypatch.setattr("mifid.unpickling._FREE_BYTES", 1 << 20)
    np.savez_compressed(tmp_path / "a.npz", features=np.zeros((2000, 512), np.float32))
    with pytest.raises(InputError, match=r"a\.npz: 'features' unpacks to 4,096,\d+ bytes"):
        open_input(tmp_path / "a.npz")


def test_an_array_that_stands_twice_is_refused(tmp_path):
    damaged_npz(tmp_path / "a.npz")
    with (
        zipfile.ZipFile(tmp_path / "a.npz", "a") as archive,
        pytest.warns(UserWarning, match="Duplicate name"),
    ):
        archive.writestr("features.npy", archive.read("features.npy"))
    with pytest.raises(InputError, match="holds 'features' twice"):
        open_input(tmp_path / "a.npz")


def test_every_flipped_bit_of_our_own_file_is_noticed(tmp_path):
    """Also one that renames the features, which left mu and sigma alone, and no MiFID."""
    path = ours(tmp_path)
    good, changed = path.read_bytes(), tmp_path / "b.npz"
    for position in range(0, len(good), 37):
        changed.write_bytes(good[:position] + bytes([good[position] ^ 4]) + good[position + 1 :])
        try:
            found = open_input(changed)
        except MifidError:
            continue
        np.testing.assert_array_equal(found.values, ROWS)
    name = good.rindex(b"features.npy")  # in the zip's table of contents
    changed.write_bytes(good[:name] + b"g" + good[name + 1 :])
    with pytest.raises(MifidError, match=r"b\.npz"):
        open_input(changed)


COLOURS = json.dumps({kind: dict.fromkeys(QUALITIES, 2.0) for kind in ("mean", "deviation")})
GOOD = {"mu": MU, "sigma": SIGMA}


@pytest.mark.parametrize(
    ("arrays", "text"),
    [
        (GOOD | {"n": 0}, "n is 0; expected a whole number"),
        (GOOD | {"n": 1}, "n is 1; expected a whole number"),
        (GOOD | {"n": 2.9}, "n is 2.9; expected a whole number"),
        (GOOD | {"n": np.inf}, "n is inf"),
        (GOOD | {"n": np.arange(3)}, r"n is a array of shape \(3,\)"),
        (GOOD | {"n": "many"}, "n is a str"),
        (GOOD | {"sigma": -SIGMA}, "smallest eigenvalue is -1 of the largest"),
        (GOOD | {"sigma": SIGMA - 0.5 * SIGMA.max() * np.eye(6)}, "not a covariance"),
        (GOOD | {"sigma": SIGMA + np.triu(np.ones((6, 6)), 1)}, "not symmetric"),
        (GOOD | {"sigma": SIGMA * 1j}, "array of type <c16"),
        (GOOD | {"sigma": np.eye(5)}, r"sigma has shape \(5, 5\)"),
        (GOOD | {"mu": MU * np.nan}, "mu hold NaN"),
        ({"features": ROWS, "names": np.float64(1)}, "'names' is a"),
        ({"features": ROWS, "names": np.array(["a"])}, "1 names for 30 rows"),
        ({"reps": ROWS, "model": np.zeros(0)}, "'model' is a array"),
        ({"features": ROWS, "provenance": 5}, "'provenance' is a"),
        ({"features": np.array([[2**60 + 1, 1]] * 3)}, "above 2\\^53"),
        *(
            ({"features": ROWS, "provenance": json.dumps(value)}, "its provenance")
            for value in (
                [1],
                "x",
                5,
                None,
                {"fingerprint": [1]},
                {"extractor": None},
                {"versions": 1},
                {"versions": {"torch": 2}},
                {"batch_size": 1.5},
            )
        ),
        ({"features": ROWS, "provenance": "{"}, "not valid JSON"),
        ({"features": ROWS, "spatial_features": ROWS[:9]}, "9 rows; expected 30"),
        ({"features": ROWS, "spatial_features": np.array(["a"])}, "'spatial_features' is of type"),
        ({"features": ROWS, "spatial_features": ROWS * np.nan}, "NaN"),
        ({"features": ROWS, "colours": 5}, "'colours' is a"),
        ({"features": ROWS, "colours": "{"}, "'colours' is damaged"),
        ({"features": ROWS, "colours": "[" * 100_000}, "'colours' is damaged"),
        ({"features": ROWS, "colours": '{"mean": {}, "deviation": {}}'}, "'colours' is damaged"),
        ({"features": ROWS, "colours": COLOURS.replace("2.0", "NaN")}, "'colours' is damaged"),
        ({"features": ROWS, "provenance": "[" * 100_000}, "not valid JSON"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_contents_of_another_kind_are_refused_by_name(arrays, text, tmp_path):
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(MifidError, match=text) as caught:
        open_input(tmp_path / "a.npz")
    assert "a.npz" in caught.value.message


@pytest.mark.parametrize(
    "stats",
    [
        {"raw_mean": MU, "raw_cov": SIGMA, "all_features": None},
        {"num_items": "many", "raw_mean": MU, "raw_cov": SIGMA},
        {"num_items": 30, "raw_mean": MU, "raw_cov": SIGMA[:5]},
        {"num_items": 30, "raw_mean": None, "raw_cov": SIGMA},
        {"num_items": 30, "raw_mean": MU, "raw_cov": SIGMA, "all_features": {"a": 1}},
        {"num_items": 30, "raw_mean": MU, "raw_cov": SIGMA, "all_features": [ROWS, ROWS[:, 1:]]},
        {"fid": {"mu": MU}},
        {"fid": {"mu": MU, "sigma": "x"}},
        {"num_images": [3], "fid": {"mu": MU, "sigma": SIGMA}},
        {"features": [[1.0, 2.0], [1.0]]},
        {"features": [[1.0, "x"], [1.0, 2.0]]},
        {"features": [[[1.0]]]},
        {"features": []},
        (MU, SIGMA[:5]),
        [MU, 5],
    ],
    ids=lambda stats: repr(stats)[:60],
)
def test_pickled_contents_of_another_kind_are_refused_by_name(stats, tmp_path):
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(stats))
    with pytest.raises(MifidError, match=r"a\.pkl"):
        open_input(tmp_path / "a.pkl")


def test_shared_nested_lists_end(tmp_path):
    nested = [1.0, 2.0]
    for _ in range(40):
        nested = [nested, nested]
    one = np.ones((1000, 1000))
    for value in (nested, {"features": nested}, {"features": [one] * 100_000}):
        (tmp_path / "a.pkl").write_bytes(pickle.dumps(value))
        with pytest.raises(MifidError, match=r"a\.pkl"):
            open_input(tmp_path / "a.pkl")


def test_features_that_float32_cannot_hold_stay_float64(tmp_path):
    """Rounded, the first have no variance at all, and FID was 0 instead of 0.8."""
    random = np.random.RandomState(0)
    for values in (random.rand(50, 8) + 1e8, random.randint(0, 100, (50, 8)) + 2**30):
        np.savez(tmp_path / "a.npz", features=values)
        assert open_input(tmp_path / "a.npz").values.dtype == np.float64
        np.testing.assert_array_equal(open_input(tmp_path / "a.npz").values, values)
    for values in (ROWS.astype(np.float64), ROWS.astype(np.float16), np.arange(12).reshape(4, 3)):
        np.savez(tmp_path / "a.npz", features=values)
        assert open_input(tmp_path / "a.npz").values.dtype == np.float32


def test_features_of_large_means_are_scored_as_they_are(tmp_path):
    random = np.random.RandomState(0)
    generated, real = random.rand(50, 8) + 1e8, random.rand(60, 8) * 1.5 + 1e8
    np.savez(tmp_path / "g.npz", features=generated)
    np.savez(tmp_path / "r.npz", features=real)
    found = score(tmp_path / "g.npz", tmp_path / "r.npz", cache=False, ci=0).fid
    assert found == pytest.approx(frechet_distance(generated=generated, reference=real), rel=1e-12)
    assert found > 0.5


def test_a_covariance_that_is_symmetric_but_for_rounding_is_read(tmp_path):
    noise = 1e-7 * np.random.RandomState(1).rand(6, 6) * SIGMA.max()
    np.savez(tmp_path / "a.npz", mu=MU, sigma=SIGMA + noise)
    sigma = Statistics.load(tmp_path / "a.npz").sigma
    np.testing.assert_array_equal(sigma, sigma.T)
    np.testing.assert_allclose(sigma, SIGMA, atol=2e-7 * SIGMA.max())


# Spatial statistics


def test_spatial_statistics_of_an_adm_file(tmp_path):
    adm(tmp_path)
    found = Statistics.load(tmp_path / "a.npz").spatial
    assert found.mu.tolist() == [0.0, 1.0, 2.0]
    assert found.sigma.tolist() == (2 * np.eye(3)).tolist()
    np.savez(tmp_path / "b.npz", mu=MU, sigma=SIGMA)
    assert Statistics.load(tmp_path / "b.npz").spatial is None


@pytest.mark.parametrize(
    "sigma_s", [np.eye(2), -np.eye(3), np.full((3, 3), np.nan), np.array(["a"] * 3)]
)
def test_spatial_statistics_that_are_none(tmp_path, sigma_s):
    np.savez(tmp_path / "a.npz", mu=MU, sigma=SIGMA, mu_s=np.ones(3), sigma_s=sigma_s)
    with pytest.raises(FeatureError, match="sigma_s") as caught:
        Statistics.load(tmp_path / "a.npz")
    assert "a.npz" in caught.value.message
