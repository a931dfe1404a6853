"""The demo: the whole pipeline on one machine, with a made-up city. `make demo` and `make demo-stop` call it."""
