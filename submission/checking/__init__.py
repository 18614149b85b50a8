"""Anyone's package, judged as the organisers judge it: layout, file names, CSVs, metadata, and scores when the truth is known.

Nothing here knows a run.
"""
