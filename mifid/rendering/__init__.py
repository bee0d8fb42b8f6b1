"""What every figure and page shares."""
