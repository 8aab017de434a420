# Benchmarks: built by `make check` so that they can't rot, run by hand or by `make bench`.
check_PROGRAMS += bench/b_engine
bench_b_engine_SOURCES = \
	bench/append.c \
	bench/b_engine.c \
	bench/bench.h \
	bench/device.c \
	bench/latency.c \
	bench/load.c \
	bench/loopback.c \
	bench/read.c \
	bench/rest.c \
	bench/settle.c \
	bench/util.c \
	$(NULL)
check_PROGRAMS += bench/b_stat
bench_b_stat_SOURCES = bench/b_stat.c
bench_b_stat_LDADD = libvrvserver.la libvrvengine.la

EXTRA_DIST += \
	bench/README.md \
	bench/bars \
	bench/kafka.sh \
	bench/lib.sh \
	bench/run.sh \
	bench/server.sh \
	bench/tiers.sh \
	$(NULL)

bench: bench/b_engine
	@$(SHELL) $(srcdir)/bench/run.sh $(BENCH)
.PHONY: bench
