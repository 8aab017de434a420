# Manual pages (mdoc), one per line.
dist_man_MANS += \
	$(NULL)
