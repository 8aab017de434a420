#!/bin/sh
# Deliberate bugs in engine and server: each must turn a test red.  All of them in `make check-long`, a handful
# in `make check-sample`.
exec "${srcdir:-.}/t/mutants/run.sh"
