"""Time of a training step, compared with plain loops as common implementations write them.

python -m benchmarks.training --docs docs/training.md
python -m benchmarks.training --networks unet --batch 4 --size 128
python -m benchmarks.training --networks ugatit --networks cut --size 128 --docs docs/training.md

plain_loop.py describes the plain loops, authors_loops.py those of other methods. All ways run in
turn, each in a separate process.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, nullcontext
from dataclasses import asdict, dataclass, field, replace
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import click

from benchmarks.machine import again, describe_machine, markdown_table, write_section
from benchmarks.processes import peak_mib

if TYPE_CHECKING:  # this process imports no torch: peaks of children start with its memory
    from torch import Tensor

    from mifid.baseline.gan import Method

WARM_UP = 2
NETWORKS = {
    "unet": {"network": "unet"},
    "resnet6": {"network": "resnet", "blocks": 6},
    "resnet9": {"network": "resnet", "blocks": 9},
}
METHODS = (
    "ugatit",
    "cut",
    "bayes-z",
    "uvcgan2",
)  # presets of other methods, whose loops are in authors_loops.py
AUTHORS = "authors' loop"
REFERENCE = "plain, two backwards"
PLAIN = (REFERENCE, "plain, one backward")
MIFID = "mifid"
OTHER_LAYOUT = "mifid, other layout"
OURS: dict[str, dict[str, Any]] = {
    MIFID: {"layout": "auto", "precision": "float32"},
    OTHER_LAYOUT: {},
    "mifid, bf16": {"precision": "bf16"},
}
OURS_ON_CUDA: dict[str, dict[str, Any]] = {
    "mifid, float16": {"precision": "float16"},
    "mifid, bf16, compiled": {"precision": "bf16", "compile": True},
}


@dataclass(frozen=True)
class Job:
    """One way to train one network, and its sizes."""

    way: str
    network: str
    batch: int
    size: int
    width: int
    device: str


def build(job: Job) -> Callable[[Tensor, Tensor], Any]:
    """Return a job's step: photos and paintings (B, 3, S, S) -> its losses."""
    from mifid.baseline.models.layers import memory_format

    settings = {"precision": "float32", **(OURS | OURS_ON_CUDA).get(job.way, {})}
    if job.way in (*PLAIN, AUTHORS):
        settings["layout"] = "channels_first"
    method = method_of(job, **settings)
    if job.way == OTHER_LAYOUT:
        from torch import channels_last

        last = memory_format(method.config, method.device) == channels_last
        method = method_of(job, layout="channels_first" if last else "channels_last", **settings)
    if job.way == AUTHORS:
        from benchmarks.authors_loops import LOOPS

        return LOOPS[job.network](method)
    if job.way in PLAIN:
        from benchmarks.plain_loop import PlainLoop

        return PlainLoop(method.networks, method.config, two_backwards=job.way == REFERENCE).step
    return lambda photos, paintings: method.advance(photos, paintings, fraction=0.0, factor=1.0)


def method_of(job: Job, **settings: Any) -> Method:
    """Return the method and networks of a job, with more settings of training."""
    from mifid.baseline.config import Config
    from mifid.baseline.data import Draws
    from mifid.baseline.distributed import ALONE
    from mifid.baseline.gan import METHODS
    from mifid.baseline.presets import PRESETS
    from mifid.extractors import choose_device

    device = choose_device(job.device)
    if job.network in NETWORKS:
        config = Config()
        config = replace(config, generator=replace(config.generator, **NETWORKS[job.network]))
    else:
        config = PRESETS[job.network].config
        settings = {"pool": 0, "ema": 0.0, **settings}
    config = replace(
        config,
        data=replace(config.data, size=job.size),
        generator=replace(config.generator, width=job.width),
        discriminator=replace(config.discriminator, width=job.width),
        training=replace(config.training, batch=job.batch, **settings),
    )
    method: Method = METHODS[config.training.method](
        config, device=device, draws=Draws(0, device=device), processes=ALONE
    )
    return method


class Bench:
    """A job in its own process, where ``Bench.run`` is called."""

    running: Callable[[], Any]
    wait: Callable[[], None]

    @classmethod
    def prepare(cls, job: Job) -> float:
        """Build and warm up; return the FLOP per pair of a step, for the way ``MIFID`` only."""
        import torch
        from torch.utils.flop_counter import FlopCounterMode

        from mifid.extractors import choose_device

        device = choose_device(job.device)
        step = build(job)
        numbers = torch.Generator().manual_seed(0)
        shape = (2, job.batch, 3, job.size, job.size)
        photos, paintings = (torch.rand(shape, generator=numbers) * 2 - 1).to(device)
        cls.running = lambda: step(photos, paintings)
        cls.wait = torch.cuda.synchronize if device.type == "cuda" else lambda: None
        counter = FlopCounterMode(display=False)
        with counter if job.way == MIFID else nullcontext():
            cls.running()
        for _ in range(WARM_UP):
            cls.running()
        cls.wait()
        return counter.get_total_flops() / job.batch

    @classmethod
    def run(cls, steps: int) -> float:
        """Return seconds per step."""
        start = time.perf_counter()
        for _ in range(steps):
            cls.running()
        cls.wait()
        return (time.perf_counter() - start) / steps

    @staticmethod
    def peak() -> float:
        """Return peak MiB: of tensors on CUDA, else of the whole process."""
        import torch

        if torch.cuda.is_initialized():
            return torch.cuda.max_memory_allocated() / 2**20
        return peak_mib()


@dataclass
class Found:
    """Results of a job: FLOP per pair if counted, seconds per step of each round, peak memory."""

    job: Job
    flop: float = 0.0
    seconds: list[float] = field(default_factory=list)
    peak_mib: float = 0.0


def rows(found: list[Found], peaks: dict[str, Any]) -> Iterator[list[str]]:
    """Yield one row per way; the ratio is the median over rounds."""
    reference = found[0]
    flop = next(one.flop for one in found if one.job.way == MIFID)
    for one in found:
        ratios = [a / b for a, b in zip(reference.seconds, one.seconds, strict=True)]
        pairs = one.job.batch / median(one.seconds)
        peak = peaks["bf16" if "bf16" in one.job.way else "float32"]
        row = [f"{one.job.network}, batch {one.job.batch}", one.job.way]
        row += [f"{1000 * median(one.seconds):,.1f}", f"{pairs:.2f}"]
        row += [f"{median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"]
        yield [*row, f"{one.peak_mib:,.0f}", f"{flop / 1e12:.2f}", f"{pairs * flop / peak:.0%}"]


EXPLANATION = """\
A step updates both generators and both discriminators once, with random pictures in memory. The \
plain loops follow common implementations: separate passes for real, painted and identity \
pictures, `InstanceNorm2d`, one `Adam` per network, and every loss read at each step. Two \
backwards means one for each generator, with the cycle loss in both (as in Keras's tutorial); \
one backward is over all losses of the generators. From the same weights, all ways compute the \
same losses. `mifid` is the default, which chooses the memory layout itself. Ways run in turn; \
the ratio is the time of the first way divided by the time of this one in the same round \
(median, minimum, maximum). Peak memory is that of tensors on a GPU, else of the process. TFLOP \
per pair are those of mifid, as counted by torch. Of peak is relative to the best rate of a \
matrix product or a 3x3 convolution in the same run."""

OF_METHODS = """\
A step updates all networks once, with random pictures in memory. The authors' loops are written \
as the authors' code is, with our networks, but `InstanceNorm2d` and torch's Adam: separate passes \
of real and of generated pictures, pictures that are made once for the discriminators and again \
for the generators (ugatit), gradients that nothing needs (ugatit), separate passes for the maps \
that PatchNCE compares (cut), a pass for each map (bayes-z), and a backward pass for each \
loss (uvcgan2). From the same weights, both compute the same losses, to the difference that \
spectral norm's further power iterations make. Ways run in turn; the ratio is the time of the \
authors' loop divided by the time of this way in the same round (median, minimum, maximum). The \
other columns are those of the table above."""

WAYS = (*PLAIN, *OURS, *OURS_ON_CUDA)
HEADER = (
    *("network", "way", "ms per step", "pairs/s", "times plain", "MiB"),
    *("TFLOP per pair", "of peak"),
)
PACKAGES = ("mifid", "torch", "numpy")


def roofs(device: str, side: int) -> dict[str, Any]:
    """Return the device, and the best FLOP/s of matrix products and convolutions, by precision.

    On some processors one library's convolutions are faster than another's matrix products.
    """
    import torch

    from mifid.extractors import choose_device

    chosen = choose_device(device)
    cuda = chosen.type == "cuda"
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32  # as for convolutions
    found: dict[str, Any] = {"device": chosen.type, "threads": torch.get_num_threads()}
    found |= {"name": torch.cuda.get_device_name()} if cuda else {}
    wait = torch.cuda.synchronize if cuda else lambda: None
    for name, dtype in (("float32", torch.float32), ("bf16", torch.bfloat16)):
        matrix = torch.rand(side, side, device=chosen).to(dtype)
        wide = side // 16
        maps = torch.rand(4, wide, 64, 64, device=chosen).to(dtype)
        kernel = torch.rand(wide, wide, 3, 3, device=chosen).to(dtype)
        works = (
            (2 * side**3, lambda a=matrix: a @ a),
            (18 * 4 * 64**2 * wide**2, lambda a=maps, k=kernel: torch.conv2d(a, k, padding=1)),
        )
        found[name] = max(flop / _shortest(work, wait) for flop, work in works)
    return found


def _shortest(work: Callable[[], Any], wait: Callable[[], None]) -> float:
    seconds = []
    for _ in range(10):
        start = time.perf_counter()
        work()
        wait()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def ways_on(device: str, network: str = "") -> tuple[str, ...]:
    """Return all ways to train a network on a device."""
    first = (AUTHORS,) if network in METHODS else PLAIN
    return (*first, *OURS, *(OURS_ON_CUDA if device.startswith("cuda") else ()))


def own_process() -> ProcessPoolExecutor:
    """Return a new process that calls functions one by one; it is forked from a small process."""
    context = get_context("forkserver")
    # torch takes seconds to import, and so does what it imports at an optimiser's first step.
    context.set_forkserver_preload(["mifid.baseline.gan.cyclegan", "torch._dynamo"])
    return ProcessPoolExecutor(1, mp_context=context)


def measure(jobs: list[Job], *, rounds: int, steps: int, limit: float) -> list[Found]:
    """Run the jobs in turn, so that other load of the machine affects all alike."""
    with ExitStack() as stack:
        processes = [stack.enter_context(own_process()) for _ in jobs]
        found = [
            Found(job, process.submit(Bench.prepare, job).result())
            for job, process in zip(jobs, processes, strict=True)
        ]
        start = time.perf_counter()
        while len(found[0].seconds) < rounds:
            for one, process in zip(found, processes, strict=True):
                one.seconds.append(process.submit(Bench.run, steps).result())
            if time.perf_counter() - start > limit:
                break
        for one, process in zip(found, processes, strict=True):
            one.peak_mib = process.submit(Bench.peak).result()
    return found


@click.command()
@click.option(
    "--networks",
    multiple=True,
    default=NETWORKS,
    show_default=True,
    type=click.Choice([*NETWORKS, *METHODS]),
)
@click.option(
    "--ways",
    multiple=True,
    type=click.Choice(WAYS),
    help="More ways than the first plain one and mifid. Default: all of the device.",
)
@click.option("--batch", "batches", multiple=True, type=int, default=(1, 4), show_default=True)
@click.option("--size", default=256, show_default=True, help="Side of the pictures in pixels.")
@click.option("--width", default=64, show_default=True, help="Channels of the first layers.")
@click.option("--rounds", default=5, show_default=True)
@click.option("--steps", default=3, show_default=True, help="Steps per way and round.")
@click.option(
    "--limit", default=600.0, show_default=True, help="Seconds for the rounds of one table."
)
@click.option("--product", default=4096, show_default=True, help="Side of the matrices.")
@click.option("--device", default="auto", show_default=True)
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write all numbers.")
@click.option("--docs", type=click.Path(path_type=Path), help="Write the section into this file.")
def main(
    networks: tuple[str, ...],
    ways: tuple[str, ...],
    batches: tuple[int, ...],
    size: int,
    width: int,
    rounds: int,
    steps: int,
    limit: float,
    product: int,
    device: str,
    json_file: Path | None,
    docs: Path | None,
) -> None:
    """Time a training step of each network, with plain loops and with mifid."""
    with own_process() as process:
        peaks = process.submit(roofs, device, product).result()
    found = []
    for network in networks:
        for batch in batches:
            known = ways_on(peaks["device"], network)
            jobs = [
                Job(way, network, batch, size, width, device)
                for way in known
                if not ways or way in (known[0], MIFID, *ways)
            ]
            found.append(measure(jobs, rounds=rounds, steps=steps, limit=limit))
            for row in rows(found[-1], peaks):
                click.echo(" | ".join(row))
    if json_file:
        jobs_found = [asdict(one) for group in found for one in group]
        json_file.write_text(json.dumps({"peaks": peaks, "found": jobs_found}, indent=1) + "\n")
    place = peaks.get("name") or f"the CPU with {peaks['threads']} threads"
    place = f"On {place}, medians of {rounds} rounds of {steps} steps."
    best = (f"{peaks[name] / 1e12:.2f} TFLOP/s in {name}" for name in ("float32", "bf16"))
    origin = (
        f"Peak: {' and '.join(best)}. {describe_machine(PACKAGES)}. Pictures of {size} x {size}"
    )
    sections = (
        ("step-time", "Step time", EXPLANATION, False),
        ("step-time-of-methods", "Step time of other methods", OF_METHODS, True),
    )
    for name, title, explained, of_methods in sections:
        chosen = [group for group in found if (group[0].job.network in METHODS) == of_methods]
        if not chosen:
            continue
        table = markdown_table(HEADER, (row for group in chosen for row in rows(group, peaks)))
        text = f"""\
## {title}

{place} {explained}

{table}

{origin}. Repeat with `{again("training")}`."""
        click.echo(text)
        if docs:
            docs.exists() or docs.write_text("# Training\n")
            write_section(docs, name, text)


if __name__ == "__main__":
    main()
