# Written by `make docs`: do not edit.
env _NOIDCHECKS_COMPLETE=fish_source noidchecks 2>/dev/null | source
