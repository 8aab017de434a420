"""What the Python client tests share: a list of behaviours, printed as TAP.

    @behaviour("a record comes back")
    def _():
        assert ...

    tap.main()

BOOTSTRAP in the environment is the broker; VARVE_LONG asks for more of everything.
"""
import faulthandler
import itertools
import os
import sys
import time
import traceback

BOOTSTRAP = os.environ["BOOTSTRAP"]
LONG = "VARVE_LONG" in os.environ

# A test that takes as long hangs: the program says where and ends.
PATIENCE_S = 600 if LONG else 180

_behaviours = []
_names = itertools.count(1)


def behaviour(what, long=False):
    """A test; `long` ones run only with VARVE_LONG."""

    def add(run):
        if LONG or not long:
            _behaviours.append((what, run))
        return run

    return add


def name(what):
    """A name that no other run has used, for a topic or a group."""
    return f"{what}-{int(time.time()):x}-{os.getpid()}-{next(_names)}"


def same(got, want, what="value"):
    """An assertion that tells both sides, shortened."""
    assert got == want, f"{what}: expected {str(want)[:400]}, saw {str(got)[:400]}"


def until(condition, what, seconds=60):
    """Waits for what must come true; returns the condition's value."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
    raise AssertionError(f"not within {seconds} s: {what}")


def main():
    print(f"1..{len(_behaviours)}", flush=True)
    failed = 0
    for number, (what, run) in enumerate(_behaviours, 1):
        faulthandler.dump_traceback_later(PATIENCE_S, exit=True)
        try:
            run()
            print(f"ok {number} - {what}", flush=True)
        except Exception:
            failed += 1
            print(f"not ok {number} - {what}")
            for line in traceback.format_exc().splitlines():
                print(f"# {line}")
            sys.stdout.flush()
        faulthandler.cancel_dump_traceback_later()
    # a client that still waits for a broker must not keep us
    os._exit(failed > 0)
