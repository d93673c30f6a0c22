# Written by `make docs`: do not edit.
env _NOIDLB_COMPLETE=fish_source noidlb 2>/dev/null | source
