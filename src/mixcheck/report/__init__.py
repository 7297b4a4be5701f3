"""What was found and what it means: findings, policies and reports."""
