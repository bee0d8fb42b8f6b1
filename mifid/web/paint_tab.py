"""The tab that paints photos."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import gradio as gr
from markupsafe import escape

from mifid.errors import InputError
from mifid.formatting import size_text
from mifid.painting import PaintedFiles
from mifid.web.limits import check_photos
from mifid.web.painters import photo_as_painted
from mifid.web.sessions import Session
from mifid.web.tab import NETWORK, PROGRESS, Tab, words

__all__ = ["LABELS", "PaintTab"]

_VARIANTS, _STRENGTH, _SIZE = "Paintings of each photo", "Strength", "Shorter side of the painting"
LABELS = {"variants": f"'{_VARIANTS}'", "strength": f"'{_STRENGTH}'", "size": f"'{_SIZE}'"}
"""Argument of the library -> what messages of this page call it."""

_SIZES = {"256 pixels": 256, "512 pixels": 512, "1,024 pixels": 1024, "as the photo": None}


@dataclass(frozen=True)
class _Painting:
    """A painting that is shown: what it is, its photo as it was painted, its file."""

    title: str
    photo: Path
    file: Path


class PaintTab(Tab):
    """Paints photos with the chosen painters, and shows both side by side."""

    def build(self) -> None:
        """Add the tab's parts to the page."""
        with gr.Row():
            with gr.Column(scale=2, min_width=300):
                inputs = self._inputs()
                start = gr.Button("Paint", variant="primary", elem_id="paint-start")
                notes = words("", elem_id="paint-notes")
            with gr.Column(scale=3, min_width=300):
                compared = gr.ImageSlider(
                    label="Photo and painting",
                    type="filepath",
                    interactive=False,
                    elem_id="compared",
                    buttons=["fullscreen"],
                )
                shown = gr.Gallery(
                    label="Paintings",
                    columns=3,
                    fit_columns=False,
                    height="auto",
                    allow_preview=False,
                    interactive=False,
                    elem_id="paintings",
                    buttons=[],
                )
                with gr.Row():
                    one = gr.DownloadButton(
                        "Download this painting", interactive=False, elem_id="one"
                    )
                    every = gr.DownloadButton(
                        "Download all (zip)", interactive=False, elem_id="all"
                    )
        start.click(
            self.paint,
            inputs,
            [notes, compared, shown, one, every],
            show_progress_on=[notes],
            api_visibility="private",
            **NETWORK,
        )
        shown.select(self.select, None, [compared, one], api_visibility="private")

    def _inputs(self) -> list[Any]:
        limits, names = self.contents.limits, list(self.contents.painters)
        photos = gr.Gallery(
            label="Photos",
            type="filepath",
            sources=["upload", "webcam", "clipboard"],
            file_types=["image"],
            interactive=True,
            columns=3,
            fit_columns=False,
            height=260,
            object_fit="contain",
            elem_id="photos",
            buttons=[],
        )
        words(
            f"<p class='soft'>At most {limits.photos:,} photos of {limits.pixels:,} pixels and "
            f"{size_text(limits.upload)} each.</p>"
            "<p class='soft of-insecure'>Browsers allow the camera and the clipboard on https:// "
            "pages, and on the machine that serves this one.</p>"
        )
        return [
            photos,
            gr.CheckboxGroup(names, value=names[:1], label="Painters", elem_id="painters"),
            gr.Slider(1, limits.variants, value=1, step=1, label=_VARIANTS),
            gr.Slider(
                0,
                1.5,
                value=1.0,
                step=0.05,
                label=_STRENGTH,
                info="0 is the photo, 1 the painting.",
            ),
            gr.Radio(
                list(_SIZES),
                value="512 pixels",
                label=_SIZE,
                info="Brush strokes have a size in pixels: the fewer pixels, the larger they look.",
            ),
        ]

    def paint(
        self,
        photos: Any,
        chosen: Any,
        variants: Any,
        strength: Any,
        size: Any,
        request: gr.Request,
        progress: Any = PROGRESS,
    ) -> Iterator[tuple[Any, ...]]:
        """Paint, and show what is painted so far after each photo."""
        limits = self.contents.limits
        with self.session(request) as session:
            if not photos:
                raise InputError("no photo is given", hint="Drop photos into the field.")
            if not chosen:
                raise InputError("no painter is chosen")
            folder = session.new_folder("paint")
            (folder / "photos").mkdir()
            given = [path for path, _ in photos]
            taken = session.take(given, folder / "photos", most=limits.photos)
            check_photos(taken, limits)
            timed = self.timed(session, progress)
            paintings: list[_Painting] = []
            done: dict[str, PaintedFiles] = {}
            jobs = [(photo, self.contents.painters[name]) for photo in taken for name in chosen]
            for number, (photo, painter) in enumerate(jobs):
                timed.show(number / len(jobs), f"{painter.name} paints {photo.name}")
                made = painter.paint(
                    photo,
                    folder / "paintings" / painter.folder,
                    variants=max(1, min(int(variants), limits.variants)),
                    strength=float(strength),
                    size=_SIZES[size],
                    progress=timed,
                )
                timed.check()
                done[painter.name] = _joined(done.get(painter.name), made)
                for painted in made.painted:
                    before = photo_as_painted(photo, painter, painted.size, folder)
                    for output, variant in zip(painted.outputs, painted.variants, strict=True):
                        which = [variant] if len(painted.outputs) > 1 else []
                        title = ", ".join([photo.name, painter.name, *which])
                        paintings.append(_Painting(title, before, output))
                session.kept["paintings"] = paintings
                yield self._shown(session, paintings, done.values(), None)
            if paintings:
                archive = _zipped(folder, paintings)
                yield self._shown(session, paintings, done.values(), archive)

    def _shown(
        self,
        session: Session,
        paintings: Sequence[_Painting],
        done: Iterable[PaintedFiles],
        archive: Path | None,
    ) -> tuple[Any, ...]:
        notes = [note for made in done for note in _notes(made)]
        hidden = (self.sessions.hide_paths(each, session) for each in dict.fromkeys(notes))
        said = "".join(f"<p class='note'>{escape(each)}</p>" for each in hidden)
        last = paintings[-1] if paintings else None
        return (
            said,
            last and (str(last.photo), str(last.file)),
            [(str(each.file), each.title) for each in paintings],
            _download(last.file if last else None),
            _download(archive),
        )

    def select(self, event: gr.SelectData, request: gr.Request) -> tuple[Any, Any]:
        """Show the painting that was chosen beside its photo."""
        with self.session(request) as session:
            paintings: list[_Painting] = session.kept.get("paintings", [])
            if not isinstance(event.index, int) or not 0 <= event.index < len(paintings):
                return gr.skip(), gr.skip()
            chosen = paintings[event.index]
            return (str(chosen.photo), str(chosen.file)), _download(chosen.file)


def _joined(before: PaintedFiles | None, made: PaintedFiles) -> PaintedFiles:
    """Return the paintings of one painter together, so that each note comes once."""
    if before is None:
        return made
    return replace(made, painted=before.painted + made.painted, failed=before.failed + made.failed)


def _notes(made: PaintedFiles) -> list[str]:
    return [*made.notes, *(f"{each.photo}: {each.reason}. {each.hint}" for each in made.failed)]


def _download(file: Path | None) -> Any:
    return gr.DownloadButton(value=file and str(file), interactive=file is not None)


def _zipped(folder: Path, paintings: Sequence[_Painting]) -> Path:
    path = folder / "paintings.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for painting in paintings:
            archive.write(painting.file, painting.file.relative_to(folder / "paintings"))
    return path
