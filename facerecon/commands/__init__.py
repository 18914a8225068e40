"""The command line: a module per command, each parse -> build -> call -> print. Owns exit codes."""
