# What the daemon and the tool are made of: one file per line, a room per block, lowest first.
noinst_LTLIBRARIES += libvrvserver.la
libvrvserver_la_SOURCES = \
	server/base/arena.c \
	server/base/arena.h \
	server/base/call.h \
	server/base/quantiles.h \
	server/base/kerrors.c \
	server/base/kerrors.def \
	server/base/kerrors.h \
	server/base/diag.c \
	server/base/diag.h \
	server/base/events.def \
	server/base/internal.c \
	server/base/internal.h \
	server/base/out.c \
	server/base/out.h \
	server/base/pool.c \
	server/base/pool.h \
	server/base/random.c \
	server/base/random.h \
	server/base/utf8.c \
	server/base/utf8.h \
	server/wire/apis.c \
	server/wire/apis.def \
	server/wire/apis.h \
	server/wire/codes.c \
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
	server/wire/msg/tier_describe.def \
	server/wire/msg/tier_deleted.def \
	server/wire/msg/tier_forget.def \
	server/wire/msg/tier_undelete.def \
	server/wire/msg/tier_offload.def \
	server/wire/msg/tier_plan.def \
	server/wire/read.c \
	server/wire/schema.c \
	server/wire/schema.h \
	server/wire/types.h \
	server/wire/wire.h \
	server/wire/wire_int.h \
	server/wire/write.c \
	server/api/absent.c \
	server/api/api_versions.c \
	server/api/broker.c \
	server/api/broker.h \
	server/api/client.c \
	server/api/client.h \
	server/api/cluster.c \
	server/api/cold_quota.c \
	server/api/cold_quota.h \
	server/api/configs.c \
	server/api/configs.h \
	server/api/delete_records.c \
	server/api/describe.c \
	server/api/epochs.c \
	server/api/fetch.c \
	server/api/fetch_cold.c \
	server/api/fetch_int.h \
	server/api/fetch_read.c \
	server/api/fetch_session.c \
	server/api/fetch_session.h \
	server/api/find.c \
	server/api/find.h \
	server/api/group_admin.c \
	server/api/group_offsets.c \
	server/api/groups.c \
	server/api/handlers.h \
	server/api/init_producer_id.c \
	server/api/list_offsets.c \
	server/api/metadata.c \
	server/api/produce.c \
	server/api/producer_ids.c \
	server/api/producer_ids.h \
	server/api/request.c \
	server/api/request.h \
	server/api/spans.h \
	server/api/tell_cold.c \
	server/api/tell_cold.h \
	server/api/tier.h \
	server/api/tier_describe.c \
	server/api/tier_deleted.c \
	server/api/tier_forget.c \
	server/api/tier_plan.c \
	server/api/topics.c \
	server/group/calls.c \
	server/group/calls.h \
	server/group/coord.c \
	server/group/coord.h \
	server/group/coord_calls.c \
	server/group/coord_dump.c \
	server/group/coord_int.h \
	server/group/coord_load.c \
	server/group/coord_stats.c \
	server/group/coord_write.c \
	server/group/group.h \
	server/group/group_calls.c \
	server/group/group_int.h \
	server/group/group_join.c \
	server/group/group_log.c \
	server/group/group_log.h \
	server/group/group_state.c \
	server/group/member.c \
	server/group/member.h \
	server/group/offsets.c \
	server/group/offsets.h \
	server/group/rebalance.c \
	server/group/span.h \
	server/net/acceptor.c \
	server/net/acceptor.h \
	server/net/admit.c \
	server/net/admit.h \
	server/net/conn.c \
	server/net/conn_load.c \
	server/net/conn_send.c \
	server/net/counters.def \
	server/net/listen.c \
	server/net/listen.h \
	server/net/loop.c \
	server/net/loop.h \
	server/net/net.c \
	server/net/net.h \
	server/net/net_int.h \
	server/net/opts.c \
	server/net/reactor.c \
	server/net/rx.c \
	server/net/rx.h \
	server/stat/counters.def \
	server/stat/prom.c \
	server/stat/prom.h \
	server/stat/stat.c \
	server/stat/stat.h \
	server/stat/text.c \
	server/stat/text.h \
	server/stat/web.c \
	server/stat/web.h \
	server/stat/web_conn.c \
	server/stat/web_conn.h \
	server/stat/web_parse.c \
	server/stat/web_parse.h \
	server/config/alter.c \
	server/config/config.c \
	server/config/config.h \
	server/config/describe.c \
	server/config/describe.h \
	server/config/input.c \
	server/config/input.h \
	server/config/listeners.c \
	server/config/listeners.h \
	server/config/option.c \
	server/config/option.h \
	server/config/options.def \
	server/config/properties.c \
	server/config/properties.h \
	server/config/quotas.c \
	server/config/quotas.h \
	server/config/store.c \
	server/config/store.h \
	server/config/store_int.h \
	server/config/topic_check.c \
	$(NULL)

# Every option with its default.
dist_doc_DATA += server/config/varve.conf

# ---- varved, the daemon
bin_PROGRAMS += server/main/varved
server_main_varved_SOURCES = \
	server/main/admin.c \
	server/main/admin.h \
	server/main/assemble.c \
	server/main/assemble.h \
	server/main/cold.c \
	server/main/cold.h \
	server/cold/coldstore.c \
	server/cold/coldstore.h \
	server/main/descriptors.c \
	server/main/descriptors.h \
	server/main/listener_text.h \
	server/main/metrics.c \
	server/main/metrics.h \
	server/main/metrics_tier.c \
	server/main/metrics_topics.c \
	server/main/notify.c \
	server/main/notify.h \
	server/main/serve.c \
	server/main/serve.h \
	server/main/varved.c \
	$(NULL)
server_main_varved_LDADD = libvrvserver.la libvrvtiering.la libvrvengine.la

unitdir = $(prefix)/lib/systemd/system
nodist_unit_DATA = server/main/varved.service
CLEANFILES += server/main/varved.service
EXTRA_DIST += server/main/varved.service.in
server/main/varved.service: server/main/varved.service.in Makefile
	$(AM_V_GEN)$(MKDIR_P) server/main && \
		sed 's|[@]bindir[@]|$(bindir)|; s|[@]sysconfdir[@]|$(sysconfdir)|' \
			$(srcdir)/server/main/varved.service.in >$@.tmp && mv $@.tmp $@

# systemd wants the user in a file of this name.
EXTRA_DIST += server/main/varved.sysusers
sysusers = $(DESTDIR)$(prefix)/lib/sysusers.d
settings = $(DESTDIR)$(sysconfdir)/varve
# Settings that are there are somebody's.
install-data-local:
	$(MKDIR_P) $(sysusers) $(settings)
	$(INSTALL_DATA) $(srcdir)/server/main/varved.sysusers $(sysusers)/varve.conf
	test -e $(settings)/varve.conf || \
		$(INSTALL_DATA) $(srcdir)/server/config/varve.conf $(settings)/varve.conf
uninstall-local:
	rm -f $(sysusers)/varve.conf
	! cmp -s $(srcdir)/server/config/varve.conf $(settings)/varve.conf || \
		rm -f $(settings)/varve.conf

# ---- varve, the tool
bin_PROGRAMS += server/tool/varve
server_tool_varve_SOURCES = \
	server/cold/coldstore.c \
	server/cold/coldstore.h \
	server/cold/offline.c \
	server/cold/offline.h \
	server/cold/revive.c \
	server/cold/revive.h \
	server/tool/args.c \
	server/tool/args.h \
	server/tool/bench.h \
	server/tool/bench_broker.c \
	server/tool/bench_idle.c \
	server/tool/bench_link.c \
	server/tool/bench_load.c \
	server/tool/bench_read.c \
	server/tool/bench_run.c \
	server/tool/bench_start.c \
	server/tool/bench_tiers.c \
	server/tool/bench_tiers.h \
	server/tool/bench_tiers_ask.c \
	server/tool/bench_tiers_load.c \
	server/tool/bench_tiers_print.c \
	server/tool/bench_tiers_read.c \
	server/tool/bench_tiers_topic.c \
	server/tool/bench_topic.c \
	server/tool/cmd_bench.c \
	server/tool/cmd_config.c \
	server/tool/cmd_consume.c \
	server/tool/cmd_group.c \
	server/tool/cmd_log.c \
	server/tool/cmd_produce.c \
	server/tool/cmd_proto.c \
	server/tool/cmd_restore.c \
	server/tool/cmd_scrub.c \
	server/tool/cmd_store.c \
	server/tool/cmd_tier.c \
	server/tool/cmd_topic.c \
	server/tool/coldlink.c \
	server/tool/coldlink.h \
	server/tool/commands.h \
	server/tool/consume.h \
	server/tool/consume_plan.c \
	server/tool/consume_run.c \
	server/tool/dump.c \
	server/tool/dump_file.c \
	server/tool/format.c \
	server/tool/format.h \
	server/tool/group.c \
	server/tool/group.h \
	server/tool/group_reset.c \
	server/tool/group_show.c \
	server/tool/input.c \
	server/tool/input.h \
	server/tool/kafka.c \
	server/tool/kafka.h \
	server/tool/ls.c \
	server/tool/main.c \
	server/tool/out.c \
	server/tool/out.h \
	server/tool/overlay.c \
	server/tool/overlay.h \
	server/tool/overlay_file.c \
	server/tool/overlay_int.h \
	server/tool/produce.h \
	server/tool/produce_read.c \
	server/tool/progress.c \
	server/tool/progress.h \
	server/tool/record.h \
	server/tool/record_json.c \
	server/tool/repair.c \
	server/tool/repair.h \
	server/tool/repair_aside.c \
	server/tool/repair_keys.c \
	server/tool/repair_meta.c \
	server/tool/repair_seg.c \
	server/tool/repair_wal.c \
	server/tool/restore.h \
	server/tool/restore_show.c \
	server/tool/scrub_heal.c \
	server/tool/scrub_heal.h \
	server/tool/settings.c \
	server/tool/settings.h \
	server/tool/stop.c \
	server/tool/stop.h \
	server/tool/table.c \
	server/tool/table.h \
	server/tool/tier.h \
	server/tool/tier_deleted.c \
	server/tool/tier_dump.c \
	server/tool/tier_explain.c \
	server/tool/tier_ls.c \
	server/tool/tier_link.c \
	server/tool/tier_offload.c \
	server/tool/tier_status.c \
	server/tool/tool.h \
	server/tool/topic.h \
	server/tool/topic_show.c \
	server/tool/verify.c \
	server/tool/verify.h \
	server/tool/verify_meta.c \
	server/tool/verify_names.c \
	server/tool/verify_seg.c \
	server/tool/view.c \
	server/tool/view.h \
	server/tool/when.c \
	server/tool/when.h \
	$(NULL)
server_tool_varve_CPPFLAGS = $(AM_CPPFLAGS) $(RDKAFKA_CFLAGS)
server_tool_varve_LDADD = libvrvserver.la libvrvtiering.la libvrvengine.la $(RDKAFKA_LIBS)
