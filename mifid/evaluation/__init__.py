"""From features to numbers, and what speaks against them."""
