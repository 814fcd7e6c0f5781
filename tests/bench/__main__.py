"""`./run bench`: the agent against what a maker would write by hand, and whether its aims are met."""

import sys
from pathlib import Path

# Python put this folder first: the modules here are `bench.x`, beside `support.x`, both below tests.
sys.path[0] = str(Path(__file__).resolve().parents[1])

from bench.command import main  # noqa: E402

sys.exit(main(sys.argv[1:]))
