# Manual pages (mdoc), one per line.
dist_man_MANS += \
	man/varve.3 \
	man/varve.1 \
	man/varve.conf.5 \
	man/varve-cold.5 \
	man/varve-tiering.7 \
	man/varve-protocol.7 \
	man/varved.8 \
	man/varve-metrics.7 \
	$(NULL)
