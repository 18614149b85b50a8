"""Before anything is imported: one thread for each test process, since they run side by side, one width of tables, a cache of
its own, so that no test knows what another has found out, and Triton's interpreter where there is no GPU."""

import atexit
import os
import shutil
import tempfile

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TRITON_INTERPRET", "0" if shutil.which("nvidia-smi") else "1")  # read when triton is imported
os.environ["COLUMNS"] = "140"  # the same tables in every terminal
os.environ["ASDZOO_CACHE"] = tempfile.mkdtemp(prefix="asdzoo-cache-")
atexit.register(shutil.rmtree, os.environ["ASDZOO_CACHE"], ignore_errors=True)
