"""The packages in these folders are collected by the tests that install them."""

collect_ignore = ["asdzoo_pyod", "pyod_stand_in"]
