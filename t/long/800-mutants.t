#!/bin/sh
# Deliberate bugs in the engine: each must turn a test red.  All of them in `make check-long`, a handful
# in `make check-sample`.
exec "${srcdir:-.}/t/mutants/run.sh"
