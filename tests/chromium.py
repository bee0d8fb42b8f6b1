"""The system's Chromium, driven by playwright; nothing that a page asks for leaves the machine."""

import shutil
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


@contextmanager
def browser(*flags):
    """Run the browser; skip the test where there is none, or no playwright."""
    api = pytest.importorskip("playwright.sync_api")
    path = next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        pytest.skip("no Chromium or Chrome is installed")
    with api.sync_playwright() as playwright:
        running = playwright.chromium.launch(
            executable_path=path,
            args=["--no-sandbox", "--disable-dev-shm-usage", *flags],
            # Nobody listens there: what tries to leave this machine, fails.
            proxy={"server": "127.0.0.1:9", "bypass": "127.0.0.1"},
            timeout=0,
        )
        yield running
        running.close()


@dataclass
class Tab:
    """A page in the browser, what it asked for, and what it said."""

    page: object
    requests: list = field(default_factory=list)
    messages: list = field(default_factory=list)


@contextmanager
def window(running, *, width=1280, dark=False, **context):
    """Open a window at a width, in light or dark. Its tabs share what they load."""
    with running.new_context(
        viewport={"width": width, "height": 900},
        color_scheme="dark" if dark else "light",
        is_mobile=width < 600,
        **context,
    ) as made:
        made.set_default_timeout(0)
        yield made


@contextmanager
def opened_in(window, path, *, media="screen"):
    """Open a file or an address in a tab of a window, and wait for its images."""
    tab = Tab(window.new_page())
    tab.page.on("request", lambda request: tab.requests.append(request.url))
    tab.page.on("console", lambda message: tab.messages.append(message.text))
    tab.page.on("pageerror", lambda error: tab.messages.append(str(error)))
    tab.page.emulate_media(media=media)
    tab.page.goto(path if isinstance(path, str) else path.resolve().as_uri())
    tab.page.evaluate("Promise.all([...document.images].map(i => i.decode().catch(() => 0)))")
    yield tab
    tab.page.close()


@contextmanager
def opened(running, path, *, media="screen", **options):
    """Open a file or an address in a window of its own."""
    with window(running, **options) as made, opened_in(made, path, media=media) as tab:
        yield tab
