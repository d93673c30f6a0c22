"""What can break, provoked in the lab: each row of docs/what-can-break.md is a test."""
