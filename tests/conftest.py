"""One thread for each test process: the tests run side by side (pytest-xdist), and their networks are tiny."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
