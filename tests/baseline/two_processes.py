"""What each of two processes does in test_processes: python two_processes.py PICTURES OUT PORTS.

It trains several times, as processes that torchrun starts would, and tells what came of it.
"""

import json
import os
import signal
import sys
import warnings
from pathlib import Path

import torch
from small import changed
from toys import colours

import mifid.baseline.run.loop as loop_module
import mifid.baseline.run.run as run_module
import mifid.baseline.run.snapshots as snapshots_module
import mifid.baseline.training as training_module
from mifid.baseline.distributed import start_processes
from mifid.baseline.gan.precision import Precision, choose_precision
from mifid.errors import MifidError, MifidWarning

CONFIG = changed(
    # What leaves rounding as small as it is. Over channels that are next to constant, instance norm
    # multiplies it by up to 1 / sqrt(eps) = 316 a layer; Adam makes whole steps of gradients that
    # are nothing else, and would not notice a sum where a mean belongs.
    generator={"norm": "none"},
    discriminator={"norm": "none"},
    optimiser={"name": "sgd", "rate": 1e-3, "discriminator_rate": 2e-3},
    augment={"turns": True, "vary": True},
    diffaugment={"color": 0.5, "translation": 0.5, "cutout": 0.5},
    loss={"label_noise": 0.1, "flip": 0.2, "input_noise": 0.1},
    training={"batch": 4, "pool": 0, "log_steps": 1},
    score={"points": 1},
)

METHODS = {
    "bayes": changed(
        CONFIG,
        generator={"network": "map_resnet"},
        loss={"gamma": 0.5},
        training={"method": "bayes_cyclegan", "mc_samples": 2},
    ),
    "gan": changed(
        CONFIG,
        generator={"network": "dcgan", "latent": 8},
        training={"method": "gan"},
    ),
    "inpainting": changed(
        CONFIG,
        inpainting={"tile": 4},
        training={"method": "inpainting"},
        diffaugment={"color": 0.0},
    ),
    "cut": changed(CONFIG, loss={"flip_equivariance": True}, training={"method": "cut"}),
    # A large epsilon: instance norm would multiply rounding over channels next to constant.
    "ugatit": changed(
        CONFIG,
        generator={"network": "ugatit", "norm_eps": 1.0, "init": 0.1},
        discriminator={"network": "ugatit", "init": 0.1},
        training={"method": "ugatit"},
    ),
}
"""Further methods, which two processes train as one does: name -> configuration."""


def train(pictures, out, config=CONFIG, **options):
    """Train alone or together, up to the hand-in."""
    return training_module.train_baseline(
        pictures / "photos", pictures / "monets", out, config=config, extractor=colours, **options
    )


def leave_out_pictures(patch):
    """Paint and plot nothing: it is not what is tested."""
    patch(training_module, "_submit", lambda _run, trained, *_, **__: trained)
    patch(snapshots_module, "plot_losses", lambda *_, **__: None)
    patch(snapshots_module, "plot_scores", lambda *_, **__: None)


def exchanges(told):
    """Everything that processes tell each other, on numbers that give themselves away."""
    with start_processes() as processes:
        rank = processes.rank
        a, b, unused = (torch.zeros(n, requires_grad=True) for n in (2, 3, 1))
        a.grad = torch.tensor([1.0, 2.0]) + 10 * rank
        b.grad = torch.full((3,), float(rank))
        processes.average_gradients([a, unused, b])
        told["gradients"] = [a.grad.tolist(), b.grad.tolist(), unused.grad]
        told["average"] = processes.average(torch.tensor([rank, 4.0])).tolist()
        told["from first"] = processes.from_first([0.1 + rank, 1e-300 * rank])
        told["highest"] = [processes.highest(15 * rank), processes.highest(-rank)]
        for failing in ((), (0,), (1,), (0, 1)):
            try:
                with processes.together():
                    if rank in failing:
                        raise ValueError(f"of {rank}")
                said = "went on"
            except (ValueError, MifidError) as error:
                said = f"{type(error).__name__}: {error}"
            told[f"together {failing}"] = said
    return told


def stop_at(step, rank):
    """Let one process alone get a SIGTERM."""
    original = loop_module.Trainer._step

    def stepping(self):
        losses = original(self)
        if self.step == step and self.processes.rank == rank:
            signal.raise_signal(signal.SIGTERM)
        return losses

    loop_module.Trainer._step = stepping
    return lambda: setattr(loop_module.Trainer, "_step", original)


def train_in_float16(pictures, out):
    """Train as on a T4, in the CPU's float16, with a scale that the first steps overflow."""
    t4 = Precision("float16", "Tesla T4 (compute capability 7.5)", "tensor cores")
    scaler = torch.amp.GradScaler
    run_module.choose_precision = lambda *_: t4
    torch.amp.GradScaler = lambda kind: scaler(kind, 2.0**20)
    try:
        return train(pictures, out)
    finally:
        run_module.choose_precision, torch.amp.GradScaler = choose_precision, scaler


def on_two_machines(pictures, out):
    """Train as two machines without a common disk would; yield name -> call, in this order."""
    rank = int(os.environ["RANK"])
    own = {"MIFID_CACHE": str(out / f"cache-{rank}"), "LOCAL_RANK": "0", "GROUP_RANK": str(rank)}
    before = {name: os.environ.get(name) for name in own}
    os.environ.update(own)
    mine, other = out / f"machine-{rank}", out / f"machine-{1 - rank}"
    changed_there = pictures.parent / "changed" if rank else pictures
    restore = stop_at(3, rank=1)
    yield "machines stopped", lambda: train(pictures, mine)
    restore()
    yield "machines exchanged", lambda: train(pictures, other, resume=True)
    yield "machines resumed", lambda: train(pictures, mine, resume=True)
    yield "one resumes", lambda: train(pictures, mine, resume=rank == 0)
    yield "other pictures", lambda: train(changed_there, out / f"pictures-{rank}")
    settings = ["optimiser.rate=0.5", "training.seed=7"] if rank else []
    yield "other settings", lambda: train(pictures, out / f"settings-{rank}", settings=settings)
    used = out / ("two" if rank else "unused")
    yield "used folder", lambda: train(pictures, used)
    for name, value in before.items():
        os.environ.pop(name, None) if value is None else os.environ.update({name: value})


def outcome(run):
    """Return what a training run came to, in words."""
    try:
        trained = run()
    except MifidError as error:
        return f"{type(error).__name__}: {error.message}"
    signal_name = trained.interrupted.name if trained.interrupted else "complete"
    return f"{signal_name} at {trained.step}"


def threads():
    """Return the names of this process's threads, torch's own among them (Linux)."""
    tasks = Path("/proc/self/task")
    return [(task / "comm").read_text().strip() for task in tasks.glob("*")]


def main():
    torch.set_num_threads(1)
    pictures, out, ports = Path(sys.argv[1]), Path(sys.argv[2]), iter(sys.argv[3].split(","))
    leave_out_pictures(setattr)
    told = {}
    warned = []
    warnings.showwarning = lambda message, *_: warned.append(str(message))
    warnings.simplefilter("always", MifidWarning)

    def step(name, run):
        os.environ["MASTER_PORT"] = next(ports)
        told[name] = run()

    step("exchanges", lambda: exchanges({}))
    step("whole", lambda: outcome(lambda: train(pictures, out / "two")))
    restore = stop_at(3, rank=1)
    step("stopped", lambda: outcome(lambda: train(pictures, out / "parts")))
    restore()
    step("resumed", lambda: outcome(lambda: train(pictures, out / "parts", resume=True)))
    odd = changed(CONFIG, training={"batch": 3})
    step("odd", lambda: outcome(lambda: train(pictures, out / "odd", odd)))
    step("other", lambda: outcome(lambda: train(pictures, out / "one", resume=True)))
    typo = ["loss.cicle=5"]
    step("typo", lambda: outcome(lambda: train(pictures, out / "typo", settings=typo)))
    step("half", lambda: outcome(lambda: train_in_float16(pictures, out / "half")))
    for name, config in METHODS.items():
        step(name, lambda: outcome(lambda: train(pictures, out / f"{name}-two", config)))  # noqa: B023
    for name, call in on_two_machines(pictures, out):
        step(name, lambda: outcome(call))  # noqa: B023
    told["warned"] = warned
    told["threads"] = threads()
    (out / f"told{os.environ['RANK']}.json").write_text(json.dumps(told))


if __name__ == "__main__":
    main()
