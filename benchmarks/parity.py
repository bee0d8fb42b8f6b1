"""The same pictures and the same weights through mifid and the tools that compute FID.

    python benchmarks/parity.py                                  drawn pictures, a few minutes
    python benchmarks/parity.py --generated mine/ --reference monet_jpg/
    python benchmarks/parity.py --tools mifid,torch-fidelity --draw 6 6

Each tool runs as a process of its own, one after the other, on the CPU, with the batch size that
is given to all and the number of decoding workers that is its own default. The peers get the
weights in their own way (see `_prepare`), so nothing is downloaded.
"""

from __future__ import annotations

import hashlib
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import click
from machine import Measured, describe_machine, markdown_table, run_measured, write_section

TOLERANCE = 1e-4
"""How far a tool with the same resize may be from mifid, relative."""

STAGES = ("import", "load", "extract", "distance")

SCRIPTED = "inception-2015-12-05.pt"
"""clean-fid's name for its TorchScript file."""


@dataclass(frozen=True)
class Job:
    """What every tool is given: pictures, weights and, in ``peers``, what only peers need."""

    generated: Path
    reference: Path
    weights: Path
    peers: Path
    batch_size: int
    draw: tuple[int, int]


@dataclass(frozen=True)
class Numbers:
    """What a tool finds.

    Attributes:
        fid: Fréchet Inception Distance.
        pictures: how many it met, generated and reference.
        workers: threads or processes that decode.
        distance: memorization distance as Kaggle has it: the mean over the generated pictures of
            the minimum over the reference.
        reversed: the other way round: the mean over the reference.
        mifid: with epsilon 0.1, as the tool itself computes it.
    """

    fid: float
    pictures: tuple[int, int]
    workers: int
    distance: float | None = None
    reversed: float | None = None
    mifid: float | None = None


class Stages:
    """Seconds by stage."""

    def __init__(self) -> None:
        self.seconds = dict.fromkeys(STAGES, 0.0)

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        """Add the block's time to a stage."""
        start = time.perf_counter()
        yield
        self.seconds[name] += time.perf_counter() - start


# --- the tools: each composed of its own functions, so that its stages can be told apart ---------


def _mifid(job: Job, stage: Stages) -> Numbers:
    with stage("import"):
        import torch_fidelity.feature_extractor_inceptionv3  # noqa: F401, mifid does it when asked

        from mifid import features, penalized
        from mifid.extractors import open_extractor
        from mifid.images.batches import default_workers
        from mifid.metrics.frechet import frechet_distance
        from mifid.metrics.memorization import memorization_distance
    with stage("load"):
        extractor = open_extractor("inception", weights=job.weights)
        extractor.load("cpu")
    with stage("extract"):
        generated, reference = (
            features(
                folder, extractor=extractor, device="cpu", batch_size=job.batch_size, cache=False
            ).values
            for folder in (job.generated, job.reference)
        )
    with stage("distance"):
        fid = frechet_distance(generated=generated, reference=reference)
        distance = memorization_distance(generated=generated, reference=reference)
        score = penalized(fid=fid, memorization_distance=distance)
    return Numbers(
        fid=fid,
        pictures=(len(generated), len(reference)),
        workers=default_workers(),
        distance=distance,
        reversed=memorization_distance(generated=reference, reference=generated),
        mifid=score,
    )


def _torch_fidelity(job: Job, stage: Stages) -> Numbers:
    with stage("import"):
        from torch_fidelity import metric_fid, utils
    settings: dict[str, Any] = {
        "input1": str(job.generated),
        "input2": str(job.reference),
        "feature_extractor_weights_path": str(job.weights),
        "batch_size": job.batch_size,
        "cuda": False,
        "verbose": False,
    }
    layer = "2048"
    with stage("load"):
        network = utils.create_feature_extractor("inception-v3-compat", [layer], **settings)
    with stage("extract"):
        features = [
            utils.extract_featuresdict_from_input_id(i, network, **settings) for i in (1, 2)
        ]
    with stage("distance"):
        sides = [metric_fid.fid_featuresdict_to_statistics(side, layer) for side in features]
        found = metric_fid.fid_statistics_to_metric(*sides, verbose=False)
    return Numbers(
        fid=found[metric_fid.KEY_METRIC_FID],
        pictures=(len(features[0][layer]), len(features[1][layer])),
        workers=min(4, 2 * _cores()),
    )


def _pytorch_fid(job: Job, stage: Stages) -> Numbers:
    with stage("import"):
        import numpy as np
        from pytorch_fid import fid_score
    workers = min(8, _cores())
    with stage("load"):
        network = fid_score.InceptionV3([fid_score.InceptionV3.BLOCK_INDEX_BY_DIM[2048]])
    with stage("extract"):
        features = [
            fid_score.get_activations(
                _files(folder), network, batch_size=job.batch_size, num_workers=workers
            )
            for folder in (job.generated, job.reference)
        ]
    with stage("distance"):
        (mu1, sigma1), (mu2, sigma2) = (
            (np.mean(side, axis=0), np.cov(side, rowvar=False)) for side in features
        )
        fid = fid_score.calculate_frechet_distance(mu1, sigma1, mu2, sigma2)
    return Numbers(float(fid), (len(features[0]), len(features[1])), workers)


def _clean_fid_tensorflow(job: Job, stage: Stages) -> Numbers:
    def load() -> Any:
        # As build_feature_extractor("legacy_tensorflow") does, but it looks in /tmp for its file.
        from cleanfid.inception_torchscript import InceptionV3W

        return InceptionV3W(str(job.peers), download=False, resize_inside=True).eval()

    return _clean_fid(job, stage, "legacy_tensorflow", load)


def _clean_fid_pytorch(job: Job, stage: Stages) -> Numbers:
    def load() -> Any:
        import torch
        from cleanfid.features import build_feature_extractor

        return build_feature_extractor("legacy_pytorch", torch.device("cpu"))

    return _clean_fid(job, stage, "legacy_pytorch", load)


def _clean_fid(job: Job, stage: Stages, mode: str, load: Callable[[], Any]) -> Numbers:
    with stage("import"):
        import torch
        from cleanfid import fid
    workers = 12
    with stage("load"):
        network = load()
    with stage("extract"):
        features = [
            fid.get_folder_features(
                str(folder),
                network,
                mode=mode,
                num_workers=workers,
                batch_size=job.batch_size,
                device=torch.device("cpu"),
                verbose=False,
            )
            for folder in (job.generated, job.reference)
        ]
    with stage("distance"):
        found = float(fid.fid_from_feats(*features))
    return Numbers(found, (len(features[0]), len(features[1])), workers)


def _torchmetrics_fid(job: Job, stage: Stages) -> Numbers:
    with stage("import"):
        from torchmetrics.image.fid import FrechetInceptionDistance
    with stage("load"):
        metric = FrechetInceptionDistance(
            feature_extractor_weights_path=str(job.weights), antialias=False
        )
    pictures = _feed(metric, job, stage)
    with stage("distance"):
        fid = float(metric.compute())
    return Numbers(fid, pictures, _cores())


def _torchmetrics_mifid(job: Job, stage: Stages) -> Numbers:
    with stage("import"):
        from torchmetrics.image.fid import NoTrainInceptionV3
        from torchmetrics.image.mifid import MemorizationInformedFrechetInceptionDistance
    with stage("load"):
        # The metric itself has no option for it, but takes a network.
        network = NoTrainInceptionV3(
            "inception-v3-compat",
            ["2048"],
            feature_extractor_weights_path=str(job.weights),
            antialias=False,
        )
        metric = MemorizationInformedFrechetInceptionDistance(feature=network)
    return _torchmetrics(metric, job, stage)


def _torchmetrics_default(job: Job, stage: Stages) -> Numbers:
    with stage("import"):
        from torchmetrics.image.mifid import MemorizationInformedFrechetInceptionDistance
    with stage("load"):
        metric = MemorizationInformedFrechetInceptionDistance()
    return _torchmetrics(metric, job, stage)


def _torchmetrics(metric: Any, job: Job, stage: Stages) -> Numbers:
    pictures = _feed(metric, job, stage)
    with stage("distance"):
        score = float(metric.compute())
    import torch
    from torchmetrics.image.mifid import _compute_cosine_distance

    # It returns the quotient only; of its parts the distance is cheap to compute again.
    sides = torch.cat(metric.real_features), torch.cat(metric.fake_features)
    distance = float(_compute_cosine_distance(*sides, cosine_distance_eps=1.0))
    divisor = distance if distance < metric.cosine_distance_eps else 1.0
    return Numbers(
        fid=score * (divisor + 10e-15),
        pictures=pictures,
        workers=_cores(),
        reversed=distance,
        mifid=score,
    )


def _feed(metric: Any, job: Job, stage: Stages) -> tuple[int, int]:
    """Show a torchmetrics metric the pictures; it has no loader, so torch-fidelity's reads."""
    with stage("import"):
        from torch.utils.data import DataLoader
        from torch_fidelity.datasets import ImagesPathDataset
    counts = []
    with stage("extract"):
        for folder in (job.generated, job.reference):
            files = _files(folder)
            counts.append(len(files))
            for batch in DataLoader(ImagesPathDataset(files), job.batch_size, num_workers=_cores()):
                metric.update(batch, real=folder == job.reference)
    return counts[0], counts[1]


def _cores() -> int:
    return os.cpu_count() or 1


def _files(folder: Path) -> list[Path]:
    return sorted(f for f in folder.iterdir() if f.suffix.lower() in {".jpg", ".jpeg", ".png"})


@dataclass(frozen=True)
class Tool:
    """One row of the table.

    Attributes:
        run: what it does.
        package: what is installed.
        resize: pictures to the network's input; tools with the same one must agree.
        note: what else sets it apart, and how it gets the weights.
    """

    run: Callable[[Job, Stages], Numbers]
    package: str
    resize: str
    note: str


TF1 = "TensorFlow 1"
HALF_PIXEL = "half-pixel"

TOOLS = {
    "mifid": Tool(
        _mifid,
        "mifid",
        TF1,
        "decodes in threads of one process; singular values of a matrix as wide as the smaller "
        "set. Its seconds include the hashing of all files for the cache (which is off) and the "
        "memorization distance. The weights are a file (`--weights`).",
    ),
    "torch-fidelity": Tool(
        _torch_fidelity,
        "torch-fidelity",
        TF1,
        "`eigvals` of the 2048 × 2048 product. Weights: `feature_extractor_weights_path`.",
    ),
    "clean-fid-tensorflow": Tool(
        _clean_fid_tensorflow,
        "clean-fid",
        TF1,
        "mode `legacy_tensorflow`: `sqrtm`; the network in TorchScript, resizing by sampling a "
        "grid; 12 decoding processes whatever the machine. Its published file holds its own "
        "weights, so this one is made with ours, of torch-fidelity's layers.",
    ),
    "torchmetrics-fid": Tool(
        _torchmetrics_fid,
        "torchmetrics",
        TF1,
        "`FrechetInceptionDistance(antialias=False)`: `eigvals`, covariances from running sums; "
        "has no loader, so torch-fidelity's reads. Weights: `feature_extractor_weights_path`.",
    ),
    "torchmetrics-mifid": Tool(
        _torchmetrics_mifid,
        "torchmetrics",
        TF1,
        "`MemorizationInformedFrechetInceptionDistance` given its own network with "
        "`antialias=False`: the memorization distance is reversed, a mean over the reference of "
        "the minimum over the generated pictures. Its FID is its MiFID times the distance.",
    ),
    "torchmetrics-default": Tool(
        _torchmetrics_default,
        "torchmetrics",
        HALF_PIXEL + ", antialiased",
        "the same as it comes, where antialiasing cannot be switched off (it does nothing to "
        "pictures that are enlarged). Weights: torch hub's cache. All three of torchmetrics run "
        "the same network over the same pictures: how far apart they are tells how far to trust a "
        "time.",
    ),
    "pytorch-fid": Tool(
        _pytorch_fid,
        "pytorch-fid",
        HALF_PIXEL,
        "PyTorch's bilinear resize, then x / 127.5 - 1 where the graph has (x - 128) / 128; "
        "`sqrtm`. Weights: torch hub's cache.",
    ),
    "clean-fid-pytorch": Tool(
        _clean_fid_pytorch,
        "clean-fid",
        HALF_PIXEL,
        "mode `legacy_pytorch`: `sqrtm`; network, resize and scaling are pytorch-fid's. Weights: "
        "torch hub's cache.",
    ),
}


# --- before: pictures, and the weights where each tool looks for them ----------------------------


def _prepare(job: Job) -> None:
    """Draw what pictures are missing and lay out the weights; no tool downloads anything.

    A process of its own does it, because it imports torch (see `run_measured`).
    - mifid, torch-fidelity and two of torchmetrics' take a path.
    - pytorch-fid, clean-fid's legacy_pytorch and torchmetrics' MiFID look in torch hub's cache for
      the published file's name (nobody checks its hash), so TORCH_HOME points to one of ours.
    - clean-fid's legacy_tensorflow loads a TorchScript file, which `_script` makes.
    """
    from mifid.extractors.weights import FILE_NAMES

    _draw(job)
    if not job.weights.exists():
        import torch

        from mifid.extractors.inception_random import RandomInception

        torch.save(dict(RandomInception().state_dict()), job.weights)
    hub = job.peers / "hub" / "checkpoints"
    hub.mkdir(parents=True)
    for name in FILE_NAMES:
        (hub / name).symlink_to(job.weights.resolve())


def _draw(job: Job) -> None:
    import numpy as np

    from mifid.drawing import brush_strokes, landscape, painting
    from mifid.submission import encode_picture

    def repainted(number: int) -> Any:
        photo = landscape(np.random.RandomState(number))
        return brush_strokes(photo, np.random.RandomState(number))

    def painted(number: int) -> Any:
        return painting(np.random.RandomState(10_000 + number))

    for folder, count, picture in (
        (job.generated, job.draw[0], repainted),
        (job.reference, job.draw[1], painted),
    ):
        if not folder.exists():
            folder.mkdir()
            for number in range(count):
                (folder / f"{number:04}.jpg").write_bytes(encode_picture(picture(number)))


def _script(job: Job) -> None:
    """Make the TorchScript file that clean-fid would download.

    That file's forward() resizes as TensorFlow 1 does, by sampling a grid that is shifted by half
    a pixel of either size, then scales; it has a child `layers` for the rest. The layers here are
    torch-fidelity's.
    """
    import torch
    from torch.nn.functional import affine_grid, grid_sample
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    class Scripted(torch.nn.Module):
        def __init__(self, layers: torch.nn.Module) -> None:
            super().__init__()
            self.layers = layers

        def forward(self, x: torch.Tensor, return_features: bool = False) -> torch.Tensor:
            assert return_features
            n, channels, height, width = x.shape
            shift = [[1.0, 0.0, 1 / width - 1 / 299], [0.0, 1.0, 1 / height - 1 / 299]]
            grid = affine_grid(
                torch.tensor(shift).expand(n, 2, 3), [n, channels, 299, 299], align_corners=False
            )
            x = grid_sample(x, grid, padding_mode="border", align_corners=False)
            return torch.flatten(self.layers((x - 128) / 128), 1)

    network = FeatureExtractorInceptionV3(
        "inception-v3-compat", ["2048"], feature_extractor_weights_path=str(job.weights)
    )
    layers = [layer for name, layer in network.named_children() if name != "fc"]
    scripted: Any = torch.jit.script(Scripted(torch.nn.Sequential(*layers)))
    scripted.save(job.peers / SCRIPTED)


PREPARATIONS = {"prepare": _prepare, "script": _script}


# --- the run -------------------------------------------------------------------------------------

Round = dict[str, dict[str, Any]]
"""By tool: its numbers, its seconds by stage, and what else it cost."""


def _run_all(tools: list[str], job: Job, rounds: int) -> list[Round]:
    _child("prepare", job)
    if "clean-fid-tensorflow" in tools:
        _child("script", job)
    found: list[Round] = []
    for number in range(rounds):
        found.append({})
        for tool in tools:
            click.echo(f"round {number + 1} of {rounds}: {tool}", err=True)
            measured = _child(tool, job)
            found[-1][tool] = {
                **json.loads(measured.stdout.splitlines()[-1]),
                "total_seconds": measured.seconds,
                "cpu_seconds": measured.cpu_seconds,
                "peak_mib": measured.peak_mib,
            }
    return found


def _child(task: str, job: Job) -> Measured:
    """Do a task in a process of its own; nothing may remain in memory from one to the next."""
    command = [sys.executable, __file__, "--child", task, json.dumps(asdict(job), default=str)]
    measured = run_measured(command, env={"TORCH_HOME": str(job.peers)})
    if measured.code:
        raise click.ClickException(f"{task} failed:\n{measured.stderr[-2000:]}")
    return measured


def _be_child(task: str, given: str) -> None:
    values: dict[str, Any] = json.loads(given)
    paths = {key: Path(value) for key, value in values.items() if isinstance(value, str)}
    job = Job(**{**values, **paths})
    if task in PREPARATIONS:
        PREPARATIONS[task](job)
        return
    stages = Stages()
    numbers = TOOLS[task].run(job, stages)
    print(json.dumps({**asdict(numbers), "seconds": stages.seconds}))


def disagreements(found: Round) -> list[str]:
    """Say which tools met other pictures than mifid, or differ though their resize is the same."""
    ours, said = found["mifid"], []
    for tool, theirs in found.items():
        if theirs["pictures"] != ours["pictures"]:
            said.append(f"{tool} met {theirs['pictures']} pictures, mifid {ours['pictures']}")
        for key in ("fid", "distance", "reversed"):
            if TOOLS[tool].resize == TF1 and theirs[key] is not None:
                difference = theirs[key] / ours[key] - 1
                if not abs(difference) <= TOLERANCE:  # so, NaN is caught
                    said.append(f"{tool}: {key} is {difference:+.1e} from mifid's, relative")
    return said


# --- the report ----------------------------------------------------------------------------------


def _report(rounds: list[Round], *, about: str, repeat: str) -> str:
    tools = list(rounds[0])
    times = "once" if len(rounds) == 1 else f"{len(rounds)} times, in turn"
    machine = describe_machine(("torch", "numpy", "scipy", "pillow"))
    notes = "\n".join(f"- **{tool}**: {TOOLS[tool].note}" for tool in tools)
    return f"""\
## The same pictures and weights through other tools

{about}. Every tool ran {times}, as a process of its own, on the CPU.

Machine: {machine}.

{_numbers_table(rounds[0])}

{_costs_table(rounds)}

Tools with mifid's resize have to agree with it within {TOLERANCE:g}, or the benchmark fails. The
others' numbers are other numbers, because they show the network other pixels. The memorization
distance is Kaggle's, a mean over the generated pictures of the least distance to a reference
picture; reversed, it is a mean over the reference pictures of the least distance to a generated
one, which is what torchmetrics takes. MiFID is with epsilon 0.1.

Ratios are to mifid's, within a round. CPU seconds include the decoding processes, and their ratio
is the one to quote: where other work had the cores (CPU seconds far below the total times the
cores), the total and its ratio say more about that than about the tool. The total includes starting
and ending Python. Peak memory is that of a tool's largest process: mifid decodes in threads, so it
includes them; the peers' decoding processes come on top of theirs.

{notes}

To repeat it:

```sh
pip install -e '.[peers]'
{repeat}
```"""


def _numbers_table(found: Round) -> str:
    header = "Tool|Version|Resize|FID|Relative to mifid's|Memorization distance|Reversed|MiFID"
    ours = found["mifid"]["fid"]
    rows = []
    for tool, row in found.items():
        difference = "" if tool == "mifid" else f"{row['fid'] / ours - 1:+.1e}"
        shown = [_digits(row[key]) for key in ("fid", "distance", "reversed", "mifid")]
        name = [tool, version(TOOLS[tool].package), TOOLS[tool].resize]
        rows.append([*name, shown[0], difference, *shown[1:]])
    return markdown_table(header.split("|"), rows)


def _costs_table(rounds: list[Round]) -> str:
    header = "Tool|Workers|Import s|Load s|Extract s|Distance s|Total s|Ratio|CPU s|Ratio"
    header += "|Peak MiB|Ratio"
    rows = []
    for tool in rounds[0]:
        shown = [tool, str(rounds[0][tool]["workers"])]
        for stage in STAGES:
            seconds = statistics.median(found[tool]["seconds"][stage] for found in rounds)
            shown.append(f"{seconds:.2f}")
        for key, digits in (("total_seconds", 1), ("cpu_seconds", 1), ("peak_mib", 0)):
            value = statistics.median(found[tool][key] for found in rounds)
            # Ratios within a round, when the machine is most alike.
            ratio = statistics.median(found[tool][key] / found["mifid"][key] for found in rounds)
            shown += [f"{value:.{digits}f}", f"{ratio:.2f}"]
        rows.append(shown)
    return markdown_table(header.split("|"), rows)


def _digits(number: float | None) -> str:
    return "" if number is None else f"{number:.8g}"


# --- the command ---------------------------------------------------------------------------------

FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
FILE = click.Path(dir_okay=False, path_type=Path)


@click.command()
@click.option("--generated", type=FOLDER, help="Folder of generated pictures; else some are drawn.")
@click.option("--reference", type=FOLDER, help="Folder of real pictures; else some are drawn.")
@click.option("--draw", type=(int, int), default=(96, 64), show_default=True, help="How many.")
@click.option("--about", help="What the pictures are, for the report.")
@click.option("--weights", type=FILE, help="A state dict; else mifid's inception-random.")
@click.option("--tools", default=",".join(TOOLS), show_default=True, help="Which, by commas.")
@click.option("--rounds", type=click.IntRange(1), default=1, show_default=True)
@click.option("--batch-size", type=click.IntRange(1), default=32, show_default=True)
@click.option("--docs", type=FILE, default=Path("docs/benchmarks.md"), show_default=True)
@click.option("--json", "json_file", type=FILE, help="Where to keep every round's numbers.")
def main(
    generated: Path | None,
    reference: Path | None,
    draw: tuple[int, int],
    about: str | None,
    weights: Path | None,
    tools: str,
    rounds: int,
    batch_size: int,
    docs: Path,
    json_file: Path | None,
) -> None:
    """Run mifid and its peers on the same pictures and weights; write the tables into --docs.

    Exits with 1, and leaves --docs as it is, if a tool fails, or disagrees though its resize is
    mifid's.
    """
    chosen = _choose(tools)
    for file in filter(None, (docs, json_file)):  # now, not after the work
        if not file.parent.is_dir():
            raise click.UsageError(f"{file}: there is no folder {file.parent}")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        job = Job(
            generated=generated or folder / "generated",
            reference=reference or folder / "reference",
            weights=weights or folder / "inception-random.pth",
            peers=folder / "peers",
            batch_size=batch_size,
            draw=draw,
        )
        found = _run_all(chosen, job, rounds)
    if about is None:
        about = "{} generated pictures against {}".format(*found[0]["mifid"]["pictures"])
        about += "" if generated and reference else ", drawn by mifid"
    about += f", in batches of {batch_size}, with {_name_of(weights)}"
    repeat = "python benchmarks/parity.py" + "".join(
        f" {option} {placeholder}"
        for option, placeholder, given in (
            ("--generated", "FOLDER", generated),
            ("--reference", "FOLDER", reference),
            ("--weights", "FILE", weights),
            ("--rounds", rounds, rounds > 1),
        )
        if given
    )
    text = _report(found, about=about, repeat=repeat)
    click.echo(text)
    if json_file:
        json_file.write_text(json.dumps({"about": about, "rounds": found}, indent=1))
    said = [line for one in found for line in disagreements(one)]
    if said:
        raise click.ClickException("\n".join(said))
    write_section(docs, "parity", text)


def _choose(tools: str) -> list[str]:
    asked = {"mifid", *tools.split(",")}
    if unknown := sorted(asked - TOOLS.keys()):
        raise click.UsageError(f"unknown: {', '.join(unknown)}. There are: {', '.join(TOOLS)}.")
    chosen = [tool for tool in TOOLS if tool in asked]
    for tool in chosen:
        try:
            version(TOOLS[tool].package)
        except PackageNotFoundError as error:
            hint = "pip install -e '.[peers]', or leave it out with --tools"
            raise click.ClickException(f"{tool} is not installed: {hint}") from error
    return chosen


def _name_of(weights: Path | None) -> str:
    if weights is None:
        return "mifid's `inception-random` weights (seeded, not trained)"
    return f"weights of sha256 {hashlib.sha256(weights.read_bytes()).hexdigest()[:8]}..."


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        _be_child(*sys.argv[2:])
    else:
        main()
