"""Forgetting modules that are needed only now and then: bytecode lives in the heap of a board."""

import gc
import sys


def unload(names: "list[str]") -> None:
    """Let go of modules by their full names; the next import reads them in again.

    Their memory is free once nothing that was made of them is left: objects keep their classes, and
    functions keep their module's names.
    """
    for name in names:
        if name in sys.modules:
            del sys.modules[name]
            parent, _, child = name.rpartition(".")
            package = sys.modules.get(parent)
            if package is not None and hasattr(package, child):
                delattr(package, child)
    gc.collect()
