"""The command; ``helpers/board.py`` does the work."""

import runpy
import sys
from pathlib import Path

HELPERS = Path(__file__).with_name("helpers")
sys.path.insert(0, str(HELPERS))
runpy.run_path(str(HELPERS / Path(__file__).name), run_name="__main__")
