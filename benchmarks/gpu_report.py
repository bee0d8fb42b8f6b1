"""results.json in words and tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gpu_child import STAGES
from gpu_sections import SECTIONS, Found, digits
from machine import markdown_table

__all__ = ["COMMAND", "describe"]

COMMAND = "python benchmarks/gpu.py run --device cuda --out FOLDER --docs docs/benchmarks.md"


def describe(told: Mapping[str, Any] | None) -> str:
    """Return the section of docs/benchmarks.md; without results it says that there are none."""
    head = "## On a GPU"
    if told is None or not told["stages"]:
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
    "`benchmarks/gpu.py`; the tests run all of its stages at toy size."
)

REPEAT = f"""\
To measure it, on a machine with an NVIDIA GPU (each stage takes at most nine minutes):

```sh
{COMMAND}
```

It needs this checkout, Python, torch, torchvision, NumPy, SciPy and Pillow. What else mifid and the
other tools need can be carried to a machine without a network: `python benchmarks/gpu.py wheels
FOLDER` where there is one, `python benchmarks/gpu.py install FOLDER` where there is none."""


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
