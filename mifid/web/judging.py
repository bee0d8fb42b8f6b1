"""What the page says of submissions: their check, their score or comparison, and its page."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mifid.comparison import compare
from mifid.errors import MifidError, recorded_warnings
from mifid.images import decoder_version
from mifid.rendering import render_page
from mifid.scoring import score
from mifid.submission import Check, check
from mifid.web.limits import LimitError, TimedProgress

__all__ = ["Judgement", "judge"]


@dataclass(frozen=True)
class Judgement:
    """What was found about submissions.

    Attributes:
        summary: HTML of a few lines: the numbers and the checks.
        page: the whole report as an HTML page; None: there is none, as the summary says.
    """

    summary: str
    page: Path | None


def judge(
    archives: Sequence[Path],
    reference: Any,
    *,
    reference_name: str,
    folder: Path,
    progress: TimedProgress,
    options: Mapping[str, Any],
    hide: Callable[[str], str],
) -> Judgement:
    """Check submissions, and score or compare them.

    Args:
        archives: one zip, or several to compare.
        reference: the real pictures; None: they are only checked.
        reference_name: as the page calls it.
        folder: where the page of the result is written.
        progress: of the work.
        options: fields of :class:`mifid.pipeline.Options`.
        hide: leaves paths of this machine out of a text.

    Raises:
        LimitError: it took too long.
    """
    with recorded_warnings() as warned:
        checks = [_checked(path, progress) for path in archives]
        headings: Sequence[str] = ()
        rows: Sequence[Sequence[str]] = ()
        lines: Sequence[str] = ()
        problem: MifidError | None = None
        page = None
        if reference is not None:
            page = folder / "report.html"
            options = {**options, "progress": progress}
            try:
                if len(archives) == 1:
                    report = score(archives[0], reference, **options)
                    found = checks[0] if isinstance(checks[0], Check) else None
                    report = replace(report, check=found)
                    progress.show(None, "report")
                    report.save(page)
                    rows, lines = report.rows(), [report.advice]
                else:
                    named = {path.name: path for path in archives}
                    comparison = compare(named, reference, **options)
                    progress.show(None, "report")
                    comparison.save(page)
                    headings, rows = comparison.headings(), comparison.rows()
                    lines = comparison.lines()
            except LimitError:
                raise
            except MifidError as error:
                problem, page = error, None
    if page is not None:
        page.write_text(hide(page.read_text(encoding="utf-8")), encoding="utf-8")
    summary = render_page(
        "web/judgement.html",
        checks=[
            (path.name, found if isinstance(found, Check) else None, found)
            for path, found in zip(archives, checks, strict=True)
        ],
        headings=headings,
        rows=rows,
        lines=lines,
        problem=problem,
        warnings=[each for each in warned if not any(each in line for line in lines)],
        reference=reference_name if reference is not None else None,
        decoder=decoder_version(),
    )
    return Judgement(hide(summary), page)


def _checked(path: Path, progress: TimedProgress) -> Check | MifidError:
    try:
        return check(path, progress=progress)
    except LimitError:
        raise
    except MifidError as error:
        return error
