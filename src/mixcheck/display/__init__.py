"""Generic pages: documents, pictures and how they are shown. Knows nothing of models."""
