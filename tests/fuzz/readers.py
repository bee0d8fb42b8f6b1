"""Every reader of files: what it is fed with, and how it is called."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import hostile_archives
import hostile_pictures
import hostile_statistics
import hostile_training
import numpy as np

__all__ = ["KINDS", "Kind"]


@dataclass(frozen=True)
class Kind:
    """``make(random)`` returns a file's bytes; ``read(path, random)`` reads it as users do.

    ``name(random)`` is the file's name in a folder of its own.
    """

    make: Callable[[Random], bytes]
    read: Callable[[Path, Random], object]
    name: Callable[[Random], str]


def colours(batch: Any) -> Any:
    """A toy extractor: mean and spread of each channel, and a constant."""
    import torch

    values = batch.float()
    return (
        torch.cat(
            [
                values.mean(dim=(2, 3)),
                values.std(dim=(2, 3), correction=0),
                values.amax(dim=(2, 3)),
            ],
            1,
        )
        + 1
    )


colours.fingerprint = "fuzz 1"  # type: ignore[attr-defined]


def _features(path: Path, random: Random) -> object:
    import mifid

    return mifid.features(
        path,
        extractor=colours,
        cache=random.random() < 0.2,
        skip_bad=random.random() < 0.5,
        workers=1,
    )


def _zip(path: Path, random: Random) -> object:
    import mifid

    if random.random() < 0.4:
        found = mifid.check(path)
        return str(found), found.accepted
    return _features(path, random)


def _picture(path: Path, random: Random) -> object:
    from mifid.images import Source, open_images
    from mifid.images.inspection import count_encodings

    shutil.copy(_whole_picture(path.parent.parent), path.parent / "whole.png")
    if random.random() < 0.2:
        source = open_images(path.parent)
        assert isinstance(source, Source)
        return count_encodings(source, range(len(source)))
    return _features(path.parent, random)


def _photo(path: Path, random: Random) -> object:
    from mifid.painting.photograph import FORMATS, Encoding, encode, photograph

    photo = photograph(path)
    form = random.choice(sorted(set(FORMATS.values())))
    return encode(photo.pixels, photo, format=form, encoding=Encoding(exif="all"))


def _whole_picture(folder: Path) -> Path:
    path = folder / "whole.png"
    if not path.exists():
        path.write_bytes(next(data for kind, data in hostile_pictures.bases() if kind == "PNG"))
    return path


def _side(path: Path, random: Random) -> object:
    import mifid

    good = path.parent.parent / "good.npz"
    if not good.exists():
        np.savez(
            good, features=np.random.RandomState(3).rand(20, hostile_statistics.WIDTH).astype("f4")
        )
    sides = (good, path) if random.random() < 0.6 else (path, good)
    metrics = random.choice([("mifid",), ("fid",), ("mifid", "kid", "prdc")])
    report = mifid.score(*sides, cache=False, ci=0, metrics=metrics, extractor=colours)
    return report.text(), report.to_json(), report.rows()


def _generator(path: Path, _: Random) -> object:
    from mifid.baseline.generation.weights_file import load_generator

    return load_generator(path)


def _checkpoint(path: Path, _: Random) -> object:
    from mifid.baseline.distributed import start_processes
    from mifid.baseline.run.checkpoint import Checkpoints

    with start_processes() as processes:
        checkpoints = Checkpoints(path.parent, processes)
        return checkpoints.load(checkpoints.last() or 1)


def _weights(path: Path, _: Random) -> object:
    from mifid.extractors.weights import load_state_dict

    return load_state_dict(path)


def _settings(path: Path, _: Random) -> object:
    from mifid.baseline.config.file import read_run_file, write_run_file

    inputs, config = read_run_file(path)
    write_run_file(path, inputs, config, version="0")
    if read_run_file(path) != (inputs, config):
        raise AssertionError("what was written is not what is read")
    return inputs


def _score(path: Path, random: Random) -> object:
    import mifid

    other = path.with_name("other.json")
    other.write_bytes(hostile_training.score_file(random))
    explained = mifid.explain(path, other)
    return explained.text().encode(), explained.to_json()


def _metrics(path: Path, random: Random) -> object:
    from mifid.baseline.run.records import Recorder, read_metrics

    if random.random() < 0.3:
        return Recorder.open(path.parent)
    return read_metrics(path.parent)


def _history(path: Path, _: Random) -> object:
    from mifid.report.report import check_output

    return check_output(path)


def _selection(path: Path, _: Random) -> object:
    from mifid.selection.picture_lists import indices_listed

    names = ["0.jpg", "1.jpg", "a/2.jpg"]
    return indices_listed(names, file=os.fspath(path), setting="data.select_photos")


def _called(*names: str) -> Callable[[Random], str]:
    return lambda random: random.choice(names)


def _picture_name(random: Random) -> str:
    return "picture" + random.choice([*hostile_pictures.ENDINGS.values(), ".jpeg"])


KINDS = {
    "zip": Kind(hostile_archives.zip_file, _zip, _called("images.zip")),
    "tar": Kind(
        hostile_archives.tar_file, _features, _called("a.tar", "a.tar.gz", "a.tgz", "a.tar.xz")
    ),
    "tfrecord": Kind(hostile_archives.tfrecord_file, _features, _called("a.tfrec")),
    "parquet": Kind(hostile_archives.parquet_file, _features, _called("a.parquet")),
    "picture": Kind(
        lambda random: hostile_pictures.picture_file(random)[1], _picture, _picture_name
    ),
    "photo": Kind(lambda random: hostile_pictures.picture_file(random)[1], _photo, _picture_name),
    "npy": Kind(hostile_statistics.npy_file, _side, _called("a.npy")),
    "npz": Kind(hostile_statistics.npz_file, _side, _called("a.npz")),
    "pickle": Kind(hostile_statistics.pickle_file, _side, _called("a.pkl")),
    "torch": Kind(hostile_statistics.torch_file, _side, _called("a.pt", "a.pth")),
    "generator": Kind(hostile_training.generator_file, _generator, _called("best.safetensors")),
    "foreign": Kind(
        hostile_training.foreign_generator_file, _generator, _called("latest_net_G.pth")
    ),
    "checkpoint": Kind(
        hostile_training.checkpoint_file, _checkpoint, _called("step-00000001.rank0.pt")
    ),
    "weights": Kind(hostile_training.weights_file, _weights, _called("w.pth")),
    "settings": Kind(hostile_training.settings_file, _settings, _called("config.toml")),
    "score": Kind(hostile_training.score_file, _score, _called("score.json")),
    "metrics": Kind(hostile_training.metrics_file, _metrics, _called("metrics.jsonl")),
    "history": Kind(hostile_training.history_file, _history, _called("scores.csv")),
    "selection": Kind(hostile_training.selection_file, _selection, _called("names.txt")),
}
"""name -> Kind. A new reader is a line here."""
