"""Settings of Sphinx: the site is made of the same Markdown files that the repository shows."""

project = "mifid"
author = "The authors of mifid"
copyright = author
extensions = ["myst_parser"]
exclude_patterns = ["*.ipynb"]
myst_enable_extensions = ["deflist"]
myst_heading_anchors = 4
html_theme = "furo"
html_title = "mifid"
html_show_sphinx = False
html_show_copyright = False
