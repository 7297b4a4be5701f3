"""Arguments where they enter: what they may be, and one sentence where they are something else."""
