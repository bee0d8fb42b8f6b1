"""From pictures to features: through the network, or from the cache."""
