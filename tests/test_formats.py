"""Every format of reference statistics that users have, written as its own tool writes it."""

import collections
import os
import pickle
import types

import numpy as np
import pytest
import torch

from mifid import Features, Statistics, formats
from mifid.errors import FeatureError, InputError
from mifid.inputs import open_input
from mifid.provenance import Provenance

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
    np.savez(folder / "a.npz", mu=MU, sigma=SIGMA, mu_s=np.ones(3), sigma_s=np.eye(3))
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


WITH_FEATURES = [
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
    ours_streamed,
    pytorch_fid,
    stylegan3,
    torch_fidelity_numpy,
    torch_fidelity_statistics,
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


@pytest.mark.parametrize(("make", "n"), [(edm2, 30), (stylegan3, 30), (ours_streamed, 30)])
def test_n_is_read_where_it_is_recorded(make, n, tmp_path):
    assert Statistics.load(make(tmp_path)).n == n


def test_n_is_unknown_elsewhere(tmp_path):
    assert Statistics.load(pytorch_fid(tmp_path)).n is None


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
    assert "can run any code" in caught.value.hint
    assert not os.path.exists("/tmp/mifid-test-was-here")


def test_a_tensor_file_with_code_is_refused(tmp_path):
    torch.save({"mu": Unloadable()}, tmp_path / "a.pt")
    with pytest.raises(InputError, match=r"a\.pt as tensors"):
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
        ("a.pkl", pickle.dumps([1, 2]), "holds a list; expected a dict"),
        ("a.pkl", pickle.dumps({"x": 1}), "its keys are x"),
        ("a.pkl", b"nonsense", "not a readable pickle"),
        ("a.pt", b"nonsense", "as tensors"),
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
    with pytest.raises(FeatureError, match="expected floating point"):
        open_input(tmp_path / "a.npz")


def test_a_pickle_of_one_item_has_no_covariance(tmp_path):
    stats = {"num_items": 1, "raw_mean": MU, "raw_cov": SIGMA, "all_features": None}
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(stats))
    with pytest.raises(FeatureError, match="at least two"):
        open_input(tmp_path / "a.pkl")


def test_a_damaged_header_is_left_to_whoever_opens_it(tmp_path):
    path = pytorch_fid(tmp_path)
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\x01\x02") + 6] = 99  # a version of zip that there is none of
    path.write_bytes(content)
    assert not formats.holds_statistics(path)
