# The engine: one file per line, a room per block, lowest first.  All lines end alike.
NULL =
noinst_LTLIBRARIES += libvrvengine.la
libvrvengine_la_SOURCES = \
	engine/base/annot.h \
	engine/base/assert.h \
	engine/base/bytes.h \
	engine/base/crc32c.c \
	engine/base/crc32c.h \
	engine/base/crc32c_impl.h \
	engine/base/err.c \
	engine/base/err.h \
	engine/base/errors.def \
	engine/base/heap.c \
	engine/base/heap.h \
	engine/base/list.h \
	engine/base/mem.c \
	engine/base/mem.h \
	engine/base/omap.c \
	engine/base/omap.h \
	engine/base/rand.h \
	engine/base/uuid.h \
	engine/os/clock.c \
	engine/os/clock.h \
	engine/os/cq.c \
	engine/os/cq.h \
	engine/os/failpoint.c \
	engine/os/failpoint.h \
	engine/os/files.c \
	engine/os/files.h \
	engine/os/lock.c \
	engine/os/lock.h \
	engine/os/locks.def \
	engine/os/thread.c \
	engine/os/thread.h \
	engine/os/uring.c \
	engine/os/uring.h \
	engine/os/vfs.c \
	engine/os/vfs.h \
	engine/os/vfs_posix.c \
	engine/os/vfs_posix.h \
	engine/os/vfs_posix_file.c \
	engine/contract/metastore.h \
	engine/contract/cold.h \
	engine/contract/waldev.h \
	engine/tail/fill.c \
	engine/tail/fill.h \
	engine/tail/slab.c \
	engine/tail/slab.h \
	engine/batch/batch.c \
	engine/batch/batch.h \
	engine/batch/batch_format.h \
	engine/batch/build.c \
	engine/batch/build.h \
	engine/batch/compress.c \
	engine/batch/compress.h \
	engine/batch/decompress.c \
	engine/batch/record.c \
	engine/batch/record.h \
	engine/batch/varint.h \
	engine/meta/catalog.c \
	engine/meta/catalog.h \
	engine/meta/catalog_bump.c \
	engine/meta/catalog_call.c \
	engine/meta/catalog_call.h \
	engine/meta/catalog_change.c \
	engine/meta/catalog_codec.c \
	engine/meta/catalog_codec.h \
	engine/meta/catalog_image.c \
	engine/meta/catalog_image.h \
	engine/meta/catalog_impl.h \
	engine/meta/metacall.c \
	engine/meta/metacall.h \
	engine/meta/metaframe.c \
	engine/meta/metaframe.h \
	engine/meta/metakeys.c \
	engine/meta/metakeys.h \
	engine/meta/metalog.c \
	engine/meta/metalog.h \
	engine/meta/metalog_file.c \
	engine/meta/metalog_format.h \
	engine/meta/metalog_impl.h \
	engine/meta/metarecover.c \
	engine/meta/metareplay.c \
	engine/meta/metastore.c \
	engine/meta/metawatch.c \
	engine/meta/metawatch.h \
	engine/seg/index.c \
	engine/seg/index.h \
	engine/seg/index_format.h \
	engine/seg/seg.c \
	engine/seg/seg.h \
	engine/seg/seg_check.c \
	engine/seg/seg_find.c \
	engine/seg/seg_int.h \
	engine/seg/seg_walk.c \
	engine/seg/seg_walk.h \
	engine/wal/journal.c \
	engine/wal/journal.h \
	engine/wal/wal_file.c \
	engine/wal/wal_file.h \
	engine/wal/wal_file_int.h \
	engine/wal/wal_format.c \
	engine/wal/wal_format.h \
	engine/wal/wal_probe.c \
	engine/wal/wal_recover.c \
	engine/wal/waldev.c \
	engine/log/env.h \
	engine/log/epochs.c \
	engine/log/epochs.h \
	engine/log/log.c \
	engine/log/log.h \
	engine/log/log_append.c \
	engine/log/log_cut.c \
	engine/log/log_flush.c \
	engine/log/log_int.h \
	engine/log/log_ring.h \
	engine/log/log_start.c \
	engine/log/log_state.c \
	engine/log/log_wait.c \
	engine/log/producers.c \
	engine/log/producers.h \
	engine/log/topic_config.c \
	engine/log/topic_config.h \
	engine/reader/fetch.c \
	engine/reader/fetch.h \
	engine/reader/read_time.c \
	engine/reader/reader.c \
	engine/reader/reader.h \
	engine/reader/reader_int.h \
	engine/bury.c \
	engine/checkpoint.c \
	engine/cut.c \
	engine/engine.c \
	engine/engine.h \
	engine/engine_int.h \
	engine/recover.c \
	engine/room.c \
	engine/topics.c \
	engine/varve.c \
	engine/varve.h \
	engine/varve_append.c \
	engine/varve_cursor.c \
	engine/varve_int.h \
	$(NULL)
libvrvengine_la_LIBADD = $(DEP_LIBS)

# What is installed: only varve_* is visible from outside.
lib_LTLIBRARIES += libvarve.la
libvarve_la_SOURCES =
libvarve_la_LIBADD = libvrvengine.la
libvarve_la_LDFLAGS = $(AM_LDFLAGS) -version-info 0:0:0 -no-undefined \
	-Wl,--version-script=$(srcdir)/engine/varve.map
EXTRA_libvarve_la_DEPENDENCIES = engine/varve.map
EXTRA_DIST += engine/varve.map
pkgconfig_DATA = varve.pc
include_HEADERS += engine/varve.h
