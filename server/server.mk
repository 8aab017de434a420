# What the daemon and the tool are made of: one file per line, a room per block, lowest first.
noinst_LTLIBRARIES += libvrvserver.la
libvrvserver_la_SOURCES = \
	server/base/arena.c \
	server/base/arena.h \
	server/base/out.c \
	server/base/out.h \
	server/base/pool.c \
	server/base/pool.h \
	server/wire/apis.c \
	server/wire/apis.def \
	server/wire/apis.h \
	server/wire/default.c \
	server/wire/header.c \
	server/wire/header.h \
	server/wire/json.c \
	server/wire/messages.h \
	server/wire/msg/all.def \
	server/wire/msg/alter_configs.def \
	server/wire/msg/api_versions.def \
	server/wire/msg/create_acls.def \
	server/wire/msg/create_partitions.def \
	server/wire/msg/create_topics.def \
	server/wire/msg/delete_acls.def \
	server/wire/msg/delete_groups.def \
	server/wire/msg/delete_records.def \
	server/wire/msg/delete_topics.def \
	server/wire/msg/describe_acls.def \
	server/wire/msg/describe_client_quotas.def \
	server/wire/msg/describe_cluster.def \
	server/wire/msg/describe_configs.def \
	server/wire/msg/describe_groups.def \
	server/wire/msg/describe_log_dirs.def \
	server/wire/msg/describe_producers.def \
	server/wire/msg/describe_topic_partitions.def \
	server/wire/msg/elect_leaders.def \
	server/wire/msg/fetch.def \
	server/wire/msg/find_coordinator.def \
	server/wire/msg/heartbeat.def \
	server/wire/msg/incremental_alter_configs.def \
	server/wire/msg/init_producer_id.def \
	server/wire/msg/join_group.def \
	server/wire/msg/leave_group.def \
	server/wire/msg/list_groups.def \
	server/wire/msg/list_offsets.def \
	server/wire/msg/list_partition_reassignments.def \
	server/wire/msg/metadata.def \
	server/wire/msg/offset_commit.def \
	server/wire/msg/offset_delete.def \
	server/wire/msg/offset_fetch.def \
	server/wire/msg/offset_for_leader_epoch.def \
	server/wire/msg/produce.def \
	server/wire/msg/sync_group.def \
	server/wire/read.c \
	server/wire/schema.c \
	server/wire/schema.h \
	server/wire/types.h \
	server/wire/wire.h \
	server/wire/wire_int.h \
	server/wire/write.c \
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
