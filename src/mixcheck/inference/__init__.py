"""From estimates and their uncertainty to statements; it knows arrays and no model."""
