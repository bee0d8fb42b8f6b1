"""What stands behind a number: its spread, its bias, and the pictures that made it.

Everything here works on features that are already computed; nothing runs a network.
"""
