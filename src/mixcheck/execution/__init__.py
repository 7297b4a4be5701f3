"""How work is run: workers, random streams, time limits, progress, threads and memory."""
