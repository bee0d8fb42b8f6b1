"""The section of docs/benchmarks.md: what results.json holds, in words and tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from benchmarks.gpu.stage import STAGES
from benchmarks.machine import markdown_table

Found = Mapping[str, Any]


def _parity(found: Found) -> list[str]:
    text = (
        f"{found['pictures'][0]} generated and {found['pictures'][1]} reference pictures. Errors "
        "of features are relative to a float64 run of torch-fidelity's layers; differences of FID "
        "and memorization distance are relative to the exact ones. `exact` and `fast` are "
        "mifid's `--precision`; the rows below them are the same network in another arithmetic. "
        f"Two runs are identical to the last bit: {_word(found['bit_identical_when_repeated'])}."
    )
    rows = [
        [name, *(digits(row[key]) for key in ("feature_error", *MOVED))]
        for name, row in found.get("precisions", {}).items()
    ]
    header = ["arithmetic", "error of features", "FID moves by", "distance moves by"]
    return [text, markdown_table(header, rows)]


MOVED = ("fid_difference", "distance_difference")


def _network(found: Found) -> list[str]:
    roofs = found.get("matrix_tflop_per_second", {})
    products = ", ".join(f"{digits(rate)} in {name}" for name, rate in roofs.items())
    copies = ", ".join(f"{k} {digits(v)}" for k, v in found.get("copy_gb_per_second", {}).items())
    rows = [
        [
            f"{row['arithmetic']}, batch {row['batch']}",
            row["layout"],
            row["launch"],
            _word(row["cudnn_benchmark"]),
            f"{row['pictures_per_second']:,.0f}",
            digits(row["tflop_per_second"]),
            f"{row['tflop_per_second'] / roofs[row['arithmetic']]:.0%}"
            if row["arithmetic"] in roofs
            else "",
        ]
        for row in found.get("variants", [])
    ]
    header = ["arithmetic", "layout", "launched", "cuDNN tries", "pictures/s", "TFLOP/s", "of roof"]
    compiled = [
        f"{row['arithmetic']}: "
        + (
            row.get("error")
            or f"{row['pictures_per_second']:,.0f} pictures/s after {row['compile_seconds']:.0f} s"
        )
        for row in found.get("compiled", [])
    ]
    return [
        f"Input on the device, 299 x 299, {digits(found['gflop_a_picture'])} GFLOP a picture. "
        f"TFLOP/s of large matrix products (the roof): {products}. GB/s of copies: {copies}.",
        markdown_table(header, rows),
        f"torch.compile, channels last: {'; '.join(compiled) or 'not measured'}.",
    ]


def _pipeline(found: Found) -> list[str]:
    rows = [[k, f"{v:,.0f}"] for k, v in found["pictures_per_second"].items()]
    ratio = found.get("extraction_over_bare_network")
    text = f"{found['pictures']:,} pictures in a zip; each stage alone, then all of them"
    text += f": {ratio:.2f} of the network alone." if ratio is not None else "."
    return [text, markdown_table(["stage", "pictures/s"], rows)]


def _submission(found: Found) -> list[str]:
    rows = [
        [
            row["name"],
            f"{row['fid']:.6f}",
            *(f"{seconds:.2f}" for seconds in row["seconds_by_stage"].values()),
            *(_seconds(row[key]) for key in ("process_seconds", "seconds_after_imports")),
            f"{row['peak_mib']:,.0f}",
        ]
        for row in found.get("runs", [])
    ]
    if not rows:
        return []
    stages = [f"{name} s" for name in found["runs"][0]["seconds_by_stage"]]
    text = "{:,} pictures against {:,}".format(*found["runs"][0]["pictures"])
    text += f". Starting Python and importing takes {found['import_seconds']:.2f} s."
    header = ["run", "FID", *stages, "process s", "after imports s", "peak MiB"]
    return [text, markdown_table(header, rows)]


def _peers(found: Found) -> list[str]:
    exact = found.get("without_tf32", {})
    rows = [
        [
            name,
            f"{row['seconds']:.2f}",
            f"{row['pictures_per_second']:,.0f}",
            f"{row['times_mifid']:.2f}",
            f"{row['fid']:.6f}",
            f"{exact[name]['fid']:.6f}" if name in exact else "",
            f"{exact[name]['seconds']:.2f}" if name in exact else "",
        ]
        for name, row in found.get("tools", {}).items()
    ]
    text = (
        "Whole processes, from start to number, in turn. As torch comes, convolutions on CUDA use "
        "TF32, so the peers' first numbers are TF32's; mifid is float32. Without TF32 is one more "
        "run of each with NVIDIA_TF32_OVERRIDE=0: that number is the one that has to agree."
    )
    header = ["tool", "s", "pictures/s", "times mifid's time", "FID", "FID without TF32", "s"]
    return [text, markdown_table(header, rows)]


def _table(found: Found) -> list[str]:
    return ["\n".join(found.get("table", []))]


def _train_short(found: Found) -> list[str]:
    keys = ("seconds", "steps", "pairs_per_second", "cycle_loss_first", "cycle_loss_last", "fid")
    rows = [
        [name, *(digits(row[key]) for key in keys)]
        for name, row in found.items()
        if isinstance(row, dict)
    ]
    words = [key.replace("_", " ") for key in keys]
    text = "Losses and scores of a few steps say that training works, not how well."
    return [text, markdown_table(["precision", *words], rows)]


SECTIONS: dict[str, tuple[str, Callable[[Found], list[str]]]] = {
    "parity": ("Features, FID and distance against the CPU's", _parity),
    "network": ("The bare network", _network),
    "pipeline": ("From a zip to features, stage by stage", _pipeline),
    "submission": ("A submission, from zip to number", _submission),
    "peers": ("Other tools on the same device", _peers),
    "training": ("A training step", _table),
    "generation": ("Painting a submission", _table),
    "train-short": ("A short training", _train_short),
}
"""Stage -> its title, and what was found -> paragraphs."""


def digits(value: Any) -> str:
    """Three digits of a number; words as they are."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _seconds(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _word(value: Any) -> str:
    return "yes" if value else "no"


COMMAND = "python -m benchmarks.gpu --device cuda --out FOLDER --docs docs/benchmarks.md"


def describe(told: Mapping[str, Any]) -> str:
    """Return the section of docs/benchmarks.md; without results it says that there are none."""
    head = "## On a GPU"
    if not told["stages"]:
        return f"{head}\n\n{NOT_MEASURED}\n\n{REPEAT}"
    parts = [head, _warning(told), _machine(told["machine"]), _pictures(told["stages"])]
    parts.append(_outcomes(told["stages"]))
    for name, (title, render) in SECTIONS.items():
        found = told["stages"].get(name, {}).get("found")
        if found:
            parts.append(f"### {title}")
            try:
                parts += render(found)
            except KeyError:  # of a stage that was stopped
                parts.append("Not complete: results.json holds what there is.")
    return "\n\n".join([*filter(None, parts), REPEAT])


NOT_MEASURED = (
    "**Not measured.** No GPU was at hand: nothing here has run on one, and no number in this "
    "project is a GPU's. The code for it runs in the tests on the CPU, but for what only CUDA has: "
    "graphs, streams and pinned memory. What is to be measured, and checked, is in "
    "`benchmarks/gpu/`; the tests run all of its stages at toy size."
)

REPEAT = f"""\
To measure it, on a machine with an NVIDIA GPU (each stage takes at most nine minutes):

```sh
{COMMAND}
```

It needs this checkout, and mifid with its extra `peers`, in an environment whose torch has CUDA."""


def _warning(told: Mapping[str, Any]) -> str:
    if told["toy"]:
        return "**Toy sizes: that every stage runs is all that these numbers say.**"
    if told["device"] == "cpu":
        return "**Run on a CPU: no number here is a GPU's.**"
    return ""


def _machine(machine: Found) -> str:
    """One line: the GPU first."""
    words = [f"{len(machine['gpus'])} x {machine['gpus'][0]}"] if machine.get("gpus") else []
    if "gpu_memory_gib" in machine:
        words.append(f"{machine['gpu_memory_gib']:.0f} GiB")
    words += [f"{name} {machine[name]}" for name in ("driver", "cuda", "cudnn") if name in machine]
    line = ", ".join(words)
    return f"{line}; {machine.get('described', '')}.".removeprefix("; ")


def _pictures(stages: Mapping[str, Found]) -> str:
    found = stages.get("pictures", {}).get("found", {})
    words = [
        f"{found[name]:,} {name}{' drawn by mifid' if found[f'{name}_drawn'] else ''}"
        for name in ("photos", "paintings")
        if f"{name}_drawn" in found
    ]
    if not words:
        return ""
    return f"{' and '.join(words)}; weights of `inception-random` (seeded, not trained)."


def _outcomes(stages: Mapping[str, Found]) -> str:
    """Whether each stage passed, and every check."""
    rows = []
    if stages.get("pictures", {}).get("status", "passed") != "passed":
        rows.append(_outcome("pictures", stages["pictures"]))
    rows += [_outcome(name, stages.get(name)) for name in STAGES]
    checks = [
        [name, check["name"], digits(check["value"]), check["bound"], _verdict(check)]
        for name in STAGES
        for check in stages.get(name, {}).get("checks", [])
    ]
    text = markdown_table(["stage", "outcome", "seconds", "why"], rows)
    header = ["stage", "check", "found", "expected", "passed"]
    return f"{text}\n\n{markdown_table(header, checks)}" if checks else text


def _outcome(name: str, stage: Found | None) -> list[str]:
    if stage is None:
        return [name, "not measured", "", ""]
    why = stage["error"].splitlines()[0][:160].replace("|", "/") if stage["error"] else ""
    return [name, stage["status"], f"{stage['seconds']:.0f}", why]


def _verdict(check: Found) -> str:
    return "yes" if check["passed"] else "**no**"
