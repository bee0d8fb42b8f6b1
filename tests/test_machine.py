"""Cores and memory: the machine's, those of the process, and a container's share."""

import pytest

from mifid import machine as cores
from mifid.images.loader import default_workers


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """A machine of 64 cores without containers; the folder where limits are written."""
    monkeypatch.setattr("os.cpu_count", lambda: 64)
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: set(range(64)), raising=False)
    monkeypatch.setattr(cores, "_CGROUP", tmp_path)
    return tmp_path


def test_without_limits_all_cores_count(machine):
    assert cores.available_cores() == default_workers() == 64


@pytest.mark.parametrize(("bound", "expected"), [({3, 5, 7}, 3), (set(range(64)), 64)])
def test_cores_that_the_process_is_not_bound_to_do_not_count(bound, expected, machine, monkeypatch):
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: bound, raising=False)
    assert cores.available_cores() == expected


def test_where_no_system_binds_processes_the_machines_count_holds(machine, monkeypatch):
    monkeypatch.delattr("os.sched_getaffinity", raising=False)
    assert cores.available_cores() == 64


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1600000 100000", 16),
        ("150000 100000", 2),
        ("1000 100000", 1),
        ("max 100000", 64),
        ("9900000 100000", 64),
        ("odd", 64),
        ("", 64),
    ],
)
def test_a_containers_share_counts(text, expected, machine):
    (machine / "cpu.max").write_text(f"{text}\n")
    assert cores.available_cores() == expected


@pytest.mark.parametrize(("quota", "expected"), [("400000", 4), ("-1", 64)])
def test_a_containers_share_counts_under_older_systems(quota, expected, machine):
    (machine / "cpu").mkdir()
    (machine / "cpu" / "cpu.cfs_quota_us").write_text(f"{quota}\n")
    (machine / "cpu" / "cpu.cfs_period_us").write_text("100000\n")
    assert cores.available_cores() == expected


@pytest.mark.parametrize(("count", "expected"), [(None, 2), (1, 2), (2, 2), (16, 16)])
def test_there_are_always_two_workers_at_least(count, expected, machine, monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: count)
    assert default_workers() == expected


@pytest.mark.parametrize(
    ("limit", "expected"),
    [("", 8192), ("max", 8192), ("5000", 5000), ("9000", 8192), ("odd", 8192)],
)
def test_memory_is_what_the_system_estimates_or_a_containers_limit(
    limit, expected, machine, monkeypatch
):
    (machine / "meminfo").write_text("MemTotal:  16 kB\nMemFree:  1 kB\nMemAvailable:  8 kB\n")
    monkeypatch.setattr(cores, "_MEMORY", machine / "meminfo")
    if limit:
        (machine / "memory.max").write_text(f"{limit}\n")
    assert cores.available_memory() == expected


@pytest.mark.parametrize("text", ["", "MemTotal: 16 kB\n", "MemAvailable:\n", "odd"])
def test_memory_that_the_system_does_not_say_is_not_invented(text, machine, monkeypatch):
    monkeypatch.setattr(cores, "_MEMORY", machine / "meminfo")
    assert cores.available_memory() is None
    (machine / "meminfo").write_text(text)
    assert cores.available_memory() is None
