"""Ways of training: losses, optimisers, and what is done to the pictures."""
