"""The programs that run in the machine, as root under its systemd."""
