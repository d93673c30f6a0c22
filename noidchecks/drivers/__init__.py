"""Sessions run dialogues and perform their operations; loops wait for many sessions at once."""
