"""Answers of visitors to "which is the real painting?", and what share each painter fooled."""

from __future__ import annotations

import math
import os
import sqlite3
import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from statistics import NormalDist

from mifid.errors import InputError, OutputError
from mifid.files import given_path, no_such_file
from mifid.machine import __version__

__all__ = ["Answer", "FoolingRate", "Study", "fooling_rates", "rates_of"]

_VERSION = 1

_TABLE = """
create table if not exists answers (
    id integer primary key,
    visitor text not null,
    round integer not null,
    painter text not null,
    painting text not null,
    real text not null,
    fooled integer not null check (fooled in (0, 1)),
    seconds real not null,
    answered text not null,
    mifid text not null,
    unique (visitor, round)
)
"""


@dataclass(frozen=True)
class Answer:
    """One answer to "which of these two is the real painting?".

    Attributes:
        visitor: a random name of the visit.
        round: 1, 2, ... within the visit.
        painter: of the other picture.
        painting: name of the other picture.
        real: name of the real one.
        fooled: whether the other picture was taken for the real one.
        seconds: from when the pictures were sent to the answer.
    """

    visitor: str
    round: int
    painter: str
    painting: str
    real: str
    fooled: bool
    seconds: float


@dataclass(frozen=True)
class FoolingRate:
    """How often a painter's pictures were taken for real ones; half is what guessing gives.

    Attributes:
        painter: its name.
        answers: to pairs with a picture of this painter.
        visitors: who gave them.
        fooled: answers that took its picture for the real one.
        rate: fooled / answers.
        low: lower end of the interval.
        high: upper end.
        level: of the interval, in per cent.
        effective: answers that count: fewer than ``answers`` where those of one visitor are alike.
    """

    painter: str
    answers: int
    visitors: int
    fooled: int
    rate: float
    low: float
    high: float
    level: float
    effective: float


class Study:
    """A file of answers, or answers in memory.

    Args:
        path: of an SQLite file, to which answers are added; it is made if it is missing. None: they
            are kept in memory.

    Raises:
        InputError: a file that is no study of mifid.
        OutputError: it cannot be written.
    """

    def __init__(self, path: str | os.PathLike[str] | None = None) -> None:
        self._lock = threading.Lock()
        file = ":memory:" if path is None else str(Path(given_path(path)))
        try:
            self._database = sqlite3.connect(file, check_same_thread=False, timeout=30)
        except sqlite3.Error as error:
            raise _cannot_write(file, error) from error
        try:
            with _as_errors(file):
                _check_version(self._database, file, may_be_empty=True)
                with self._database:
                    self._database.execute(_TABLE)
                    self._database.execute(f"pragma user_version = {_VERSION}")
        except BaseException:
            self._database.close()
            raise

    def add(self, answer: Answer) -> None:
        """Keep an answer; a second one to the same round of a visitor is dropped."""
        values = (
            *(answer.visitor, answer.round, answer.painter, answer.painting, answer.real),
            *(int(answer.fooled), answer.seconds),
            datetime.now(timezone.utc).isoformat(timespec="seconds"),
            __version__,
        )
        with self._lock, self._database:
            self._database.execute(
                "insert or ignore into answers (visitor, round, painter, painting, real, fooled, "
                "seconds, answered, mifid) values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                values,
            )

    def rates(self, *, level: float = 95.0) -> list[FoolingRate]:
        """Return the rate of each painter so far."""
        with self._lock:
            return rates_of(_answers(self._database), level=level)

    def close(self) -> None:
        """Close the file."""
        self._database.close()


def fooling_rates(path: str | os.PathLike[str], *, level: float = 95.0) -> list[FoolingRate]:
    """Return how often each painter fooled the visitors of a study, the most often first.

    Args:
        path: what ``mifid serve --study`` wrote. It is only read.
        level: of the intervals, in per cent.

    Raises:
        InputError: no such file, no study of mifid, or a level that is none.
    """
    file = Path(given_path(path))
    if not file.is_file():
        raise no_such_file(file, hint="Expected a file that mifid serve --study wrote.")
    address = f"{file.resolve().as_uri()}?mode=ro"
    with _as_errors(str(file)), closing(sqlite3.connect(address, uri=True, timeout=30)) as database:
        _check_version(database, str(file), may_be_empty=False)
        return rates_of(_answers(database), level=level)


def rates_of(answers: Iterable[tuple[str, str, bool]], *, level: float = 95.0) -> list[FoolingRate]:
    """Return the rate of each painter, the highest first.

    The interval is Wilson's (1927) for ``effective`` instead of all answers. Answers of one visitor
    are alike, so n of them say less than those of n visitors: with x_i of visitor i's m_i answers
    fooled, p = sum x_i / sum m_i and k visitors, the variance of p is

        k / (k - 1) * sum (x_i - p m_i)^2 / (sum m_i)^2,

    and ``effective`` is p (1 - p) over it, at most all answers (Dean and Pagano 2015, "Evaluating
    Confidence Interval Methods for Binomial Proportions in Clustered Surveys"). With one visitor it
    cannot be estimated: then all answers count, and the interval is of that visitor alone.

    Args:
        answers: (visitor, painter, fooled) each.
        level: of the intervals, in per cent.

    Raises:
        InputError: a level that is none.
    """
    if not 50 <= level <= 99.9:
        raise InputError(f"the level is {level:g} per cent; expected 50 to 99.9")
    counts: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(lambda: [0, 0]))
    for visitor, painter, fooled in answers:
        counts[painter][visitor][0] += bool(fooled)
        counts[painter][visitor][1] += 1
    rates = [_rate(painter, list(each.values()), level) for painter, each in counts.items()]
    return sorted(rates, key=lambda rate: (-rate.rate, rate.painter))


def _rate(painter: str, counts: list[list[int]], level: float) -> FoolingRate:
    fooled, answers = (sum(column) for column in zip(*counts, strict=True))
    p, visitors = fooled / answers, len(counts)
    effective = float(answers)
    if visitors > 1 and 0 < p < 1:
        spread = sum((x - p * m) ** 2 for x, m in counts) / answers**2
        variance = visitors / (visitors - 1) * spread
        effective = min(effective, p * (1 - p) / variance) if variance else effective
    low, high = _wilson(p, effective, level)
    return FoolingRate(painter, answers, visitors, fooled, p, low, high, level, effective)


def _wilson(p: float, n: float, level: float) -> tuple[float, float]:
    """Return Wilson's interval of a share p of n."""
    z = NormalDist().inv_cdf(0.5 + level / 200)
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return max(0.0, middle - half), min(1.0, middle + half)


def _answers(database: sqlite3.Connection) -> Iterator[tuple[str, str, bool]]:
    yield from database.execute("select visitor, painter, fooled from answers order by id")


def _check_version(database: sqlite3.Connection, file: str, *, may_be_empty: bool) -> None:
    """Raise InputError if a database is not a study that this version reads."""
    (found,) = database.execute("pragma user_version").fetchone()
    tables = {name for (name,) in database.execute("select name from sqlite_master")}
    if may_be_empty and not tables and found == 0:
        return
    if "answers" not in tables or found != _VERSION:
        raise InputError(
            f"{file} is an SQLite file, but no study of mifid (version {_VERSION}): it has version "
            f"{found} and the tables {', '.join(sorted(tables)) or 'none'}",
            hint="Expected a file that mifid serve --study wrote.",
        )


@contextmanager
def _as_errors(file: str) -> Iterator[None]:
    try:
        yield
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError):
            raise _cannot_write(file, error) from error
        raise InputError(
            f"{file} is no SQLite file: {error}",
            hint="Expected a file that mifid serve --study wrote.",
        ) from error


def _cannot_write(file: str, error: sqlite3.Error) -> OutputError:
    return OutputError(
        f"cannot open {file}: {error}", hint="Is its folder there, and may you write there?"
    )
