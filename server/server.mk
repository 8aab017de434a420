# What the daemon and the tool are made of: one file per line, a room per block, lowest first.
noinst_LTLIBRARIES += libvrvserver.la
libvrvserver_la_SOURCES = \
	server/base/out.c \
	server/base/out.h \
	server/base/pool.c \
	server/base/pool.h \
	$(NULL)

# ---- varve, the tool
bin_PROGRAMS += server/tool/varve
server_tool_varve_SOURCES = \
	server/tool/cmd_log.c \
	server/tool/dump.c \
	server/tool/dump_file.c \
	server/tool/ls.c \
	server/tool/main.c \
	server/tool/out.c \
	server/tool/out.h \
	server/tool/overlay.c \
	server/tool/overlay.h \
	server/tool/overlay_file.c \
	server/tool/overlay_int.h \
	server/tool/progress.c \
	server/tool/progress.h \
	server/tool/repair.c \
	server/tool/repair.h \
	server/tool/repair_aside.c \
	server/tool/repair_keys.c \
	server/tool/repair_meta.c \
	server/tool/repair_seg.c \
	server/tool/repair_wal.c \
	server/tool/tool.h \
	server/tool/verify.c \
	server/tool/verify.h \
	server/tool/verify_meta.c \
	server/tool/verify_names.c \
	server/tool/verify_seg.c \
	server/tool/view.c \
	server/tool/view.h \
	$(NULL)
server_tool_varve_LDADD = libvrvengine.la
