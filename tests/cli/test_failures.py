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
