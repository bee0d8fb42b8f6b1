"""Files of torch.save, read without running any code in them."""

from __future__ import annotations

import re
import warnings
import zipfile
from pathlib import Path
from typing import IO, Any

import torch
from torch import Tensor

from mifid.errors import WeightsError, first_line
from mifid.formatting import terminal_safe

__all__ = ["is_torch_file", "read_torch_file"]

_ZIP, _PICKLE = b"PK", b"\x80\x02"  # torch.save's zip, and its pickles of before torch 1.6 (2020)
_CODE = re.compile(r"GLOBAL (\S+)|(?:class|global|function) '?([\w.]+\.[\w.]+)")


def is_torch_file(path: Path) -> bool:
    """Return whether a file begins as one of torch.save.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        return file.read(2) in (_ZIP, _PICKLE)


def read_torch_file(path: Path) -> Any:
    """Return what a file holds, on the CPU: tensors, numbers, text and containers of these.

    Raises:
        WeightsError: it is damaged, or holds anything else, which could run code; the message does
            not name the file.
    """
    try:
        with path.open("rb") as file:
            if file.read(2) == _ZIP:
                _check_zip(file)
            size = file.seek(0, 2)
            file.seek(0)
            with warnings.catch_warnings():  # of sparse tensors, for one, which are refused later
                warnings.simplefilter("ignore")
                content = torch.load(file, map_location="cpu", weights_only=True)
    except WeightsError:
        raise
    except Exception as error:  # damage can make torch, zipfile and pickle raise nearly anything
        raise _unreadable(error) from error
    _check_sizes(content, size)
    return content


def _check_zip(file: IO[bytes]) -> None:
    """Refuse damage, which torch would not notice, and compressed parts, which could be a bomb."""
    with zipfile.ZipFile(file) as archive:
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in archive.infolist()):
            raise ValueError("its entries are compressed, which torch.save does not do")
        if (bad := archive.testzip()) is not None:
            raise ValueError(f"its part {bad} is damaged: the CRC-32 is wrong")
        if not any(name.endswith("/data.pkl") for name in archive.namelist()):
            raise WeightsError(
                "it is a zip, but none of torch.save",
                hint="Give a file of weights, such as latest_net_G_A.pth.",
            )


def _check_sizes(content: Any, size: int) -> None:
    """Refuse tensors that repeat or invent numbers: each is at most as large as the file."""
    left = [content]
    while left:
        value = left.pop()
        if isinstance(value, Tensor) and value.layout is torch.strided:
            if value.numel() * value.element_size() > size:
                raise WeightsError(
                    f"it holds a tensor of shape {tuple(value.shape)}, which is larger than the "
                    "file",
                    hint="It is damaged, or was made to fill the memory.",
                )
        elif isinstance(value, dict):
            left += value.values()
        elif isinstance(value, list | tuple):
            left += value


def _unreadable(error: Exception) -> WeightsError:
    found = _CODE.search(str(error))
    if found is None:
        return WeightsError(
            f"it cannot be read: {first_line(error)}",
            hint="It is cut short or damaged; copy or download it again.",
        )
    return WeightsError(
        f"it asks for {terminal_safe((found[1] or found[2])[:100])}, which is code: a whole module "
        "or other objects were saved, not weights alone. It was not run",
        hint="Save the weights alone in the program that made it: "
        "torch.save(model.state_dict(), 'generator.pth')",
    )
