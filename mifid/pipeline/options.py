"""Options of all functions that compute features: named, documented and checked here alone."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any, TypedDict, TypeVar

from mifid.cache import Cache
from mifid.errors import InputError, setting, warn
from mifid.extractors import (
    EXACT,
    Extractor,
    check_extractor,
    choose_backend,
    choose_precision,
    open_extractor,
)
from mifid.images import SideRanges, ValueRange, refuse_no_ranges
from mifid.inputs import GivenSide, open_side
from mifid.progress import Progress, choose
from mifid.registry import did_you_mean, meant
from mifid.uncertainty import SEED, check_seed

__all__ = ["Keywords", "Options", "with_options"]

Function = TypeVar("Function", bound=Callable[..., Any])

_NOT_REPEATED = {"extractor", "workers", "cache", "progress"}


class Keywords(TypedDict, total=False):
    """The fields of :class:`Options` as keyword arguments, for type checkers and editors."""

    extractor: str | Callable[..., Any] | Extractor | None
    weights: str | Path | None
    backend: str
    precision: str
    device: str
    batch_size: int | None
    workers: int | None
    skip_bad: bool
    value_range: SideRanges | None
    limit: int | None
    seed: int
    incomplete: bool
    cache: bool
    progress: Progress | bool | None


@dataclass(frozen=True, kw_only=True)
class Options:
    """How the features of one call are computed, and of which pictures.

    Attributes:
        extractor: a name, ``"package.module:function"``, or a callable that turns uint8 tensors
            (N, 3, H, W) into features (N, D); None: the network that a file among the sides was
            made with, else ``"inception"``.
        weights: a weights file for the extractor; None: wherever it is found, else downloaded.
        backend: what runs the network: ``"auto"``, ``"torch"``, ``"openvino"`` (the CPU's fastest).
        precision: of its arithmetic: ``"exact"``; ``"fast"`` is bfloat16, another number, marked.
        device: ``"auto"``, ``"cpu"``, ``"mps"``, ``"cuda"``, ``"cuda:1"``, several as in
            ``"cuda:0,cuda:1"``, or ``"cuda:all"``.
        batch_size: pictures at a time; None: what suits the backend and device.
        workers: decoding threads or processes; None: one a core, at least two.
        skip_bad: go on without pictures that cannot be decoded; the result names them.
        value_range: what black and white are in floating-point tensors and arrays, such as (0, 1)
            or (-1, 1); where there are several sides, also one a side, as
            ``{"generated": (-1, 1), "reference": (0, 1)}``. Values clearly outside are refused.
        limit: use at most so many pictures a side, drawn with ``seed``, of a stream the first
            ones; None: all. A score is then not comparable with Kaggle's.
        seed: of everything that draws at random. The headline numbers draw nothing, but for the
            pictures that ``limit`` takes.
        incomplete: take a feature store (``mifid features``) although shards are missing; the
            score is then marked as not comparable.
        cache: False neither reads nor writes features kept on disk.
        progress: True or False, or a :class:`mifid.progress.Progress`; None shows bars in
            notebooks.
    """

    extractor: str | Callable[..., Any] | Extractor | None = None
    weights: str | Path | None = None
    backend: str = "auto"
    precision: str = EXACT
    device: str = "auto"
    batch_size: int | None = None
    workers: int | None = None
    skip_bad: bool = False
    value_range: SideRanges | None = None
    limit: int | None = None
    seed: int = SEED
    incomplete: bool = False
    cache: bool = True
    progress: Progress | bool | None = None

    def __post_init__(self) -> None:
        for name in ("batch_size", "workers"):
            value = getattr(self, name)
            if value is not None and (not hasattr(value, "__index__") or value < 1):
                raise InputError(f"{setting(name)} is {value!r}; expected 1 or more")
        if not isinstance(self.device, str):
            raise InputError(
                f"{setting('device')} is {self.device!r}; expected a text",
                hint=f"Such as {setting('device', str(self.device))}.",
            )
        refuse_no_ranges(self.value_range)
        check_seed(self.seed)

    @classmethod
    def of(cls, function: Callable[..., Any], keywords: Keywords) -> Options:
        """Return the options that a function was called with.

        Raises:
            TypeError: a name that the function does not take, with the nearest that it does.
            InputError: a value that cannot be.
        """
        for name in keywords:
            if name not in cls.__dataclass_fields__:
                meaning = did_you_mean(meant(name, list(inspect.signature(function).parameters)))
                raise TypeError(
                    f"{function.__name__}() got an unexpected keyword argument '{name}'"
                    f"{'. ' * bool(meaning)}{meaning.strip()}"
                )
        return cls(**keywords)

    def check_network(self) -> None:
        """Check what names the network and where it runs; nothing is opened or downloaded.

        Raises:
            InputError: no such extractor, backend, precision or device.
        """
        check_extractor(self.extractor)
        choose_backend(self.backend, self.device)
        choose_precision(self.precision)
        if self.device not in {"auto", "cpu"}:  # these are everywhere, and need no torch
            from mifid.extractors import choose_devices

            choose_devices(self.device)

    def warn_without_effect(self, names: Iterable[str], reason: str) -> None:
        """Warn of those options of ``names`` that have another value than their default's."""
        defaults = {field.name: field.default for field in fields(self)}
        for name in names:
            value = getattr(self, name)
            if value != defaults[name]:
                warn(f"{setting(name, value)} has no effect: {reason}", stacklevel=3)

    def warn_of_unused_seed(self) -> None:
        """Warn of a seed where nothing but a limit could draw, and there is none."""
        if self.limit is None:
            self.warn_without_effect(["seed"], f"nothing is drawn without {setting('limit')}")

    @cached_property
    def network(self) -> Extractor:
        """The extractor, opened once.

        Raises:
            InputError: no such extractor, backend or device; before anything is downloaded.
            WeightsError: its weights cannot be found.
        """
        self.check_network()
        return open_extractor(
            "inception" if self.extractor is None else self.extractor,
            weights=self.weights,
            backend=self.backend,
            precision=self.precision,
            progress=self.reporter,
        )

    @cached_property
    def store(self) -> Cache | None:
        """The cache on disk; None: nothing is kept."""
        return Cache() if self.cache else None

    @cached_property
    def reporter(self) -> Progress:
        """What reports the progress."""
        return choose(self.progress)

    @property
    def single_range(self) -> ValueRange | None:
        """The range of floats where there is one set of pictures.

        Raises:
            InputError: it is given by side.
        """
        if isinstance(self.value_range, Mapping):
            raise InputError(
                f"{setting('value_range')} is {self.value_range!r}; expected one range, as there "
                "is one set of pictures",
                hint=f"Such as {setting('value_range', (0, 1))} or "
                f"{setting('value_range', (-1, 1))}.",
            )
        return self.value_range

    @property
    def repeatable(self) -> dict[str, Any]:
        """The options that a command line must repeat to compute the same, but for the sides."""
        names = [field.name for field in fields(self) if field.name not in _NOT_REPEATED]
        return {name: getattr(self, name) for name in names}

    def opened(self, label: str, given: Any) -> AbstractContextManager[GivenSide]:
        """Open a side (:func:`mifid.inputs.open_side`) until the end of a block."""
        return closing(
            open_side(
                label,
                given,
                value_range=self.value_range,
                limit=self.limit,
                seed=self.seed,
                incomplete=self.incomplete,
                cache=self.store,
                progress=self.reporter,
            )
        )


def with_options(function: Function) -> Function:
    """List the options in the signature and docstring of a function that takes ``**keywords``.

    So that ``help()``, notebooks and :mod:`inspect` show each with its type, default and meaning.
    """
    signature = inspect.signature(function)
    own = [each for each in signature.parameters.values() if each.kind is not each.VAR_KEYWORD]
    options = inspect.signature(Options).parameters.values()
    vars(function)["__signature__"] = signature.replace(parameters=[*own, *options])
    if function.__doc__ and Options.__doc__:  # python -OO has none
        meanings = Options.__doc__.partition("Attributes:\n")[2].strip()
        function.__doc__ = function.__doc__.replace(_MEANINGS, meanings)
    return function


_MEANINGS = "keywords: as of :class:`mifid.pipeline.Options`."
"""What the docstring of such a function says in their place."""
