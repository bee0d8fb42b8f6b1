"""Feature stores: damage, contradictions, and merges in whatever order parts came."""

import hashlib
import threading
from collections import Counter
from dataclasses import replace
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mifid.errors import CompatibilityError, FeatureError, InputError
from mifid.metrics import memorization_distance
from mifid.statistics import FeatureStore, Part, Provenance, Shard, Statistics

MADE = Provenance(extractor="toy", fingerprint="toy 1", decoder="1", device="cpu", backend="torch")
WIDTH = 3


def part(number, count=4, total=20, *, key=None, n=None, **changes):
    """The part of a shard, with features that depend on it alone."""
    random = np.random.RandomState(number)
    rows = np.array(Shard(number, count).rows(total), dtype=np.int64)
    indices = rows if n is None else rows[:n]
    values = random.standard_normal((len(indices), WIDTH)).astype(np.float32)
    found = Statistics.from_features(values)
    arrays = {
        "features": values,
        "names": np.array([f"{index:06}" for index in indices], dtype=np.str_),
        "indices": indices,
        "digests": np.tile(rows[:, None].astype(np.uint8), (1, 32)),
        "readable": np.ones(len(rows), bool),
        **({"mu": found.mu, "scatter": found.scatter} if len(values) >= WIDTH else {}),
    }
    made = Part(
        shard=Shard(number, count),
        total=total,
        key=key or f"{number:016x}",
        n=len(values),
        width=WIDTH,
        provenance=MADE,
        source="toy",
        converted={"L": number},
        arrays=arrays,
    )
    return replace(made, **changes)


def parts(count=4, **settings):
    return [part(number, count, **settings) for number in range(1, count + 1)]


def digest(store):
    """One hash of all that a score uses."""
    reference = np.random.RandomState(0).standard_normal((5, WIDTH))
    statistics = store.statistics()
    distance = memorization_distance(generated=store.values, reference=reference)
    held = [statistics.mu, statistics.sigma, store.values, np.array(distance)]
    text = repr((store.names, store.digests, store.converted, store.bad, store.provenance))
    return hashlib.sha256(b"".join(map(np.ndarray.tobytes, held)) + text.encode()).hexdigest()


@given(
    count=st.integers(1, 40),
    total=st.integers(40, 500),
)
def test_shards_are_the_whole_set_once_and_of_equal_sizes(count, total):
    ranges = [Shard(number, count).rows(total) for number in range(1, count + 1)]
    assert [row for rows in ranges for row in rows] == list(range(total))
    assert max(map(len, ranges)) - min(map(len, ranges)) <= 1


def simulated(made, random, dies, late):
    """Return parts as they arrive from workers of which some die, and some only seem to."""
    waiting = list(made)
    random.shuffle(waiting)
    arrived, hanging = [], []
    while waiting:
        each = waiting.pop()
        if random.random() < dies:
            waiting.insert(random.randint(0, len(waiting)), each)  # it is given out again
        elif random.random() < late:
            hanging.append(each)  # given out again, and comes later, too
            waiting.insert(random.randint(0, len(waiting)), each)
        else:
            arrived.append(each)
    for each in hanging:
        arrived.insert(random.randint(0, len(arrived)), each)
    return arrived


SEEDS = st.integers(0, 2**32 - 1).map(Random)
FEW, MANY = parts(12, total=31), parts(1000, total=2503)
WHOLE = {len(made): digest(FeatureStore(made)) for made in (FEW, MANY)}


@given(SEEDS, st.floats(0.0, 0.7), st.floats(0.0, 0.7))
def test_shards_that_die_repeat_and_come_late_merge_to_the_same(random, dies, late):
    assert digest(FeatureStore(simulated(FEW, random, dies, late))) == WHOLE[12]


@settings(max_examples=5)
@given(SEEDS, st.floats(0.1, 0.5), st.floats(0.1, 0.5))
def test_so_do_a_thousand(random, dies, late):
    arrived = simulated(MANY, random, dies, late)
    assert len(arrived) > 1000
    assert digest(FeatureStore(arrived)) == WHOLE[1000]


@settings(max_examples=10)
@given(SEEDS, st.integers(1, 999))
def test_of_a_thousand_shards_exactly_the_missing_ones_are_named(random, count):
    lost = set(random.sample(range(1, 1001), count))
    there = [each for each in MANY if each.shard.number not in lost]
    random.shuffle(there)
    with pytest.raises(InputError, match=f"without {len(lost):,} of 1,000 shards") as caught:
        FeatureStore(there)
    assert f"{min(lost)}/1000" in caught.value.message
    found = FeatureStore(there, incomplete=True)
    assert {shard.number for shard in found.missing} == lost
    assert found.provenance.not_comparable.endswith("of the 1,000 shards of the feature store")


def test_statistics_are_those_of_all_features():
    store = FeatureStore(parts(7, total=61))
    merged = store.statistics()
    assert merged.n == len(store) == 61
    np.testing.assert_allclose(merged.mu, store.values.astype(float).mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(
        merged.sigma, np.cov(store.values.astype(float), rowvar=False), rtol=1e-12, atol=1e-14
    )
    assert store.converted == {"L": sum(range(8))}


@pytest.mark.parametrize("large", [(), (2,), (1, 4), (1, 2, 3, 4)])
def test_parts_with_and_without_statistics_are_merged_alike(large):
    made = [part(number, n=None if number in large else WIDTH - 1) for number in range(1, 5)]
    store = FeatureStore(made)
    whole = Statistics.from_features(np.concatenate([each.arrays["features"] for each in made]))
    merged = store.statistics()
    assert merged.n == len(store)
    np.testing.assert_allclose(merged.mu, whole.mu, rtol=1e-12)
    np.testing.assert_allclose(merged.sigma, whole.sigma, rtol=1e-12)


def test_a_part_is_read_as_it_was_written(tmp_path):
    made = part(3, bad=((11, "a", "why"),), images="/x", available=99, skipped={"hidden": 2})
    written = made.write(tmp_path)
    assert written.path.name == "part-00003-0000000000000003.npz"
    found = Part.read(written.path)
    one, other = (
        {name: value for name, value in vars(each).items() if name not in ("arrays", "inspection")}
        for each in (written, found)
    )
    assert one == other
    assert found.inspection.to_json() == made.inspection.to_json()
    for name in ("features", "names", "indices", "digests", "mu", "scatter"):
        np.testing.assert_array_equal(found.load(name)[0], made.arrays[name])


def test_the_statistics_of_a_part_are_the_same_from_its_features_and_from_the_file(tmp_path):
    many, few = part(1, total=40).write(tmp_path), part(2, total=40, n=2).write(tmp_path)
    for each in (many, few):
        computed = Statistics.from_features(each.rows())
        np.testing.assert_array_equal(each.statistics().scatter, computed.scatter)
        np.testing.assert_array_equal(each.statistics().mu, computed.mu)
    assert part(3, total=40, n=0).write(tmp_path).statistics().n == 0


def stored(folder, made):
    for each in made:
        each.write(folder)
    return folder


def test_rows_are_taken_from_the_parts_that_hold_them(tmp_path):
    store = FeatureStore.open(stored(tmp_path, parts()))
    rows = [17, 0, 6, 6]
    taken = store.take(rows)
    np.testing.assert_array_equal(taken.values, store.values[rows])
    assert taken.names == ("000017", "000000", "000006", "000006")


@pytest.mark.parametrize("cut", [10, 0.5, 0.98])
def test_a_part_that_is_cut_short_is_named(cut, tmp_path):
    stored(tmp_path, parts())
    path = next(iter(tmp_path.glob("part-00002-*")))
    content = path.read_bytes()
    path.write_bytes(content[: cut if cut > 1 else int(cut * len(content))])
    with pytest.raises(InputError, match=path.name) as caught:
        FeatureStore.open(tmp_path)
    assert "compute its shard again" in caught.value.hint


def test_a_part_with_other_bytes_is_named(tmp_path):
    stored(tmp_path, parts())
    path = next(iter(tmp_path.glob("part-00002-*")))
    content = bytearray(path.read_bytes())
    place = content.find(part(2).arrays["features"].tobytes())
    content[place] ^= 1
    path.write_bytes(content)
    store = FeatureStore.open(tmp_path)
    with pytest.raises(InputError, match=path.name) as caught:
        _ = store.values
    assert "compute its shard again" in caught.value.hint


def test_features_of_other_rows_or_without_end_are_refused():
    wrong = part(2)
    indices = wrong.arrays["indices"]
    for changed in (indices + 100, indices[::-1], np.repeat(indices[:1], len(indices))):
        with pytest.raises(InputError, match="not those of its shard"):
            replace(wrong, arrays=wrong.arrays | {"indices": changed}).rows()
    values = wrong.arrays["features"].copy()
    values[1] = np.nan
    with pytest.raises(FeatureError, match="NaN"):
        replace(wrong, arrays=wrong.arrays | {"features": values}).rows()


def not_a_number(array):
    array = array.copy()
    array[0] = np.nan
    return array


@pytest.mark.parametrize(
    ("name", "change", "kind", "says"),
    [
        ("mu", not_a_number, FeatureError, "NaN"),
        ("scatter", not_a_number, FeatureError, "NaN"),
        ("mu", lambda array: array[1:], InputError, "'mu' is not that of its shard"),
        ("mu", lambda array: array.astype(str), InputError, "'mu' is not that of its shard"),
        ("scatter", lambda array: array[:, 1:], InputError, "its statistics are not those"),
        ("digests", lambda array: array[1:], InputError, "'digests' is not that of its shard"),
        ("names", lambda array: array[1:], InputError, "'names' is not that of its shard"),
        (
            "features",
            lambda array: array.astype(str),
            InputError,
            "'features' is not that of its shard",
        ),
    ],
)
def test_arrays_of_another_part_are_refused_by_its_name(name, change, kind, says, tmp_path):
    # The third of four parts, while the first is used and the second read.
    made = parts()
    made[2] = replace(made[2], arrays=made[2].arrays | {name: change(made[2].arrays[name])})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mifid.statistics.feature_store._moments", lambda values: {})
        store = FeatureStore.open(stored(tmp_path, made))
    before = threading.active_count()
    with pytest.raises(kind, match=f"part-00003-.*{says}"):
        _ = store.statistics() if name in ("mu", "scatter") else getattr(store, READ_FOR[name])
    assert threading.active_count() == before


READ_FOR = {"digests": "digests", "names": "names", "features": "values"}


@pytest.mark.parametrize(
    ("other", "kind", "says"),
    [
        (part(2, key="f" * 16), InputError, "two different parts of shard 2/4"),
        (part(2, 5), InputError, "numbers of shards"),
        (part(2, total=24), InputError, "numbers of pictures of the set"),
        (part(2, training="a" * 64), InputError, "training sets"),
        (part(2, provenance=replace(MADE, decoder="2")), InputError, "decoders"),
        (
            part(2, provenance=replace(MADE, extractor="other", fingerprint="other 1")),
            CompatibilityError,
            "different networks: .*toy.*other|different networks: .*other.*toy",
        ),
    ],
)
def test_parts_that_contradict_each_other_are_refused(other, kind, says):
    with pytest.raises(kind, match=says):
        FeatureStore([*parts(), other])


def test_parts_of_several_machines_say_so():
    made = parts()
    made[1] = part(2, provenance=replace(MADE, backend="openvino", device="cuda", batch_size=8))
    found = FeatureStore(made).provenance
    assert (found.backend, found.device, found.batch_size) == ("openvino, torch", "cpu, cuda", None)
    assert found.fingerprint == MADE.fingerprint


def test_a_later_version_and_a_folder_without_parts(tmp_path, monkeypatch):
    with pytest.raises(InputError, match="holds no parts"):
        FeatureStore.open(tmp_path)
    with pytest.raises(InputError, match="holds no parts"):
        FeatureStore([])
    with monkeypatch.context() as patch:
        patch.setattr("mifid.statistics.feature_store._VERSION", 2)
        stored(tmp_path, parts())
    with pytest.raises(InputError, match="later version"):
        FeatureStore.open(tmp_path)


def test_a_store_holds_each_index_once(tmp_path):
    store = FeatureStore.open(stored(tmp_path, parts(5, total=23)))
    indices = np.concatenate([each.load("indices")[0] for each in store.parts])
    assert Counter(indices.tolist()) == Counter(range(23))
