"""Memory that a training step frees stays with the process, for the next step.

glibc gives every block over 32 MB back to the system when it is freed, and the next step takes a new one, page by page. The
feature maps of a batch are such blocks: a quarter of a step of the dual-branch CNN went into page faults.
"""

import ctypes

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4  # malloc.h


def keep_freed_memory() -> bool:
    """Let the whole process keep what it frees, and never take a block of its own from the system; False without glibc.

    The peak grows by a few per cent (what is free lies in pieces). Call it once, before the first large tensor.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    settings = {_MMAP_MAX: 0, _TRIM_THRESHOLD: -1, _TOP_PAD: 64 * 2**20}
    return all(mallopt(name, value) == 1 for name, value in settings.items())
