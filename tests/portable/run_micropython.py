"""Runs portable tests on MicroPython: `micropython run_micropython.py MODULE...`.

A portable test is a plain function `test_*` without parameters that asserts. This program is
MicroPython code itself. It prints one line for a failed test and its traceback, and last
"N passed, N failed"; the exit status is 1 if a test failed or none ran.
"""

import gc
import sys


def tests_of(name):
    """The test functions of the module `name` as (label, function), sorted: dicts have no order here."""
    module = __import__(name)
    return [(name + "." + word, getattr(module, word)) for word in sorted(dir(module)) if word[:5] == "test_"]


def run(label, test):
    """Run one test; print what went wrong. Returns whether it passed."""
    try:
        # A coroutine or generator function would "pass" here without having run a line.
        if test() is not None:
            raise TypeError("a portable test returns nothing; is it an async function?")
        return True
    except Exception as error:
        print("FAILED", label)
        sys.print_exception(error, sys.stdout)
        return False


def main(names):
    """Run the tests of all modules in `names`. Returns the exit status."""
    counts = {True: 0, False: 0}
    for name in names:
        try:
            tests = tests_of(name)
        except Exception as error:
            tests = []
            counts[False] += 1
            print("FAILED to import", name)
            sys.print_exception(error, sys.stdout)
        for label, test in tests:
            # Each test starts from the same heap, so that running out of it is the test's own doing.
            gc.collect()
            counts[run(label, test)] += 1
    print("%d passed, %d failed" % (counts[True], counts[False]))
    return 0 if counts[True] and not counts[False] else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
