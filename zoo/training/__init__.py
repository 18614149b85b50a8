"""One loop that trains every network, and what surrounds it: the order of clips, schedules, averaging, devices, costs."""
