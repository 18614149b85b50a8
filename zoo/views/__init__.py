"""Views that are computed of a recording's channels, one a file; a file in this room is the registration.

Each module `zoo/views/<name>.py` defines

- `NEEDS`: how many channels a recording must have; its samples lie where those of the last one lie,
- `heard(waves) -> wave`: from (..., channels, samples) in [-1, 1] to (..., samples), of one clip alone: nothing of any other.
- `VERSION`, from 2 on where its numbers have changed; without it, 1.

What such a view hears is kept in the waveform store (`zoo/data/stored_views.py`). With another VERSION it is computed anew, and
systems that hear it are trained and scored anew. Stored channels (near, far, channel:N) need no file: `zoo/data/views.py`.
"""
