#!/bin/sh
# By this name librdkafka's tests look for it.
exec "$(dirname "$(readlink -f "$0")")/tool" topics "$@"
