"""The version, as installed."""

from importlib.metadata import PackageNotFoundError, version

__all__ = ["__version__"]

try:
    __version__ = version("mifid")
except PackageNotFoundError:  # a checkout on PYTHONPATH
    __version__ = "0+unknown"
