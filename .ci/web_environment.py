"""Make .venv-web: gradio, and the Pillow that it takes, before all that .venv has.

gradio takes no Pillow from 13 on, which mifid itself works with. This environment has only what
.venv lacks or has in another version; everything else is found in .venv, mifid and torch, too.
"""

import configparser
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

root = Path(__file__).parents[1]
folder = root / ".venv-web"
venv.create(folder, clear=True, with_pip=False)
python = folder / Path(sys.executable).relative_to(sys.prefix)
into = sysconfig.get_path("purelib", vars={"base": str(folder), "platbase": str(folder)})
(Path(into) / "_venv.pth").write_text(
    f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n"
)
settings = configparser.ConfigParser()
settings.read(root / "setup.cfg")
wanted = settings["options.extras_require"]["web"].split("\n")
command = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet"]
subprocess.run(
    [*command, "--no-compile", "--disable-pip-version-check", *filter(None, wanted)], check=True
)
