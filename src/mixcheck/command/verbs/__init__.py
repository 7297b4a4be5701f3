"""What the command can do: a verb a file, each with `HELP`, `add` and `run`."""
