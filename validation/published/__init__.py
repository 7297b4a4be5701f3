"""Published numbers of other systems, one module a system, each beside ours."""
