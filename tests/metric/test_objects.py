"""Metric objects compute what mifid.score computes, with or without torchmetrics."""

import copy
import importlib.util
import pickle
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from metric_processes import feed, pictures
from toys import Counting, Tapped, colours

import mifid
from mifid.errors import (
    CompatibilityError,
    FeatureError,
    InputError,
    MifidWarning,
    UnavailableError,
)
from mifid.extractors import open_extractor
from mifid.metric import (
    CMMD,
    CT,
    FID,
    FLD,
    KID,
    MIND,
    SFID,
    AuthPct,
    Combined,
    DensityCoverage,
    InceptionScore,
    MemorizationDistance,
    MiFID,
    PrecisionRecall,
    SetMetric,
    VendiScore,
    accumulation,
    set_metric,
)

REAL, GENERATED = pictures()
HELD_OUT = GENERATED[::3] + np.uint8(7)
METRICS = {
    "fid": FID,
    "mifid": MiFID,
    "memorization": MemorizationDistance,
    "kid": KID,
    "cmmd": CMMD,
    "mind": MIND,
    "pr": PrecisionRecall,
    "dc": DensityCoverage,
    "authpct": AuthPct,
    "vendi": VendiScore,
}


def tensor(pixels):
    return torch.from_numpy(pixels).permute(0, 3, 1, 2)


def scored(name, generated=GENERATED, real=REAL, **options):
    """Every value of a metric, as mifid.score computes it."""
    report = mifid.score(generated, real, metrics=(name,), extractor=colours, ci=0, **options)
    own = {key: getattr(report, key) for key in ("fid", "memorization_distance", "mifid")}
    found = {key: value for key, value in own.items() if value is not None}
    return found | (dict(report.metrics[name].values) if name in report.metrics else {})


@pytest.mark.parametrize("name", METRICS)
def test_values_are_those_of_a_score(name):
    metric = feed(METRICS[name](colours), REAL, GENERATED)
    wanted = scored(name)
    assert metric.compute_all() == pytest.approx(wanted, rel=1e-12)
    found = metric.compute()
    assert found.dtype == torch.float64
    assert found.shape == ()
    assert found.item() == pytest.approx(wanted[metric.headline], rel=1e-12)


def test_held_out_pictures_are_given_once():
    """The real side is what was trained on; KID beside them is of the same pass."""
    options = {"extractor": colours, "held_out": HELD_OUT, "seed": 5}
    generated = np.concatenate([GENERATED + np.uint8(each) for each in range(5)])
    wanted = mifid.score(generated, REAL, metrics=("fld", "ct"), ci=0, **options).metrics
    for metric in (FLD(**options), CT(**options), Combined(["ct", "fld"], **options)):
        found = feed(metric, REAL, generated).compute_all()
        expected = {key: v for name in metric.names for key, v in wanted[name].values.items()}
        assert found == pytest.approx(expected, rel=1e-12)
    cells = feed(CT(colours, held_out=HELD_OUT, clusters=1), REAL, generated).compute_all()
    assert cells["ct"] == cells["ct_global"]
    with pytest.raises(InputError, match="all held-out pictures are reference pictures"):
        FLD(colours, reference=REAL, held_out=REAL[:4])


@pytest.mark.parametrize("most", [6, 4096])
def test_spatial_features_come_of_the_same_pass(most, monkeypatch, tmp_path):
    monkeypatch.setattr(set_metric, "STREAMED_FROM", most)
    monkeypatch.setattr(set_metric, "SPATIAL_WIDTH", 9)
    monkeypatch.setattr("mifid.pipeline.pipeline.SPATIAL_WIDTH", 9)
    network = Tapped(width=9)
    report = mifid.score(GENERATED, REAL, metrics=("fid", "sfid"), extractor=network, ci=0)
    wanted = {"fid": report.fid, **report.metrics["sfid"].values}
    for names in (("sfid",), ("fid", "sfid")):
        network.seen.clear()
        one, other = (Combined(names, network) for _ in range(2))
        feed(one, REAL[:7], GENERATED[:12])
        feed(other, REAL[7:], GENERATED[12:])
        one.merge(other)
        assert sum(n for wide, n in network.seen if wide) == len(REAL) + len(GENERATED)
        again = Combined(names, network)
        again.load_state_dict(copy.deepcopy(one).state_dict())
        expected = {name: wanted[name] for name in names}
        assert again.compute_all() == pytest.approx(expected, rel=1e-12 if most > 6 else 1e-9)
        again.reset()
        assert all(side.n == 0 for side in again._sides.values())
    mifid.build_reference(REAL, tmp_path / "real.npz", extractor=network, spatial=True)
    metric = SFID(network, reference=tmp_path / "real.npz")
    metric.update(tensor(GENERATED), real=False)
    assert metric.compute().item() == pytest.approx(wanted["sfid"], rel=1e-9)
    mifid.build_reference(REAL, tmp_path / "without.npz", extractor=network)
    with pytest.raises(UnavailableError, match="sfid: the reference has no spatial") as error:
        SFID(network, reference=tmp_path / "without.npz")
    assert "spatial=True" in error.value.hint
    with pytest.raises(UnavailableError, match="colours has no spatial features"):
        SFID(colours)


def test_several_metrics_from_one_pass():
    counting = Counting()
    metric = feed(Combined(["mifid", "prdc"], counting), REAL, GENERATED)
    assert counting.pictures == len(REAL) + len(GENERATED)
    wanted = scored("mifid") | scored("pr") | scored("dc")
    assert metric.compute_all() == pytest.approx(wanted, rel=1e-12)
    assert metric.headline == "mifid"


def test_copies_are_penalized_where_torchmetrics_reverses_the_distance():
    """All generated pictures copy one real one: shared/spec and Kaggle say about 0."""
    copies = np.repeat(REAL[:1], 9, axis=0) + np.arange(9, dtype=np.uint8)[:, None, None, None] // 8
    found = feed(MiFID(colours), REAL, copies).compute_all()
    assert found["memorization_distance"] < 1e-4
    assert found["mifid"] > 1e4 * found["fid"]


def test_settings_are_those_of_the_metric():
    metric = KID(colours, subsets=3, subset_size=5, seed=7)
    found = feed(metric, REAL, GENERATED).compute_all()
    assert found["kid_subset_size"] == 5
    combined = Combined(
        ["kid"], colours, settings={"kid": {"subsets": 3, "subset_size": 5}}, seed=7
    )
    assert feed(combined, REAL, GENERATED).compute_all() == found
    assert feed(MiFID(colours, epsilon=0.0), REAL, GENERATED).compute_all()[
        "mifid"
    ] == pytest.approx(scored("mifid", epsilon=0.0)["mifid"], rel=1e-12)


def test_many_pictures_leave_mean_and_covariance(monkeypatch):
    monkeypatch.setattr(set_metric, "STREAMED_FROM", 6)
    metric = feed(FID(colours), REAL, GENERATED)
    kept = [each.values.size for each in metric._sides.values()]
    assert kept == [0, 0]
    assert metric.compute().item() == pytest.approx(scored("fid")["fid"], rel=1e-9)


def test_features_beyond_the_most_are_left_out_and_reported():
    with pytest.warns(MifidWarning, match=r"more than 9 real pictures \(max_features\)") as warned:
        metric = feed(MiFID(colours, max_features=9), REAL, GENERATED[:9])
    assert sum("max_features" in str(each.message) for each in warned) == 1
    found = metric.compute_all()
    assert found["fid"] == pytest.approx(scored("fid", GENERATED[:9])["fid"], rel=1e-9)
    nearest = scored("memorization", GENERATED[:9], REAL[:9])
    assert found["memorization_distance"] == pytest.approx(nearest["memorization_distance"])


@pytest.mark.parametrize("surroundings", ["inference mode", "autocast", "float64", "gradients"])
def test_what_surrounds_a_call_does_not_matter(surroundings):
    layer = torch.nn.Linear(3, 4, bias=False)
    with torch.no_grad():
        layer.weight.copy_(torch.linspace(-1.03, 1.01, 12).reshape(4, 3))

    def network(batch):
        return layer(batch.float().mean(dim=(2, 3)) / 7)

    wanted = feed(FID(network), REAL, GENERATED).compute()
    contexts = {
        "inference mode": torch.inference_mode,
        "autocast": lambda: torch.autocast("cpu", torch.bfloat16),
        "gradients": torch.enable_grad,
        "float64": torch.no_grad,
    }
    metric = FID(network)
    if surroundings == "float64":
        torch.set_default_dtype(torch.float64)
    try:
        with contexts[surroundings]():
            found = feed(metric, REAL, GENERATED).compute()
    finally:
        torch.set_default_dtype(torch.float32)
    assert found == wanted


def test_floats_are_rounded_as_a_score_rounds_them():
    floats = np.random.RandomState(0).rand(12, 8, 8, 3).astype(np.float32)
    real = (REAL / 255).astype(np.float32)
    wanted = scored("fid", floats, real, value_range=(0, 1))["fid"]
    metric = feed(FID(colours, normalize=True), real, floats)
    assert metric.compute().item() == pytest.approx(wanted, rel=1e-12)
    signed = feed(FID(colours, value_range=(-1, 1)), real * 2 - 1, floats * 2 - 1)
    assert signed.compute().item() == pytest.approx(wanted, rel=1e-12)
    half = FID(colours, normalize=True)
    half.update(tensor(real).to(torch.bfloat16), real=True)  # what autocast leaves
    assert half.n_real == len(real)


@pytest.mark.parametrize(
    ("options", "given", "said"),
    [
        ({}, lambda: tensor(REAL).float() / 255, "its range is not known"),
        ({"normalize": True}, lambda: tensor(REAL).float(), "(0 to 255|clearly outside)"),
        ({}, lambda: tensor(REAL).to(torch.int64), "expected uint8"),
        ({"normalize": True}, lambda: tensor(REAL).float() * np.nan, "NaN"),
        ({}, lambda: list(tensor(REAL)), "are a list; expected a tensor"),
        ({}, lambda: torch.zeros(2, 5, 8, 8, dtype=torch.uint8), "has shape"),
    ],
)
def test_pictures_that_cannot_be_are_refused(options, given, said):
    metric = FID(colours, **options)
    with pytest.raises(InputError, match=said):
        metric.update(given(), real=True)
    assert metric.n_real == 0


def test_another_range_after_compute_is_refused():
    metric = feed(FID(colours), REAL, GENERATED)
    before = metric.compute()
    with pytest.raises(InputError, match="float32, and its range is not known"):
        metric.update(tensor(REAL).float() / 255, real=False)
    assert metric.compute() == before


def test_reset_and_real_pictures_that_stay():
    metric = feed(FID(colours), REAL, GENERATED)
    metric.reset()
    assert (metric.n_real, metric.n_generated) == (0, 0)
    with pytest.raises(FeatureError, match="FID has 0 real pictures") as error:
        metric.compute()
    assert "update(images, real=True)" in error.value.hint
    stays = feed(FID(colours, reset_real_features=False), REAL, GENERATED)
    first = stays.compute()
    stays.reset()
    assert (stays.n_real, stays.n_generated) == (len(REAL), 0)
    stays.update(tensor(GENERATED), real=False)
    assert stays.compute() == first


def test_one_picture_has_no_covariance():
    with pytest.raises(FeatureError, match="has 1 generated picture; expected at least 2"):
        feed(MiFID(colours), REAL, GENERATED[:1]).compute()


@pytest.mark.parametrize("most", [6, 4096])
@pytest.mark.parametrize("name", ["fid", "mifid", "kid"])
def test_merged_metrics_are_one(name, most, monkeypatch):
    monkeypatch.setattr(set_metric, "STREAMED_FROM", most)
    one, other = (METRICS[name](colours) for _ in range(2))
    feed(one, REAL[:7], GENERATED[:12])
    feed(other, REAL[7:], GENERATED[12:])
    one.merge(other)
    assert one.compute_all() == pytest.approx(scored(name), rel=1e-9)
    assert other.n_real == len(REAL) - 7
    empty = METRICS[name](colours)
    empty.merge_state(one)
    assert empty.compute_all() == pytest.approx(one.compute_all(), rel=1e-12)


def test_metrics_of_different_kinds_are_not_merged():
    with pytest.raises(InputError, match="a KID cannot be merged into a FID"):
        FID(colours).merge(KID(colours))

    def others(batch):
        return colours(batch) * 2

    with pytest.raises(CompatibilityError, match=r"features of .*others"):
        feed(FID(colours), REAL, GENERATED).merge(feed(FID(others), REAL, GENERATED))


@pytest.mark.parametrize("most", [6, 4096])
@pytest.mark.parametrize("name", ["fid", "mifid", "kid"])
def test_a_state_dict_holds_the_pictures(name, most, monkeypatch, tmp_path):
    monkeypatch.setattr(set_metric, "STREAMED_FROM", most)
    metric = feed(METRICS[name](colours), REAL, GENERATED[:9])
    torch.save(metric.state_dict(), tmp_path / "state.pt")
    again = METRICS[name](colours)
    again.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    for each in (metric, again):
        each.update(tensor(GENERATED[9:]), real=False)
    assert again.compute_all() == metric.compute_all()
    assert again.compute_all() == pytest.approx(scored(name), rel=1e-9)


def test_a_model_holds_the_pictures_only_if_asked():
    model = torch.nn.Module()
    model.fid = feed(FID(colours), REAL, GENERATED)
    assert list(model.state_dict()) == []
    model.fid.persistent(True)
    state = model.state_dict()
    assert all(name.startswith("fid.") for name in state)
    model.fid.reset()
    model.load_state_dict(state)
    assert model.fid.n_real == len(REAL)
    with pytest.raises(RuntimeError, match=r"Missing key.*fid\.generated\.n"):
        model.load_state_dict({})
    model.fid.persistent(False)
    model.load_state_dict({})


def test_a_state_that_does_not_fit_is_refused():
    state = feed(FID(colours), REAL, GENERATED).state_dict()
    name = next(name for name in state if name.endswith("features"))
    with pytest.raises(InputError, match="does not fit together"):
        FID(colours).load_state_dict(state | {name: torch.zeros(99)})
    with pytest.raises(FeatureError, match="NaN"):
        FID(colours).load_state_dict(state | {name: state[name] * np.nan})


def test_copies_and_pickles_go_on_alone():
    metric = feed(MiFID(colours), REAL, GENERATED[:9])
    for again in (copy.deepcopy(metric), pickle.loads(pickle.dumps(metric))):
        again.update(tensor(GENERATED[9:]), real=False)
        assert again.compute_all() == pytest.approx(scored("mifid"), rel=1e-12)
    assert metric.n_generated == 9


def test_a_reference_is_the_real_side(tmp_path):
    mifid.build_reference(REAL, tmp_path / "real.npz", extractor=colours)
    for reference in (REAL, mifid.Features.from_contents, tmp_path / "real.npz"):
        if callable(reference):
            reference = mifid.features(REAL, extractor=colours)
        metric = MiFID(colours, reference=reference)
        metric.update(tensor(GENERATED), real=False)
        assert metric.n_real == len(REAL)
        assert metric.compute_all() == pytest.approx(scored("mifid"), rel=1e-12)
    with pytest.raises(InputError, match="a metric that has a reference"):
        metric.update(tensor(REAL), real=True)
    metric.reset()
    assert (metric.n_real, metric.n_generated) == (len(REAL), 0)


def test_a_reference_that_does_not_do_is_refused_at_once(tmp_path):
    mifid.Statistics.from_features(np.random.rand(9, 6)).save(tmp_path / "real.npz")
    with pytest.raises(CompatibilityError, match="does not say which network"):
        FID(colours, reference=tmp_path / "real.npz")
    statistics = mifid.Statistics.load(tmp_path / "real.npz")
    FID(colours, reference=statistics)  # the caller knows what made it
    with pytest.raises(UnavailableError, match="the reference is mean and covariance only"):
        MiFID(colours, reference=statistics)
    with pytest.raises(InputError, match="no such file"):
        FID(colours, reference=tmp_path / "rael.npz")


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: FID(64), "feature is 64; expected 2048"),
        (lambda: FID(colours, extractor=colours), "both feature and extractor"),
        (lambda: FID(colours, normalize=True, value_range=(0, 1)), "both normalize=True and"),
        (lambda: FID(colours, value_range=(1, 0)), "is not a range"),
        (lambda: FID(colours, max_features=1), "max_features is 1"),
        (lambda: FID("incepton"), "unknown extractor 'incepton'"),
        (lambda: MiFID(colours, epsilon=3.0), "epsilon is 3.0; expected 0 to 1"),
        (lambda: Combined(["fid", "kdi"], colours), "unknown metric 'kdi'"),
        (lambda: FLD(colours), "fld: pictures that nobody trained on are needed"),
        (lambda: KID(colours, held_out=REAL), "held_out is given, but kid does not use it"),
        (lambda: Combined(["kid"], colours, settings={"kid": {"subset": 3}}), "no setting"),
        (lambda: FID(colours).update(tensor(REAL), real=1), "real is a int"),
    ],
)
def test_settings_that_cannot_be_are_refused_at_once(make, said):
    with pytest.raises(InputError, match=said):
        make()


def test_an_unknown_argument_is_named():
    with pytest.raises(TypeError, match="normalise"):
        KID(colours, normalise=True)


def test_a_metric_of_generated_pictures_needs_no_real_ones():
    metric = VendiScore(colours)
    metric.update(tensor(GENERATED))
    metric.update(tensor(REAL), real=True)
    assert metric.compute_all() == pytest.approx(scored("vendi"), rel=1e-12)
    score = InceptionScore(colours)
    score.update(tensor(GENERATED))
    with pytest.raises(UnavailableError, match="is cannot be computed: needs the network's"):
        score.compute()


def test_an_extractor_that_fails_leaves_the_metric_as_it_was():
    def broken(batch):
        return torch.full((len(batch), 3), torch.nan)

    metric = FID(broken)
    with pytest.raises(FeatureError, match="NaN or infinite features, first for picture '0'"):
        metric.update(tensor(REAL), real=True)
    assert metric.n_real == 0


def test_features_of_another_width_are_refused():
    widths = iter((3, 4))
    metric = FID(lambda batch: torch.ones(len(batch), next(widths)))
    metric.update(tensor(REAL), real=True)
    with pytest.raises(FeatureError, match="width 4 cannot be added to features of width 3"):
        metric.update(tensor(REAL), real=True)


@pytest.mark.parametrize(("device", "asked"), [("auto", "cuda:1"), ("cpu", "cpu")])
def test_the_network_is_where_the_metric_was_moved(device, asked, monkeypatch):
    """No GPU is needed: ``there`` is what a move makes of a tensor."""
    loaded = []
    extractor = open_extractor(colours)
    extractor.load("cpu")
    monkeypatch.setattr(extractor, "load", lambda device: loaded.append(device) or device)
    there = SimpleNamespace(device=torch.device("cuda", 1), dtype=torch.float32)
    metric = FID(extractor, device=device)
    metric.update(tensor(REAL), real=True)
    metric.update(tensor(REAL), real=False)
    assert loaded == [device]
    metric._apply(lambda _: there)
    metric.update(tensor(REAL), real=False)
    assert loaded[1:] == [asked]


def test_it_is_a_metric_of_torchmetrics_if_that_is_installed():
    torchmetrics = pytest.importorskip("torchmetrics")
    metric = FID(colours)
    assert isinstance(metric, torchmetrics.Metric)
    collection = torchmetrics.MetricCollection({"fid": metric, "mifid": MiFID(colours)})
    for side, pixels in ((True, REAL), (False, GENERATED)):
        collection.update(tensor(pixels), real=side)
    found = {name: value.item() for name, value in collection.compute().items()}
    assert found == {"fid": scored("fid")["fid"], "mifid": scored("mifid")["mifid"]}
    assert metric.compute() is metric.compute()  # kept until the next update
    metric.update(tensor(REAL), real=False)
    assert metric.compute().item() != found["fid"]
    assert metric.clone().compute() == metric.compute()


def test_without_torchmetrics_it_is_a_module(monkeypatch):
    monkeypatch.setitem(sys.modules, "torchmetrics", None)
    spec = importlib.util.spec_from_file_location("set_metric_alone", set_metric.__file__)
    alone = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(alone)
    assert alone.SetMetric.__mro__[1] is alone._Alone
    assert not issubclass(alone.SetMetric, SetMetric)
    metric = feed(alone.SetMetric(colours, names=("mifid",)), REAL, GENERATED[:9])
    metric(tensor(GENERATED[9:]), real=False)
    assert metric.compute_all() == pytest.approx(scored("mifid"), rel=1e-12)
    again = alone.SetMetric(colours, names=("mifid",))
    again.load_state_dict(copy.deepcopy(metric).state_dict())
    assert again.compute() == metric.compute()
    again.reset()
    assert again.n_generated == 0


def test_accumulated_features_do_not_keep_the_batch():
    kept = accumulation.Accumulated(most=3, rows=True, moments=False)
    batch = np.ones((1000, 2), np.float32)
    kept.add(batch, mifid.statistics.Provenance())
    assert kept.values.base is None
    assert (kept.n, len(kept.values), kept.complete) == (1000, 3, False)
