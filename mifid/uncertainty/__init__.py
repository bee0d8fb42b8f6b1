"""How far a score may be off: intervals, and the bias of few pictures."""
