"""The command line: one file for each group of commands; here the parts are wired together."""
