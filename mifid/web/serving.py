"""serve(): the page, from what it offers to the server that shows it."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import socket
import tempfile
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn

from mifid.errors import (
    InputError,
    MifidError,
    OutputError,
    name_options,
    option_names,
    setting,
)
from mifid.files import given_path, no_such_file
from mifid.images import Source, evenly, open_images
from mifid.inputs import open_side
from mifid.painting import paint_files
from mifid.pipeline import Keywords, Options, features_of, open_pictures, with_options
from mifid.progress import note
from mifid.web.gate import Gate, is_loopback
from mifid.web.limits import Limits
from mifid.web.painters import OpenPainter, open_painters
from mifid.web.quiz import ROUNDS, Pool, open_pool
from mifid.web.sessions import Sessions, clean_name
from mifid.web.study import Study

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["serve"]

_PHOTOS = 20
"""Photos that each painter paints for the quiz."""

_GRADIO = {
    "GRADIO_ANALYTICS_ENABLED": "False",
    "GRADIO_RUN_HISTORY": "False",
    "GRADIO_SSR_MODE": "False",
    "GRADIO_MCP_SERVER": "False",
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    # Where it is "spaces", in a Space, gradio's page asks Hugging Face and Google for more.
    "SYSTEM": "",
}
"""Variables with which gradio and its libraries send nothing."""

_SPACES = "https://huggingface.co"


@with_options
def serve(
    *,
    painters: Sequence[str | os.PathLike[str]] = (),
    references: Mapping[str, str | os.PathLike[str]] | None = None,
    real: str | os.PathLike[str] | None = None,
    paintings: Mapping[str, str | os.PathLike[str]] | None = None,
    photos: str | os.PathLike[str] | None = None,
    study: str | os.PathLike[str] | None = None,
    host: str = "127.0.0.1",
    port: int = 7860,
    password: str | None = None,
    limits: Limits | None = None,
    ready: Callable[[str], object] = print,
    **keywords: Unpack[Keywords],
) -> None:
    """Show a page that paints photos, judges submissions and plays a quiz, until it is stopped.

    Nothing leaves the machine. What visitors send is kept in a folder of temporary files, and
    removed when they close the page or when the server stops.

    Args:
        painters: names of ``mifid painters``, files of weights or folders of runs; those that
            ``mifid painters`` lists are there in any case.
        references: name -> real pictures to score against, in any form that :func:`mifid.score`
            takes as a path; none: submissions are only checked.
        real: the real paintings of the quiz; None: the first reference, if it holds pictures.
        paintings: painter -> its pictures, for the quiz.
        photos: photos that each painter paints for the quiz, at the start.
        study: an SQLite file, to which each answer of the quiz is added; None: they are forgotten.
        host: to listen on. Other machines reach only another host than this default.
        port: to listen on; 0: a free one.
        password: that the page asks for; needed where other machines reach it.
        limits: of what a visitor may ask for; None: :class:`Limits` by default.
        ready: called with the address on this machine when the page can be opened.
        keywords: as of :class:`mifid.pipeline.Options`.

    Raises:
        InputError: a painter, reference or picture that cannot be used, a host without a password.
        OutputError: the port is taken, or the study cannot be written.
        MifidError: gradio is missing.
    """
    options = Options.of(serve, keywords)
    limits = limits or Limits()
    with ExitStack() as stack:
        listening = stack.enter_context(_listening(host, port, password))
        files = stack.enter_context(_files())
        # Before gradio is imported, which reads them once.
        stack.enter_context(_variables({**_GRADIO, "GRADIO_TEMP_DIR": str(files)}))
        gradio = _imported()
        from mifid.web.page import LABELS, Contents, build_page, head, style, theme

        linked = _linked(references or {}, files.parent / "references")
        _warm(linked, options)
        say = _say(options)
        opened = open_painters(painters, device=options.device, skip=say)
        pool = _pool(
            real,
            paintings or {},
            photos,
            painters=opened,
            linked=linked,
            folder=files.parent / "guess",
            options=options,
        )
        if study is not None and pool is None:
            raise InputError(
                f"{setting('study')} is given, but there is no quiz",
                hint=f"Give its pictures, too: {setting('real')} with {setting('paintings')} or "
                f"{setting('photos')}.",
            )
        kept = Study(study)
        stack.callback(kept.close)
        contents = Contents(
            painters=opened,
            references=linked,
            pool=pool,
            study=kept,
            is_kept=study is not None,
            limits=limits,
            options={name: value for name, value in keywords.items() if name != "progress"},
        )
        sessions = Sessions(files, most=limits.visitors, idle=limits.idle)
        looks = {"head": head(), "css": style(), "theme": theme()}
        app = _mounted(gradio, build_page(contents, sessions), limits, **looks)
        gate = Gate(
            app,
            files=files,
            limits=limits,
            host=host,
            password=password,
            names=os.environ.get("SPACE_HOST", "").split(",") if _is_space() else (),
            framed_by=_SPACES if _is_space() else "'none'",
        )
        stack.callback(name_options, option_names())
        name_options({**option_names(), **LABELS})  # visitors read the labels of the page
        _run(gate, listening, host=host, ready=ready)


def _is_space() -> bool:
    """Return whether this runs in a Space of Hugging Face, which sets this variable."""
    return bool(os.environ.get("SPACE_ID"))


@contextmanager
def _listening(host: str, port: int, password: str | None) -> Iterator[socket.socket]:
    """Bind the port at once: loading painters takes long."""
    if not is_loopback(host) and not password and not _is_space():
        raise InputError(
            f"{setting('host')} is {host}, which other machines may reach, so a password is needed",
            hint=f"Give {setting('password')}, or leave {setting('host')} out.",
        )
    if not 0 <= port <= 65535:
        raise InputError(f"{setting('port')} is {port}; expected 0 to 65535")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host.strip("[]"), port))
        bound.listen()
    except OSError as error:
        bound.close()
        raise OutputError(
            f"cannot listen on port {port} of {host}: {error.strerror or error}",
            hint=f"Is another program there? Give another port, such as {setting('port', port + 1)}"
            " (0: a free one).",
        ) from error
    try:
        yield bound
    finally:
        bound.close()


@contextmanager
def _files() -> Iterator[Path]:
    """Yield the folder of visitors' files; it and those beside it are removed at the end."""
    base = Path(tempfile.mkdtemp(prefix="mifid-serve-")).resolve()
    files = base / "files"
    files.mkdir()
    try:
        yield files
    finally:
        shutil.rmtree(base, ignore_errors=True)


@contextmanager
def _variables(values: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _imported() -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of gradio's own dependencies
            import gradio
    except ImportError as error:
        raise MifidError(
            f"the page needs gradio, which cannot be imported: {error}",
            hint="Install it: pip install 'mifid[web]'. It needs a Pillow below 13, so an "
            "environment of its own is best.",
        ) from error
    return gradio


def _say(options: Options) -> Callable[[str], None]:
    return lambda text: note(options.reporter, text)


def _linked(references: Mapping[str, str | os.PathLike[str]], folder: Path) -> Mapping[str, Path]:
    """Link references into a folder of the server: messages and pages name them by these paths."""
    linked = {}
    for number, (name, given) in enumerate(references.items()):
        path = Path(given_path(given))
        if not path.exists():
            raise no_such_file(path, hint=f"Expected real pictures as {setting('references')}.")
        place = folder / str(number)
        place.mkdir(parents=True)
        linked[name] = place / path.resolve().name
        linked[name].symlink_to(path.resolve(), target_is_directory=path.is_dir())
    return linked


def _warm(linked: Mapping[str, Path], options: Options) -> None:
    """Check references, and compute features of their pictures: errors come now, scores sooner."""
    for path in linked.values():
        side = open_side("reference", path, value_range=options.value_range)
        side.close()
        if isinstance(side.input, Source):
            features_of(open_pictures(path, options), options)


def _pool(
    real: str | os.PathLike[str] | None,
    paintings: Mapping[str, str | os.PathLike[str]],
    photos: str | os.PathLike[str] | None,
    *,
    painters: Mapping[str, OpenPainter],
    linked: Mapping[str, Path],
    folder: Path,
    options: Options,
) -> Pool | None:
    """Return the pictures of the quiz; None: nothing was given for it."""
    if photos is None and not paintings:
        if real is None:
            return None
        raise InputError(
            f"{setting('real')} is given, but no paintings to guess",
            hint=f"Give {setting('paintings')}, or {setting('photos')} for the painters.",
        )
    if real is None and not linked:
        raise InputError("the quiz has no real paintings", hint=f"Give them: {setting('real')}.")
    shown: dict[str, Any] = dict(paintings)
    if photos is not None:
        if twice := next((name for name in painters if name in paintings), None):
            raise InputError(
                f"{setting('paintings')} names pictures of '{twice}', and the painter '{twice}' "
                f"paints {setting('photos')}",
                hint=f"Give the pictures another name, or leave {setting('photos')} out.",
            )
        paths = _photos_in(photos)
        shown |= {
            name: _painted(paths, painter, folder / clean_name(name), options)
            for name, painter in painters.items()
        }
    return open_pool(next(iter(linked.values())) if real is None else real, shown)


def _photos_in(folder: str | os.PathLike[str]) -> list[Path]:
    """Return the photos that are painted for the quiz."""
    path = Path(given_path(folder))
    if not path.exists():
        raise no_such_file(path, hint=f"Expected a folder of photos as {setting('photos')}.")
    source = open_images(path)
    found = getattr(source, "paths", None)
    source.close()
    if found is None:
        raise InputError(f"{setting('photos')} is {folder}; expected a folder of photos")
    if len(found) < ROUNDS:
        raise InputError(
            f"{setting('photos')} has {len(found):,} photos; a quiz needs {ROUNDS} or more"
        )
    return [Path(found[index]) for index in evenly(len(found), _PHOTOS)]


def _painted(photos: Sequence[Path], painter: OpenPainter, folder: Path, options: Options) -> Path:
    """Paint photos for the quiz; return the folder of the paintings."""
    made = paint_files(
        photos,
        folder,
        painter=painter.generator,
        size=256,
        format="png",
        exif="none",
        device=painter.device,
        progress=options.reporter,
    )
    for failed in made.failed:
        _say(options)(f"not in the quiz: {failed.photo}: {failed.reason}")
    return folder


def _mounted(gradio: Any, page: Any, limits: Limits, **looks: Any) -> Any:
    from fastapi import FastAPI

    # Else gradio would not check that files in a call are files that were uploaded.
    page.has_launched = True
    return gradio.mount_gradio_app(
        FastAPI(docs_url=None, redoc_url=None, openapi_url=None),
        page,
        path="/",
        footer_links=[],
        run_history=False,
        allowed_paths=[],
        show_error=False,
        max_file_size=limits.upload,
        ssr_mode=False,
        enable_monitoring=False,
        pwa=False,
        mcp_server=False,
        **looks,
    )


def _run(app: Any, listening: socket.socket, *, host: str, ready: Callable[[str], object]) -> None:
    """Serve until Ctrl-C or SIGTERM."""
    import uvicorn

    class Server(uvicorn.Server):  # type: ignore[misc]
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            port = listening.getsockname()[1]
            name = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host.strip("[]"), host.strip("[]"))
            ready(f"http://{f'[{name}]' if ':' in name else name}:{port}/")

        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            # Pages that are open then are cut off; uvicorn would print a traceback for each.
            logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
            await super().shutdown(sockets)

    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        ws="none",
        server_header=False,
        timeout_graceful_shutdown=2,
        forwarded_allow_ips="*" if _is_space() else None,
    )

    with _stopped_by_sigterm(), suppress(KeyboardInterrupt):
        Server(config).run(sockets=[listening])


@contextmanager
def _stopped_by_sigterm() -> Iterator[None]:
    """Take SIGTERM as Ctrl-C: uvicorn ends well at both, and raises them again when it has."""

    def stop(_number: int, _frame: FrameType | None) -> NoReturn:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
