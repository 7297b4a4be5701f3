"""The tests, a package: its name is its own, whatever other packages are installed under it."""
