"""What a training step costs, against a plain loop as the common implementations write it.

python benchmarks/training.py --docs docs/training.md
python benchmarks/training.py --networks unet --batch 4 --size 128

plain_loop.py says what the plain loops do. The ways take turns, each in a process of its own.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import click
from machine import describe_machine, markdown_table, write_section
from training_job import NETWORKS, OURS, OURS_ON_CUDA, PLAIN, Bench, Job
from training_report import Found, explain, rows

PACKAGES = ("mifid", "torch", "numpy")


def roofs(device: str, side: int) -> dict[str, Any]:
    """Return the device, and the best FLOP/s of matrix products and convolutions, by precision.

    On some processors one library's convolutions are faster than another's matrix products.
    """
    import torch

    from mifid.extractors import choose_device

    chosen = choose_device(device)
    cuda = chosen.type == "cuda"
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32  # as convolutions have
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


def own_process() -> ProcessPoolExecutor:
    """Return a fresh process that calls functions one by one; all are forked from a small one."""
    context = get_context("forkserver")
    context.set_forkserver_preload(["mifid.baseline.gan.cyclegan"])  # torch takes seconds to import
    return ProcessPoolExecutor(1, mp_context=context)


def measure(jobs: list[Job], *, rounds: int, steps: int, limit: float) -> list[Found]:
    """Let the jobs take turns, so that whatever else the machine does meets all alike."""
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
@click.option("--networks", multiple=True, type=click.Choice(list(NETWORKS)), help="Default: all.")
@click.option("--batch", "batches", multiple=True, type=int, default=(1, 4), show_default=True)
@click.option("--size", default=256, show_default=True, help="Pixels a side.")
@click.option("--width", default=64, show_default=True, help="Channels of the first layers.")
@click.option("--rounds", default=5, show_default=True)
@click.option("--steps", default=3, show_default=True, help="Steps of each way in a round.")
@click.option("--limit", default=600.0, show_default=True, help="Seconds, for one table's rounds.")
@click.option("--product", default=4096, show_default=True, help="Side of the matrices.")
@click.option("--device", default="auto", show_default=True)
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write all numbers.")
@click.option("--docs", type=click.Path(path_type=Path), help="Write the section into this file.")
def main(
    networks: tuple[str, ...],
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
    """Time a training step of each network: plain loops, and ours."""
    with own_process() as process:
        peaks = process.submit(roofs, device, product).result()
    ways = [*PLAIN, *OURS, *(OURS_ON_CUDA if peaks["device"] == "cuda" else ())]
    found = []
    for network in networks or NETWORKS:
        for batch in batches:
            jobs = [Job(way, network, batch, size, width, device) for way in ways]
            found.append(measure(jobs, rounds=rounds, steps=steps, limit=limit))
            for row in rows(found[-1], peaks):
                click.echo(" | ".join(row))
    if json_file:
        told = [asdict(one) for group in found for one in group]
        json_file.write_text(json.dumps({"peaks": peaks, "found": told}, indent=1) + "\n")
    repeated = " ".join(f"--batch {batch}" for batch in batches)
    header = ["network", "way", "ms a step", "pairs/s", "times plain", "MiB", "TFLOP a pair"]
    lines = (row for group in found for row in rows(group, peaks))
    text = "\n\n".join(
        [
            "## Step time",
            explain(peaks, rounds, steps),
            markdown_table([*header, "of peak"], lines),
            f"{describe_machine(PACKAGES)}. Pictures of {size} x {size}. Again with `python "
            f"benchmarks/training.py {repeated} --size {size} --rounds {rounds} --steps {steps} "
            "--docs docs/training.md`.",
        ]
    )
    click.echo(text)
    if docs:
        docs.exists() or docs.write_text("# Training\n")
        write_section(docs, "step-time", text)


if __name__ == "__main__":
    main()
