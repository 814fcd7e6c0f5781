"""Runs before main.py: frees the heap of what booting left behind."""

import gc

gc.collect()
