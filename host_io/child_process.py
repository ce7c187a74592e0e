"""Children that end with their parent, so that a killed supervisor leaves no broker or program behind."""

import ctypes
import signal
from collections.abc import Callable

_PR_SET_PDEATHSIG = 1


def die_with_parent(number: signal.Signals = signal.SIGTERM) -> Callable[[], None]:
    """Return what `subprocess.Popen(preexec_fn=…)` calls in the child: the kernel sends `number` when the parent ends.

    The parent is the *thread* that starts the child: start children from one that lives as long as the program.
    """
    prctl = ctypes.CDLL(None, use_errno=True).prctl  # looked up before the fork; the child only calls it

    def ask_kernel() -> None:
        prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0)

    return ask_kernel
