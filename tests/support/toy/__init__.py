"""A protocol of one line, `TOY/1 NAME`, with the files of every protocol: tests/test_new_protocol.py adds it."""
