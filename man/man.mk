# Manual pages (mdoc), one per line.
dist_man_MANS += \
	man/varve.3 \
	man/varve.1 \
	man/varve.conf.5 \
	$(NULL)
