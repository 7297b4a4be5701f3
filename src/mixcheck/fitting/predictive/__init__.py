"""What a fitted model expects: responses, random effects and predictions."""
