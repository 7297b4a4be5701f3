"""What is stored: records as JSON and back, by the types of their fields."""
