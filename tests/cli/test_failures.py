"""What goes wrong outside our own errors, in words."""

import warnings

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


FILES = ("a.npz", "--ref", "b.npz", "--ci", "0")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--extractor", "incepton"), "unknown extractor 'incepton'"),
        (("--extractor", "lite0"), "was made with extractor 'toys:counting', and not with 'lite0'"),
        (("--backend", "foo"), "unknown backend 'foo'"),
        (("--device", "foo"), "device 'foo' cannot be used"),
    ],
)
def test_settings_of_a_network_are_checked_where_no_side_needs_one(options, said, run, failure):
    for made, pictures in (("a", "out"), ("b", "monet")):
        run("reference", "build", pictures, "-o", made, "--extractor", "toys:counting")
    assert said in failure("score", *FILES, *options)
    assert said in failure("compare", "b.npz", *FILES, *options)


def test_settings_without_effect(run, failure):
    own = ("--extractor", "toys:counting")
    for settings in (("--shards", "4"), ("--processes", "2")):
        message = failure("features", "out", "-o", "store", *own, *settings)
        assert f"{' '.join(settings)} is given without --engine" in message
    message = failure("score", "out", "--ref", "monet", *own, "--weights", "w.pth")
    assert "--weights is w.pth, but your extractor loads its weights itself" in message

    def said(*command):
        with warnings.catch_warnings():
            warnings.simplefilter("default")
            return run(*command).stderr

    for command in (("score", "out"), ("compare", "out", "monet")):
        warned = said(*command, "--ref", "monet", "--ci", "0", *own, "--incomplete")
        assert "--incomplete has no effect: no side is a feature store" in warned
    build = ("reference", "build", "out", "-o", "a.npz", *own)
    assert "--seed 3 has no effect: nothing is drawn without --limit" in said(*build, "--seed", "3")
    assert "no effect" not in said(*build, "--seed", "3", "--limit", "4")
    run("reference", "build", "monet", "-o", "b.npz", *own)
    for command in (("score", "a.npz"), ("compare", "a.npz", "b.npz")):
        settings = ("--batch-size", "3", "--skip-bad", "--precision", "fast", "--weights", "w.pth")
        warned = said(*command, "--ref", "b.npz", "--ci", "0", *settings)
        for setting in ("--batch-size 3", "--skip-bad", "--precision fast", "--weights w.pth"):
            assert f"{setting} has no effect: no side is pictures" in warned
    # The Inception Score needs the classifier of the network that made the features.
    of_logits = ("--metrics", "is", "--precision", "fast", "--batch-size", "3")
    warned = said("score", "a.npz", "--ref", "b.npz", *of_logits)
    assert "--batch-size 3 has no effect" in warned
    assert "--precision" not in warned
    settings = ("--ci", "0", "--replicates", "200", "--ci-over", "generated")
    for command in (("score", "a.npz"), ("compare", "a.npz", "b.npz")):
        warned = said(*command, "--ref", "b.npz", *settings)
        for setting in ("--replicates", "--ci-over"):
            assert warned.count(f"{setting} has no effect: --ci 0 asks for no intervals") == 1


REF = ("--ref", "monet")
STORE = ("features", "out", "-o")


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (("features", "empty", "-o", "store"), "no pictures in folder empty; it is empty"),
        (("features", "gone", "-o", "store"), "no such file or folder: gone"),
        ((*STORE, "file"), "cannot make the folder file"),
        (
            (*STORE, "store", "--shard", "3/9"),
            "folder out holds only 6 pictures, fewer than there are shards (9)",
        ),
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
