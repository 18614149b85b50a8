"""`python -m zoo`: the program asdzoo, also where its script is not on the path."""

import sys
from importlib.metadata import entry_points

if __name__ == "__main__":
    (program,) = entry_points(group="console_scripts", name="asdzoo")
    sys.exit(program.load()())
