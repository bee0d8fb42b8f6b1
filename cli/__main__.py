"""python -m mifid_cli"""

from .main import main

main()
