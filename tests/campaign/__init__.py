"""The long things: kills, power cuts, full disks, many seeds, planted faults, a soak test."""
