"""Puts this folder where the board has it: on the path, so that shared parts are imported by name."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
