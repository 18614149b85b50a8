"""A synthetic challenge: the DCASE 2024 Task 2 tree, with machine sounds built from their physics.

It lets everything be tried, tested and scaled without a 10 GB download. The signal path is the order of the files:

- `sources.py`: shaft phase, harmonics, impulses through resonances, noise; all as arrays of samples at 16 kHz.
- `machines.py`: four families of machine (rotor, gears, slider, clicks) that join those sources, healthy or with a fault.
- `fleet.py`: the sixteen machines of 2024 as data: speeds, attributes, domain shifts, faults.
- `sessions.py`: how much recordings of one healthy machine differ, by day and by clip.
- `surroundings.py`: the noise of a place where things happen.
- `damage.py`: faults of any machine.
- `room.py`: impulse responses of a room, for recordings with two microphones.
- `recording.py`: one clip: the machine in the background noise of its domain, at one level, as 16-bit samples.
- `challenge.py`: which clips there are, their names, and the tree on disk.

A machine is called `Synth` and its name in 2024, so no result on it can be mistaken for one on real recordings.
"""

from zoo.data.synth.challenge import Size, write_challenge

__all__ = ["Size", "write_challenge"]
