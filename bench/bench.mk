# Benchmarks: built by `make check` so that they can't rot, run by hand or by `make bench`.
BENCHES = \
	$(NULL)
check_PROGRAMS += $(BENCHES)

bench: $(BENCHES)
	@for b in $(BENCHES); do echo "== $$b"; ./$$b || exit 1; done
.PHONY: bench
