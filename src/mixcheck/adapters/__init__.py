"""Models that other programs fitted, as models here."""
