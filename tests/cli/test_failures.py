"""What goes wrong outside our own errors, in words."""

import pytest

PAIR = ("out", "--ref", "monet")


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        # What torch raises on a CPU, and on CUDA.
        RuntimeError(
            "[enforce fail at alloc_cpu.cpp:127] . DefaultCPUAllocator: can't allocate "
            "memory: you tried to allocate 34359738368 bytes."
        ),
        type("OutOfMemoryError", (RuntimeError,), {})("CUDA out of memory. Tried to allocate ..."),
    ],
)
def test_too_little_memory_is_no_bug(run, monkeypatch, error):
    def full(*_, **__):
        raise error

    monkeypatch.setattr("mifid.scoring.score", full)
    result = run("score", *PAIR)
    assert result.exit_code == 1
    assert "Error: out of memory\nLower --batch-size" in result.stderr
    assert "bug" not in result.stderr


REF = ("--ref", "monet")
STORE = ("features", "out", "-o")


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (("features", "empty", "-o", "store"), "no pictures in folder empty; it is empty"),
        (("features", "gone", "-o", "store"), "no such file or folder: gone"),
        ((*STORE, "file"), "cannot make the folder file"),
        ((*STORE, "store", "--shard", "3/9"), "--shard is 3/9, but folder out holds only 6"),
        (("reference", "build", "empty", "-o", "r", "--spatial"), "no pictures in folder empty"),
        (("score", "empty", *REF), "IMAGES: no pictures in folder empty"),
        (("score", "out", *REF, "--held-out", "empty"), "--held-out: no pictures in folder empty"),
        (("compare", "out", "empty", *REF), "submission empty: no pictures in folder empty"),
        (("diagnose", "out", "--ref", "empty"), "--ref: no pictures in folder empty"),
    ],
    ids=lambda each: " ".join(each) if isinstance(each, tuple) else "",
)
def test_bad_input_is_refused_before_weights_are_sought(
    command, said, folder, failure, monkeypatch
):
    def sought(*_, **__):
        raise AssertionError("weights were sought")

    monkeypatch.setattr("mifid.pipeline.options.open_extractor", sought)
    (folder / "empty").mkdir()
    (folder / "file").write_text("no folder")
    assert said in failure(*command)
    assert not (folder / "store").exists()
