"""Checkpoints are whole, and the last two are kept."""

import zipfile

import pytest
import torch

from mifid.baseline.distributed import ALONE, Processes
from mifid.baseline.gan.states import check_state
from mifid.baseline.run import checkpoint as module
from mifid.baseline.run.checkpoint import (
    Checkpoints,
    random_state,
    restore_random_state,
)
from mifid.errors import InputError, OutputError


def state(value):
    return {"tensor": torch.full((3,), float(value))}


def test_what_is_saved_is_loaded(tmp_path):
    kept = Checkpoints(tmp_path / "checkpoints", ALONE)
    assert kept.last() is None
    kept.save(5, state(5))
    loaded = kept.load(5)
    assert loaded["step"] == 5
    assert loaded["tensor"].tolist() == [5, 5, 5]


def test_the_last_two_are_kept(tmp_path):
    kept = Checkpoints(tmp_path, ALONE)
    for step in (0, 7, 100, 20_000):
        kept.save(step, state(step))
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "step-00000100.rank0.pt",
        "step-00020000.rank0.pt",
    ]
    assert kept.last() == 20_000


def test_one_can_be_kept_and_there_are_never_more_than_two(tmp_path, monkeypatch):
    found = []
    write = module._write
    monkeypatch.setattr(
        module, "_write", lambda path, state: (write(path, state), found.append(names(tmp_path)))
    )

    def names(folder):
        return [int(path.name[5:13]) for path in sorted(folder.iterdir())]

    for kept, left in ((1, [9]), (2, [7, 9])):
        found.clear()
        for path in tmp_path.iterdir():
            path.unlink()
        checkpoints = Checkpoints(tmp_path, ALONE, kept=kept)
        for step in (0, 5, 7, 9):
            checkpoints.save(step, state(step))
        assert found == [[0], [0, 5], [5, 7], [7, 9]]
        assert names(tmp_path) == left


class BesideStep1(Processes):
    """The first of two processes; the other one has the checkpoint of step 1 alone."""

    def of_all(self, values):
        return [list(values), [1, *[-1] * (len(values) - 1)]]


def test_what_one_process_alone_has_written_is_not_kept_instead_of_a_whole_one(tmp_path):
    for step, ranks in ((1, (0, 1)), (2, (0,))):
        for rank in ranks:
            whole = {"version": 2, "world": 2, "step": step}
            torch.save(whole, tmp_path / f"step-{step:08}.rank{rank}.pt")
    kept = Checkpoints(tmp_path, BesideStep1(0, 2), kept=1)
    kept._keep(kept._whole()[-1:])  # as before the next one is written
    assert sorted(path.name[5:19] for path in tmp_path.iterdir()) == [
        "00000001.rank0",
        "00000001.rank1",
    ]


def whole_state(seed):
    """The parts of a run's state, with values of very different sizes."""
    draw = torch.Generator().manual_seed(seed)

    def drawn(*shape):
        return torch.randn(shape, generator=draw) * 10 ** torch.randn(shape, generator=draw)

    painter = {"weight": drawn(60, 60), "bias": drawn(60)}
    averaged = {f"module.{k}": v + 1e-3 * drawn(*v.shape) for k, v in painter.items()}
    moments = {"step": torch.tensor(7.0), "exp_avg": drawn(60, 60)}
    moments["exp_avg_sq"] = (1e-15 * drawn(60, 60)).square()
    return {
        "method": {
            "networks": {"painter": painter},
            "generators": {"adam": {"state": {0: moments}, "param_groups": [{"params": [0]}]}},
            "painting_pool": {"pictures": drawn(2, 3, 20, 20).clamp(-1, 1)},
        },
        "average": {"n_averaged": torch.tensor(7), **averaged},
        "random": torch.randint(0, 256, (5000,), dtype=torch.uint8, generator=draw),
        "best": {"step": 3},
    }


def test_a_compact_one_keeps_the_weights_and_rounds_what_a_run_recovers_from(tmp_path):
    before = whole_state(1)
    exact = Checkpoints(tmp_path / "exact", ALONE).save(1, before).stat().st_size
    kept = Checkpoints(tmp_path, ALONE, exact=False)
    assert kept.save(1, before).stat().st_size < 0.6 * exact
    after = kept.load(1)
    assert {*after} == {*before, "version", "world", "step"}
    assert torch.equal(after["random"], before["random"])
    assert after["best"] == before["best"]
    own, averaged = before["method"]["networks"]["painter"], before["average"]
    assert all(torch.equal(after["method"]["networks"]["painter"][k], own[k]) for k in own)
    unit = 2.0**-8  # of bfloat16's eight bits
    for key in own:
        difference = averaged[f"module.{key}"] - own[key]
        error = (after["average"][f"module.{key}"] - averaged[f"module.{key}"]).abs()
        rounding = 2.0**-23 * own[key].abs()  # of adding it to the weight again
        assert (error <= unit * difference.abs() + rounding).all()
    was, now = (each["method"]["generators"]["adam"] for each in (before, after))
    assert now["param_groups"] == was["param_groups"]
    was, now = was["state"][0], now["state"][0]
    assert now["step"] == 7
    assert now["exp_avg"].dtype == torch.float32
    assert torch.equal(now["exp_avg"], torch.zeros(60, 60))
    normal = was["exp_avg_sq"] >= torch.finfo(torch.float32).tiny
    assert normal.float().mean() > 0.9
    wrong = (now["exp_avg_sq"] - was["exp_avg_sq"]).abs()[normal]
    assert (wrong <= unit * was["exp_avg_sq"][normal]).all()
    pictures = [each["method"]["painting_pool"]["pictures"] for each in (before, after)]
    assert (pictures[0] - pictures[1]).abs().max() <= unit
    assert before["average"]["module.weight"].dtype == torch.float32  # the run's own is untouched


@pytest.mark.parametrize("rounded", [5, ["average.module.weight"], ["method.networks"]])
def test_a_compact_one_that_does_not_fit_is_refused(rounded, tmp_path):
    kept = Checkpoints(tmp_path, ALONE, exact=False)
    path = kept.save(1, whole_state(1))
    changed = torch.load(path, weights_only=True)
    changed["rounded"] = rounded
    changed["method"] = {"networks": {"painter": {"weight": torch.zeros(7, 7)}}}
    torch.save(changed, path)
    if rounded == ["method.networks"]:
        assert kept.load(1)["step"] == 1  # names nothing
    else:
        with pytest.raises(InputError, match="not a readable checkpoint"):
            kept.load(1)


def test_a_damaged_one_is_told_and_the_one_before_named(tmp_path):
    kept = Checkpoints(tmp_path, ALONE)
    kept.save(1, state(1))
    path = kept.save(2, state(2))
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(InputError, match=r"step-00000002.rank0.pt is not a readable") as error:
        kept.load(2)
    assert "step-00000001" in error.value.hint


def test_code_in_a_checkpoint_is_not_run(tmp_path):
    class Evil:
        def __reduce__(self):
            return (print, ("owned",))

    torch.save({"version": 2, "world": 1, "x": Evil()}, tmp_path / "step-00000001.rank0.pt")
    with pytest.raises(InputError, match="not a readable checkpoint"):
        Checkpoints(tmp_path, ALONE).load(1)


def test_another_version_is_refused(tmp_path):
    kept = Checkpoints(tmp_path, ALONE)
    torch.save({"version": 99, "world": 1}, tmp_path / "step-00000001.rank0.pt")
    with pytest.raises(InputError, match="checkpoint version 99; this mifid reads version 2"):
        kept.load(1)


def test_a_step_counts_when_every_process_has_written_it(tmp_path):
    for step, ranks in ((1, (0, 1)), (2, (0,))):
        for rank in ranks:
            whole = {"version": 2, "world": 2, "step": step}
            torch.save(whole, tmp_path / f"step-{step:08}.rank{rank}.pt")
    assert Checkpoints(tmp_path, BesideStep1(0, 2)).last() == 1
    with pytest.raises(InputError, match="written by 2 processes; there are 1") as error:
        Checkpoints(tmp_path, ALONE).load(1)
    assert "--nproc-per-node 2" in error.value.hint


def test_a_full_disk_leaves_the_last_one(tmp_path):
    resource = pytest.importorskip("resource", reason="no limit of file sizes here")
    kept = Checkpoints(tmp_path, ALONE)
    kept.save(1, state(1))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(OutputError, match=r"cannot write .*step-00000002") as error:
            kept.save(2, {"tensor": torch.zeros(1_000_000)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "space" in error.value.hint
    assert [p.name for p in tmp_path.iterdir()] == ["step-00000001.rank0.pt"]


def test_random_numbers_go_on():
    saved = random_state()
    first = torch.rand(3)
    restore_random_state(saved)
    assert torch.equal(torch.rand(3), first)


def test_every_flipped_bit_is_noticed(tmp_path):
    """Torch itself reads a file whose weights have flipped without a word."""
    kept = Checkpoints(tmp_path, ALONE)
    path = kept.save(1, state(1))
    whole = path.read_bytes()
    for at in range(0, len(whole), 7):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1 << at % 8]) + whole[at + 1 :])
        with pytest.raises(InputError, match="not a readable checkpoint"):
            kept.load(1)
    path.write_bytes(whole)
    assert kept.load(1)["tensor"].tolist() == [1, 1, 1]
    path.write_bytes(whole[:-1])
    with pytest.raises(InputError, match="not a readable checkpoint"):
        kept.load(1)


def test_an_older_one_without_a_hash_is_read_if_its_crc_is_right(tmp_path):
    kept = Checkpoints(tmp_path, ALONE)
    path = tmp_path / "step-00000001.rank0.pt"
    torch.save({"version": 2, "world": 1, "step": 1, **state(5)}, path)
    assert kept.load(1)["tensor"].tolist() == [5, 5, 5]
    content = bytearray(path.read_bytes())
    content[content.index(torch.full((3,), 5.0).numpy().tobytes())] ^= 1
    path.write_bytes(content)
    assert torch.load(path, weights_only=True)["tensor"].tolist() != [5, 5, 5]
    with pytest.raises(InputError, match="is damaged: the CRC-32 is wrong"):
        kept.load(1)


@pytest.mark.parametrize(
    "pickled",
    [b"\x80\x02.", b"\x80\x02X\x01\0\0\0\xff.", b"", b"\x80\x02K\x01.", b"\x80\x02]."],
    ids=["empty stack", "no UTF-8", "nothing", "a number", "a list"],
)
def test_pickles_of_nobody_are_told(pickled, tmp_path):
    kept = Checkpoints(tmp_path, ALONE)
    path = kept.save(1, state(1))
    with zipfile.ZipFile(path) as archive:
        parts = {entry.filename: archive.read(entry) for entry in archive.infolist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, pickled if name.endswith("data.pkl") else content)
    with pytest.raises(InputError, match="not a readable checkpoint"):
        kept.load(1)


def test_a_file_of_another_step_is_refused(tmp_path):
    kept = Checkpoints(tmp_path, ALONE)
    kept.save(1, state(1)).rename(tmp_path / "step-00000002.rank0.pt")
    with pytest.raises(InputError, match="it is of step 1"):
        kept.load(2)


OWN = {"weight": torch.zeros(2, 3), "step": 4, "rate": 0.5, "name": "x", "on": True, "pool": None}


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("weight", torch.zeros(2), r"part\.weight is float32 \(2,\); expected float32 \(2, 3\)"),
        ("weight", torch.zeros(2, 3).double(), r"is float64 \(2, 3\)"),
        ("weight", torch.zeros(2, 3).to_sparse(), "expected float32"),
        ("weight", [1.0], "is list; expected float32"),
        ("weight", None, "is nothing"),
        ("step", 4.0, "is the number 4; expected a whole number"),
        ("step", True, "is bool"),
        ("step", -1, "part.step is a whole number"),
        ("rate", float("nan"), "is the number nan"),
        ("name", b"x", "is bytes; expected str"),
        ("pool", 1, "expected nothing"),
    ],
)
def test_what_does_not_fit_is_named(name, value, said):
    check_state(dict(reversed(OWN.items())), OWN, name="part")
    with pytest.raises(InputError, match=f"does not fit the run: .*{said}"):
        check_state({**OWN, name: value}, OWN, name="part")


@pytest.mark.parametrize("found", [{}, [], {**OWN, "more": 1}, None])
def test_other_keys_do_not_fit(found):
    with pytest.raises(InputError, match="does not fit the run: part is"):
        check_state(found, OWN, name="part")
