noinst_LTLIBRARIES += libvrvtiering.la
libvrvtiering_la_SOURCES = \
	tiering/daemon/move.c \
	tiering/daemon/move.h \
	tiering/daemon/policy.c \
	tiering/daemon/policy.h \
	tiering/daemon/sweep.c \
	tiering/daemon/sweep.h \
	tiering/daemon/upload.c \
	tiering/daemon/upload.h \
	tiering/format/manifest.c \
	tiering/format/manifest.h \
	tiering/format/manifest_codec.c \
	tiering/format/object.c \
	tiering/format/object.h \
	tiering/format/object_layout.h \
	tiering/format/object_read.c \
	tiering/parts/commit.c \
	tiering/parts/parts.c \
	tiering/parts/parts.h \
	tiering/parts/parts_int.h \
	tiering/parts/root.c \
	tiering/reader/cache.c \
	tiering/reader/cache.h \
	tiering/reader/cold.c \
	tiering/reader/cold.h \
	tiering/reader/extras.c \
	tiering/reader/extras.h \
	tiering/store/dir.c \
	tiering/store/dir.h \
	tiering/store/dir_int.h \
	tiering/store/dir_io.c \
	tiering/store/dir_list.c \
	tiering/store/dir_sync.c \
	tiering/store/http.h \
	tiering/store/names.c \
	tiering/store/names.h \
	tiering/store/retry.c \
	tiering/store/retry.h \
	tiering/store/store.c \
	tiering/store/store.h \
	tiering/tier.c \
	tiering/tier.h \
	$(NULL)
libvrvtiering_la_LIBADD = $(DEP_LIBS) $(STORE_LIBS)
