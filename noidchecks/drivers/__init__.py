"""Who grants the operations of a dialogue: the session, and the loops that wait for it."""
