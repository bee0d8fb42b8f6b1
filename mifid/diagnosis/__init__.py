"""How far the number depends on resizes and encodings."""
