"""A week in an hour: guardian and survey with 500 backends that fail by turns, disturbed in every way, then killed."""
