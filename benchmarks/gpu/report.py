"""Section of docs/benchmarks.md on the GPU, from results.json."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from benchmarks.gpu.stage import STAGES
from benchmarks.machine import markdown_table

Found = Mapping[str, Any]

TITLES = {
    "parity": "Features, FID and distance compared with the CPU",
    "network": "The network alone",
    "pipeline": "Stages from a zip to features",
    "submission": "A submission, from zip to score",
    "peers": "Other tools on the same device",
    "training": "Training step",
    "generation": "Generating a submission",
    "train-short": "A short training run",
}

TEXTS = {
    "parity": "Errors of features are relative to a float64 run of torch-fidelity's layers; "
    "differences of FID and memorization distance are relative to the exact values. `exact` and "
    "`fast` are mifid's `--precision`; the others are the same network in other arithmetic.",
    "network": "The input is on the device, 299 x 299. Shares of the roof are relative to the "
    "TFLOP/s of large matrix products. Compiled networks use channels last.",
    "submission": "Seconds after imports do not include starting Python and importing.",
    "peers": "Whole processes run in turn, from start to score. By default, torch convolves on "
    "CUDA in TF32, so the first numbers of other tools use it; mifid uses float32. Without TF32 "
    "is one more run of each with NVIDIA_TF32_OVERRIDE=0; this number must agree.",
    "train-short": "Losses and scores of a few steps only show that training works.",
}

NOT_MEASURED = (
    "**Not measured.** No GPU was available: nothing has run on one, and no number in this project "
    "is from a GPU. Tests run the GPU code on the CPU, except for the parts that only CUDA has: "
    "graphs, streams and pinned memory. `benchmarks/gpu/` holds the measurements and checks; tests "
    "run all of its stages at toy size."
)

REPEAT = """\
To measure it, on a machine with an NVIDIA GPU (each stage takes at most nine minutes):

```sh
python -m benchmarks.gpu --device cuda --out FOLDER --docs docs/benchmarks.md
```

This needs a checkout, and mifid with the extra `peers`, in an environment with CUDA in torch."""


def describe(results: Mapping[str, Any]) -> str:
    """Return the section; without results, a statement that there are none."""
    head = "## On a GPU"
    stages = results["stages"]
    if not stages:
        return f"{head}\n\n{NOT_MEASURED}\n\n{REPEAT}"
    parts = [
        head,
        _warning(results),
        _machine(results["machine"]),
        _pictures(stages),
        _outcomes(stages),
    ]
    for name, title in TITLES.items():
        if found := stages.get(name, {}).get("found"):
            parts += [f"### {title}", TEXTS.get(name, ""), *_tables(found)]
    return "\n\n".join([*filter(None, parts), REPEAT])


def _tables(found: Found) -> Iterator[str]:
    """Yield the results of a stage: single numbers, then one table per list or dict."""
    single = {name: value for name, value in found.items() if not isinstance(value, dict | list)}
    if single:
        yield markdown_table(["found", ""], [[_words(k), digits(v)] for k, v in single.items()])
    for name, value in found.items():
        if name in single or not value:
            continue
        rows = value if isinstance(value, dict) else dict(enumerate(value))
        values = list(rows.values())
        if isinstance(value, list) and isinstance(values[0], str):  # another benchmark's table
            yield "\n".join(values)
        elif isinstance(values[0], dict):
            keys = list(dict.fromkeys(key for row in values for key in row))
            cells = [
                [str(k), *(digits(row.get(key, "")) for key in keys)] for k, row in rows.items()
            ]
            yield markdown_table([_words(name), *map(_words, keys)], cells)
        else:
            yield markdown_table([_words(name), ""], [[str(k), digits(v)] for k, v in rows.items()])


def _warning(results: Mapping[str, Any]) -> str:
    if results["toy"]:
        return "**Toy sizes: these numbers only show that every stage runs.**"
    if results["device"] == "cpu":
        return "**Run on a CPU: no number is from a GPU.**"
    return ""


def _machine(machine: Found) -> str:
    """Return one line, with the GPU first."""
    words = [f"{len(machine['gpus'])} x {machine['gpus'][0]}"] if machine.get("gpus") else []
    if "gpu_memory_gib" in machine:
        words.append(f"{machine['gpu_memory_gib']:.0f} GiB")
    words += [f"{name} {machine[name]}" for name in ("driver", "cuda", "cudnn") if name in machine]
    return f"{', '.join(words)}; {machine.get('described', '')}.".removeprefix("; ")


def _pictures(stages: Mapping[str, Found]) -> str:
    found = stages.get("pictures", {}).get("found", {})
    words = [
        f"{found[name]:,} {name}{' drawn by mifid' if found[f'{name}_drawn'] else ''}"
        for name in ("photos", "paintings")
        if f"{name}_drawn" in found
    ]
    line = f"{' and '.join(words)}; weights of `inception-random` (seeded, not trained)."
    return line if words else ""


def _outcomes(stages: Mapping[str, Found]) -> str:
    """Return tables of the outcomes of all stages and checks."""
    rows = []
    if stages.get("pictures", {}).get("status", "passed") != "passed":
        rows.append(_outcome("pictures", stages["pictures"]))
    rows += [_outcome(name, stages.get(name)) for name in STAGES]
    checks = [
        [
            name,
            check["name"],
            digits(check["value"]),
            check["bound"],
            "yes" if check["passed"] else "**no**",
        ]
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


def digits(value: Any) -> str:
    """Return six digits of a number, enough for FID; words are unchanged."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return ", ".join(f"{_words(key)} {digits(each)}" for key, each in value.items())
    if isinstance(value, list):
        return ", ".join(map(digits, value))
    if value is None or not isinstance(value, int | float):
        return str("" if value is None else value).replace("|", "/")
    return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:.6g}"


def _words(name: str) -> str:
    return name.replace("_", " ")
