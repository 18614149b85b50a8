"""Before anything is imported: one thread for each test process, since they run side by side, and one width of tables."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["COLUMNS"] = "140"  # the same tables in every terminal
