# Tests: what is below runs in the order of the names.  See t/README.md.
# Numbers climb the rooms, so the first red line is nearest to the cause.

# What test programs share: linked into each of them.
check_LIBRARIES += libtap.a
libtap_a_SOURCES = \
	t/lib/acked.c \
	t/lib/acked.h \
	t/lib/client.c \
	t/lib/client.h \
	t/lib/crashact.c \
	t/lib/crashappend.c \
	t/lib/coldparts.c \
	t/lib/coldparts.h \
	t/lib/crashmodel.c \
	t/lib/crashsim.c \
	t/lib/crashsim.h \
	t/lib/crashsim_int.h \
	t/lib/crashtopic.c \
	t/lib/cut.c \
	t/lib/cut.h \
	t/lib/fakecold.c \
	t/lib/fakecold.h \
	t/lib/fakemeta.c \
	t/lib/fakemeta.h \
	t/lib/golden.h \
	t/lib/grouprig.c \
	t/lib/grouprig.h \
	t/lib/jrig.c \
	t/lib/jrig.h \
	t/lib/kept.h \
	t/lib/metatest.c \
	t/lib/metatest.h \
	t/lib/netrig.c \
	t/lib/netrig.h \
	t/lib/netsim.c \
	t/lib/netsim.h \
	t/lib/offload.c \
	t/lib/offload.h \
	t/lib/onelog.c \
	t/lib/onelog.h \
	t/lib/rig.c \
	t/lib/rig.h \
	t/lib/simclock.c \
	t/lib/simclock.h \
	t/lib/simcrash.c \
	t/lib/simdisk.c \
	t/lib/simdisk.h \
	t/lib/simfile.c \
	t/lib/simgate.c \
	t/lib/simimage.c \
	t/lib/simimage.h \
	t/lib/simstate.c \
	t/lib/simtree.c \
	t/lib/simtree.h \
	t/lib/slotrig.c \
	t/lib/slotrig.h \
	t/lib/slotwal.c \
	t/lib/slotwal.h \
	t/lib/tap.c \
	t/lib/tap.h \
	t/lib/walrig.c \
	t/lib/walrig.h \
	$(NULL)

# ... and what tests of the cold tier share besides: a store of theirs, and what it is used by.
TIER_LIBS = libtap.a libvrvtiering.la libvrvengine.la
FAKESTORE = t/lib/fakestore.c t/lib/fakestore.h
TIERRIG = $(FAKESTORE) t/lib/tierrig.c t/lib/tierrig.h
ONETIER = $(FAKESTORE) t/lib/onetier.c t/lib/onetier.h
HEALRIG = $(ONETIER) t/lib/healrig.c t/lib/healrig.h
COLDLOG = $(TIERRIG) t/lib/coldlog.c t/lib/coldlog.h
COLDCOMMIT = $(COLDLOG) t/lib/coldcommit.c t/lib/coldcommit.h
STORESUITE = t/lib/storesuite.c t/lib/storesuite.h
OWNERRIG = $(FAKESTORE) $(STORESUITE) t/lib/ownerrig.c t/lib/ownerrig.h

# ---- unit programs: t/unit/uNNN-<file>.c, TAP on stdout; linked with libtap.a and the engine
check_PROGRAMS += t/unit/u010-base
t_unit_u010_base_SOURCES = t/unit/u010-base.c

check_PROGRAMS += t/unit/u015-omap
t_unit_u015_omap_SOURCES = t/unit/u015-omap.c

check_PROGRAMS += t/unit/u016-setting
t_unit_u016_setting_SOURCES = t/unit/u016-setting.c

check_PROGRAMS += t/unit/u017-hist
t_unit_u017_hist_SOURCES = t/unit/u017-hist.c

check_PROGRAMS += t/unit/u020-crc32c
t_unit_u020_crc32c_SOURCES = t/unit/u020-crc32c.c

check_PROGRAMS += t/unit/u030-vfs
t_unit_u030_vfs_SOURCES = t/unit/u030-vfs.c

check_PROGRAMS += t/unit/u031-simdisk
t_unit_u031_simdisk_SOURCES = t/unit/u031-simdisk.c

check_PROGRAMS += t/unit/u032-simcrash
t_unit_u032_simcrash_SOURCES = t/unit/u032-simcrash.c

check_PROGRAMS += t/unit/u033-secret
t_unit_u033_secret_SOURCES = t/unit/u033-secret.c

check_PROGRAMS += t/unit/u100-batch
t_unit_u100_batch_SOURCES = t/unit/u100-batch.c

check_PROGRAMS += t/unit/u101-record
t_unit_u101_record_SOURCES = t/unit/u101-record.c

check_PROGRAMS += t/unit/u102-compress
t_unit_u102_compress_SOURCES = t/unit/u102-compress.c

check_PROGRAMS += t/unit/u103-build
t_unit_u103_build_SOURCES = t/unit/u103-build.c

check_PROGRAMS += t/unit/u200-metalog
t_unit_u200_metalog_SOURCES = t/unit/u200-metalog.c

check_PROGRAMS += t/unit/u201-catalog
t_unit_u201_catalog_SOURCES = t/unit/u201-catalog.c

check_PROGRAMS += t/unit/u202-metalog-files
t_unit_u202_metalog_files_SOURCES = t/unit/u202-metalog-files.c

check_PROGRAMS += t/unit/u203-metalog-crash
t_unit_u203_metalog_crash_SOURCES = t/unit/u203-metalog-crash.c

check_PROGRAMS += t/unit/u204-catalog-world
t_unit_u204_catalog_world_SOURCES = t/unit/u204-catalog-world.c

check_PROGRAMS += t/unit/u150-slab
t_unit_u150_slab_SOURCES = t/unit/u150-slab.c

check_PROGRAMS += t/unit/u210-index
t_unit_u210_index_SOURCES = t/unit/u210-index.c

check_PROGRAMS += t/unit/u220-walfile
t_unit_u220_walfile_SOURCES = t/unit/u220-walfile.c

check_PROGRAMS += t/unit/u221-journal
t_unit_u221_journal_SOURCES = t/unit/u221-journal.c

check_PROGRAMS += t/unit/u222-slotwal
t_unit_u222_slotwal_SOURCES = t/unit/u222-slotwal.c

check_PROGRAMS += t/unit/u223-walcrash
t_unit_u223_walcrash_SOURCES = t/unit/u223-walcrash.c

check_PROGRAMS += t/unit/u211-seg
t_unit_u211_seg_SOURCES = t/unit/u211-seg.c

check_PROGRAMS += t/unit/u300-producers
t_unit_u300_producers_SOURCES = t/unit/u300-producers.c

check_PROGRAMS += t/unit/u301-epochs
t_unit_u301_epochs_SOURCES = t/unit/u301-epochs.c

check_PROGRAMS += t/unit/u400-topics
t_unit_u400_topics_SOURCES = t/unit/u400-topics.c

check_PROGRAMS += t/unit/u401-append
t_unit_u401_append_SOURCES = t/unit/u401-append.c

check_PROGRAMS += t/unit/u402-start
t_unit_u402_start_SOURCES = t/unit/u402-start.c

check_PROGRAMS += t/unit/u403-wait
t_unit_u403_wait_SOURCES = t/unit/u403-wait.c

check_PROGRAMS += t/unit/u404-flush
t_unit_u404_flush_SOURCES = t/unit/u404-flush.c

check_PROGRAMS += t/unit/u405-open
t_unit_u405_open_SOURCES = t/unit/u405-open.c

check_PROGRAMS += t/unit/u406-many
t_unit_u406_many_SOURCES = t/unit/u406-many.c

check_PROGRAMS += t/unit/u407-full
t_unit_u407_full_SOURCES = t/unit/u407-full.c

check_PROGRAMS += t/unit/u408-truncate
t_unit_u408_truncate_SOURCES = t/unit/u408-truncate.c

check_PROGRAMS += t/unit/u409-stats
t_unit_u409_stats_SOURCES = t/unit/u409-stats.c

check_PROGRAMS += t/unit/u410-reader
t_unit_u410_reader_SOURCES = t/unit/u410-reader.c

check_PROGRAMS += t/unit/u430-slotwal
t_unit_u430_slotwal_SOURCES = t/unit/u430-slotwal.c

check_PROGRAMS += t/unit/u431-fakemeta
t_unit_u431_fakemeta_SOURCES = t/unit/u431-fakemeta.c

check_PROGRAMS += t/unit/u440-cold
t_unit_u440_cold_SOURCES = t/unit/u440-cold.c

check_PROGRAMS += t/unit/u441-coldread
t_unit_u441_coldread_SOURCES = t/unit/u441-coldread.c

check_PROGRAMS += t/unit/u442-coldmodel
t_unit_u442_coldmodel_SOURCES = t/lib/coldmodel.c t/lib/coldmodel.h t/unit/u442-coldmodel.c

check_PROGRAMS += t/unit/u443-coldcursor
t_unit_u443_coldcursor_SOURCES = t/unit/u443-coldcursor.c

check_PROGRAMS += t/unit/u500-crash
t_unit_u500_crash_SOURCES = t/unit/u500-crash.c

check_PROGRAMS += t/unit/u501-faults
t_unit_u501_faults_SOURCES = t/unit/u501-faults.c

check_PROGRAMS += t/unit/u502-bitrot
t_unit_u502_bitrot_SOURCES = t/unit/u502-bitrot.c

check_PROGRAMS += t/unit/u444-cursordamage
t_unit_u444_cursordamage_SOURCES = t/unit/u444-cursordamage.c

check_PROGRAMS += t/unit/u445-cursorwait
t_unit_u445_cursorwait_SOURCES = t/unit/u445-cursorwait.c

check_PROGRAMS += t/unit/u446-undelete
t_unit_u446_undelete_SOURCES = t/unit/u446-undelete.c

check_PROGRAMS += t/unit/u447-changed
t_unit_u447_changed_SOURCES = t/unit/u447-changed.c

# ---- tiering
check_PROGRAMS += t/unit/u460-storedir
t_unit_u460_storedir_SOURCES = $(STORESUITE) t/unit/u460-storedir.c
t_unit_u460_storedir_LDADD = $(TIER_LIBS)

check_PROGRAMS += t/unit/u461-retry
t_unit_u461_retry_SOURCES = $(FAKESTORE) t/unit/u461-retry.c
t_unit_u461_retry_LDADD = $(TIER_LIBS)

# It loads libvarve when it runs, and has nothing of it.
check_PROGRAMS += t/unit/u450-unload
t_unit_u450_unload_LDADD = libtap.a

check_PROGRAMS += t/unit/u452-upload
t_unit_u452_upload_SOURCES = $(FAKESTORE) t/unit/u452-upload.c
t_unit_u452_upload_LDADD = $(TIER_LIBS)

check_PROGRAMS += t/unit/u464-tier
t_unit_u464_tier_SOURCES = $(COLDLOG) t/unit/u464-tier.c
t_unit_u464_tier_LDADD = $(TIER_LIBS)

check_PROGRAMS += t/unit/u467-tierd
t_unit_u467_tierd_SOURCES = $(ONETIER) t/unit/u467-tierd.c
t_unit_u467_tierd_LDADD = $(TIER_LIBS)

HTTPD = t/lib/httpd.c t/lib/httpd.h t/lib/httpd_conn.c t/lib/httpd_int.h
HTTPRIG = $(HTTPD) t/lib/httprig.c t/lib/httprig.h
HTTPRIG_LIBS = libtap.a libvrvtiering.la libvrvengine.la -lssl -lcrypto

FAKES3 = \
	t/lib/fakes3.c \
	t/lib/fakes3.h \
	t/lib/fakes3_admin.c \
	t/lib/fakes3_calls.c \
	t/lib/fakes3_check.c \
	t/lib/fakes3_faults.c \
	t/lib/fakes3_int.h \
	t/lib/fakes3_lists.c \
	t/lib/fakes3_objects.c \
	t/lib/fakes3_xml.c \
	$(NULL)
check_PROGRAMS += t/unit/u456-s3
t_unit_u456_s3_SOURCES = $(STORESUITE) $(HTTPRIG) $(FAKES3) t/unit/u456-s3.c
t_unit_u456_s3_LDADD = $(HTTPRIG_LIBS)

check_PROGRAMS += t/unit/u493-badstore
t_unit_u493_badstore_SOURCES = \
	$(HTTPD) \
	$(FAKES3) \
	t/lib/badstore.c \
	t/lib/badstore.h \
	t/lib/coldcheck.c \
	t/lib/coldcheck.h \
	t/lib/names.c \
	t/lib/names.h \
	t/lib/testcert.c \
	t/lib/testcert.h \
	t/unit/u493-badstore.c \
	$(NULL)
t_unit_u493_badstore_LDADD = $(HTTPRIG_LIBS)

check_PROGRAMS += t/unit/u459-fakes3 t/s3d
t_unit_u459_fakes3_SOURCES = $(HTTPRIG) $(FAKES3) t/unit/u459-fakes3.c
t_unit_u459_fakes3_LDADD = $(HTTPRIG_LIBS)
t_s3d_SOURCES = $(HTTPD) $(FAKES3) t/lib/testcert.c t/lib/testcert.h t/lib/s3d.c
t_s3d_LDADD = $(HTTPRIG_LIBS)

check_PROGRAMS += t/unit/u468-http t/unit/u457-httptime t/unit/u458-httptls t/unit/u453-httpdns
t_unit_u453_httpdns_SOURCES = $(HTTPRIG) t/lib/names.c t/lib/names.h t/unit/u453-httpdns.c
t_unit_u453_httpdns_LDADD = $(HTTPRIG_LIBS)
t_unit_u468_http_SOURCES = $(HTTPRIG) t/unit/u468-http.c
t_unit_u468_http_LDADD = $(HTTPRIG_LIBS)
t_unit_u457_httptime_SOURCES = $(HTTPRIG) t/unit/u457-httptime.c
t_unit_u457_httptime_LDADD = $(HTTPRIG_LIBS)
t_unit_u458_httptls_SOURCES = $(HTTPRIG) t/lib/testcert.c t/lib/testcert.h t/unit/u458-httptls.c
t_unit_u458_httptls_LDADD = $(HTTPRIG_LIBS)

check_PROGRAMS += t/unit/u451-scrubfar
t_unit_u451_scrubfar_SOURCES = \
	$(ONETIER) \
	$(HTTPD) \
	$(FAKES3) \
	t/lib/fakehdfs.c \
	t/lib/fakehdfs.h \
	t/unit/u451-scrubfar.c \
	$(NULL)
t_unit_u451_scrubfar_LDADD = $(HTTPRIG_LIBS)

check_PROGRAMS += t/unit/u470-hdfs
t_unit_u470_hdfs_SOURCES = $(STORESUITE) t/lib/fakehdfs.c t/lib/fakehdfs.h $(HTTPD) t/unit/u470-hdfs.c
t_unit_u470_hdfs_LDADD = $(HTTPRIG_LIBS)
check_PROGRAMS += t/unit/u436-hdfstls
t_unit_u436_hdfstls_SOURCES = \
	$(STORESUITE) \
	$(HTTPD) \
	t/lib/fakehdfs.c \
	t/lib/fakehdfs.h \
	t/lib/testcert.c \
	t/lib/testcert.h \
	t/unit/u436-hdfstls.c \
	$(NULL)
t_unit_u436_hdfstls_LDADD = $(HTTPRIG_LIBS)
check_PROGRAMS += t/unit/u454-answers
t_unit_u454_answers_SOURCES = t/unit/u454-answers.c
t_unit_u454_answers_LDADD = $(TIER_LIBS)

check_PROGRAMS += t/unit/u455-credentials
t_unit_u455_credentials_SOURCES = $(HTTPRIG) t/unit/u455-credentials.c
t_unit_u455_credentials_LDADD = $(HTTPRIG_LIBS)

check_PROGRAMS += t/unit/u487-tierask
t_unit_u487_tierask_SOURCES = $(ONETIER) t/unit/u487-tierask.c
t_unit_u487_tierask_LDADD = $(TIER_LIBS)

check_PROGRAMS += t/unit/u492-queue
t_unit_u492_queue_SOURCES = $(ONETIER) t/unit/u492-queue.c
t_unit_u492_queue_LDADD = $(TIER_LIBS)

check_PROGRAMS += t/unit/u472-limits
t_unit_u472_limits_SOURCES = $(ONETIER) t/unit/u472-limits.c
t_unit_u472_limits_LDADD = $(TIER_LIBS)

check_PROGRAMS += t/unit/u494-outage
t_unit_u494_outage_SOURCES = $(ONETIER) t/unit/u494-outage.c
t_unit_u494_outage_LDADD = $(TIER_LIBS)

check_PROGRAMS += t/unit/u499-tiercount
t_unit_u499_tiercount_SOURCES = $(ONETIER) t/unit/u499-tiercount.c
t_unit_u499_tiercount_LDADD = $(TIER_LIBS)

check_PROGRAMS += t/unit/u473-varvetier
t_unit_u473_varvetier_SOURCES = t/unit/u473-varvetier.c
t_unit_u473_varvetier_LDADD = $(TIER_LIBS)

check_PROGRAMS += t/unit/u490-fifo
t_unit_u490_fifo_SOURCES = t/unit/u490-fifo.c
t_unit_u490_fifo_LDADD = $(TIER_LIBS)

check_PROGRAMS += t/unit/u471-storecheck
t_unit_u471_storecheck_SOURCES = $(FAKESTORE) t/unit/u471-storecheck.c
t_unit_u471_storecheck_LDADD = $(TIER_LIBS)

check_PROGRAMS += t/unit/u491-readahead
t_unit_u491_readahead_SOURCES = $(COLDLOG) t/unit/u491-readahead.c
t_unit_u491_readahead_LDADD = $(TIER_LIBS)

check_PROGRAMS += t/unit/u495-aborted
t_unit_u495_aborted_SOURCES = $(COLDCOMMIT) t/unit/u495-aborted.c
t_unit_u495_aborted_LDADD = $(TIER_LIBS)

check_PROGRAMS += t/unit/u496-shelf
t_unit_u496_shelf_SOURCES = $(COLDLOG) t/unit/u496-shelf.c
t_unit_u496_shelf_LDADD = $(TIER_LIBS)

check_PROGRAMS += t/unit/u497-formats
t_unit_u497_formats_SOURCES = t/unit/u497-formats.c t/lib/golden.h
t_unit_u497_formats_LDADD = $(TIER_LIBS)

check_PROGRAMS += t/unit/u498-lessons
t_unit_u498_lessons_SOURCES = \
	$(TIERRIG) \
	t/lib/onetier.c t/lib/onetier.h \
	t/lib/coldcheck.c \
	t/lib/coldcheck.h \
	t/unit/u498-lessons.c \
	$(NULL)
t_unit_u498_lessons_LDADD = $(TIER_LIBS)

check_PROGRAMS += t/unit/u474-heal
t_unit_u474_heal_SOURCES = $(ONETIER) t/unit/u474-heal.c
t_unit_u474_heal_LDADD = $(TIER_LIBS)

check_PROGRAMS += t/unit/u509-passed
t_unit_u509_passed_SOURCES = $(ONETIER) t/unit/u509-passed.c
t_unit_u509_passed_LDADD = $(TIER_LIBS)

check_PROGRAMS += t/unit/u508-healcut
t_unit_u508_healcut_SOURCES = $(HEALRIG) t/unit/u508-healcut.c
t_unit_u508_healcut_LDADD = $(TIER_LIBS)

check_PROGRAMS += t/unit/u505-healroot
t_unit_u505_healroot_SOURCES = $(HEALRIG) t/unit/u505-healroot.c
t_unit_u505_healroot_LDADD = $(TIER_LIBS)

check_PROGRAMS += t/unit/u506-healbefore
t_unit_u506_healbefore_SOURCES = $(HEALRIG) t/unit/u506-healbefore.c
t_unit_u506_healbefore_LDADD = $(TIER_LIBS)

check_PROGRAMS += t/unit/u507-behindlost
t_unit_u507_behindlost_SOURCES = $(HEALRIG) t/unit/u507-behindlost.c
t_unit_u507_behindlost_LDADD = $(TIER_LIBS)

check_PROGRAMS += t/unit/u438-stops
t_unit_u438_stops_SOURCES = $(COLDLOG) t/unit/u438-stops.c
t_unit_u438_stops_LDADD = $(TIER_LIBS)

check_PROGRAMS += t/unit/u439-roots
t_unit_u439_roots_SOURCES = $(COLDCOMMIT) t/unit/u439-roots.c
t_unit_u439_roots_LDADD = $(TIER_LIBS)

check_PROGRAMS += t/unit/u476-commit
t_unit_u476_commit_SOURCES = $(COLDCOMMIT) t/unit/u476-commit.c
t_unit_u476_commit_LDADD = $(TIER_LIBS)

check_PROGRAMS += t/unit/u475-place
t_unit_u475_place_SOURCES = t/unit/u475-place.c
t_unit_u475_place_LDADD = $(TIER_LIBS)

check_PROGRAMS += t/unit/u448-index
t_unit_u448_index_SOURCES = $(COLDLOG) t/unit/u448-index.c
t_unit_u448_index_LDADD = $(TIER_LIBS)

check_PROGRAMS += t/unit/u479-hangs
t_unit_u479_hangs_SOURCES = $(STORESUITE) t/unit/u479-hangs.c
t_unit_u479_hangs_LDADD = $(TIER_LIBS)

check_PROGRAMS += t/unit/u477-start
t_unit_u477_start_SOURCES = $(ONETIER) t/unit/u477-start.c
t_unit_u477_start_LDADD = $(TIER_LIBS)

check_PROGRAMS += t/unit/u478-many
t_unit_u478_many_SOURCES = $(ONETIER) t/unit/u478-many.c
t_unit_u478_many_LDADD = $(TIER_LIBS)

check_PROGRAMS += t/unit/u488-deletions
t_unit_u488_deletions_SOURCES = $(ONETIER) t/unit/u488-deletions.c
t_unit_u488_deletions_LDADD = $(TIER_LIBS)

check_PROGRAMS += t/unit/u466-policy
t_unit_u466_policy_SOURCES = t/lib/tierview.c t/lib/tierview.h t/unit/u466-policy.c
t_unit_u466_policy_LDADD = $(TIER_LIBS)

check_PROGRAMS += t/unit/u449-probe
t_unit_u449_probe_SOURCES = $(FAKESTORE) t/unit/u449-probe.c
t_unit_u449_probe_LDADD = $(TIER_LIBS)

check_PROGRAMS += t/unit/u480-pace
t_unit_u480_pace_SOURCES = t/unit/u480-pace.c
t_unit_u480_pace_LDADD = $(TIER_LIBS)

check_PROGRAMS += t/unit/u481-explain
t_unit_u481_explain_SOURCES = t/lib/tierview.c t/lib/tierview.h t/unit/u481-explain.c
t_unit_u481_explain_LDADD = $(TIER_LIBS)

check_PROGRAMS += t/unit/u482-marker
t_unit_u482_marker_SOURCES = t/unit/u482-marker.c
t_unit_u482_marker_LDADD = $(TIER_LIBS)

check_PROGRAMS += t/unit/u485-find
t_unit_u485_find_SOURCES = $(ONETIER) t/unit/u485-find.c
t_unit_u485_find_LDADD = $(TIER_LIBS)

check_PROGRAMS += t/unit/u489-scrub
t_unit_u489_scrub_SOURCES = $(ONETIER) t/unit/u489-scrub.c
t_unit_u489_scrub_LDADD = $(TIER_LIBS)

check_PROGRAMS += t/unit/u486-anew
t_unit_u486_anew_SOURCES = $(ONETIER) t/unit/u486-anew.c
t_unit_u486_anew_LDADD = $(TIER_LIBS)

check_PROGRAMS += t/unit/u484-restore
t_unit_u484_restore_SOURCES = t/unit/u484-restore.c
t_unit_u484_restore_LDADD = libtap.a libvrvengine.la

check_PROGRAMS += t/unit/u437-marks
t_unit_u437_marks_SOURCES = $(OWNERRIG) t/unit/u437-marks.c
t_unit_u437_marks_LDADD = $(TIER_LIBS)

check_PROGRAMS += t/unit/u483-owner
t_unit_u483_owner_SOURCES = $(OWNERRIG) t/unit/u483-owner.c
t_unit_u483_owner_LDADD = $(TIER_LIBS)

check_PROGRAMS += t/unit/u465-tiermodel
t_unit_u465_tiermodel_SOURCES = $(TIERRIG) t/lib/coldmodel.c t/lib/coldmodel.h t/unit/u465-tiermodel.c
t_unit_u465_tiermodel_LDADD = $(TIER_LIBS)

check_PROGRAMS += t/unit/u463-manifest
t_unit_u463_manifest_SOURCES = t/unit/u463-manifest.c
t_unit_u463_manifest_LDADD = $(TIER_LIBS)

check_PROGRAMS += t/unit/u462-object
t_unit_u462_object_SOURCES = t/unit/u462-object.c
t_unit_u462_object_LDADD = $(TIER_LIBS)

check_PROGRAMS += t/unit/u469-sigv4
t_unit_u469_sigv4_SOURCES = t/unit/u469-sigv4.c
t_unit_u469_sigv4_LDADD = $(TIER_LIBS)

check_PROGRAMS += t/unit/u510-kill
t_unit_u510_kill_SOURCES = t/unit/u510-kill.c

check_PROGRAMS += t/unit/u511-failpoint
t_unit_u511_failpoint_SOURCES = t/unit/u511-failpoint.c

check_PROGRAMS += t/unit/u520-threads
t_unit_u520_threads_SOURCES = t/unit/u520-threads.c

# ---- the server's rooms
SERVER_LIBS = libtap.a libvrvserver.la libvrvtiering.la libvrvengine.la

check_PROGRAMS += t/unit/u710-diag
t_unit_u710_diag_SOURCES = t/unit/u710-diag.c
t_unit_u710_diag_LDADD = $(SERVER_LIBS)

check_PROGRAMS += t/unit/u711-rx
t_unit_u711_rx_SOURCES = t/unit/u711-rx.c
t_unit_u711_rx_LDADD = $(SERVER_LIBS)

check_PROGRAMS += t/unit/u712-conn
t_unit_u712_conn_SOURCES = t/unit/u712-conn.c
t_unit_u712_conn_LDADD = $(SERVER_LIBS)

check_PROGRAMS += t/unit/u713-net
t_unit_u713_net_SOURCES = t/unit/u713-net.c
t_unit_u713_net_LDADD = $(SERVER_LIBS)

check_PROGRAMS += t/unit/u714-admit
t_unit_u714_admit_SOURCES = t/unit/u714-admit.c
t_unit_u714_admit_LDADD = $(SERVER_LIBS)

check_PROGRAMS += t/unit/u715-listen
t_unit_u715_listen_SOURCES = t/unit/u715-listen.c
t_unit_u715_listen_LDADD = $(SERVER_LIBS)

check_PROGRAMS += t/unit/u720-options
t_unit_u720_options_SOURCES = t/unit/u720-options.c
t_unit_u720_options_LDADD = $(SERVER_LIBS)

check_PROGRAMS += t/unit/u721-properties
t_unit_u721_properties_SOURCES = t/unit/u721-properties.c
t_unit_u721_properties_LDADD = $(SERVER_LIBS)

check_PROGRAMS += t/unit/u722-config
t_unit_u722_config_SOURCES = t/unit/u722-config.c
t_unit_u722_config_LDADD = $(SERVER_LIBS)

check_PROGRAMS += t/unit/u723-configstore
t_unit_u723_configstore_SOURCES = t/unit/u723-configstore.c
t_unit_u723_configstore_LDADD = $(SERVER_LIBS)

check_PROGRAMS += t/unit/u724-topiccheck
t_unit_u724_topiccheck_SOURCES = t/unit/u724-topiccheck.c
t_unit_u724_topiccheck_LDADD = $(SERVER_LIBS)

check_PROGRAMS += t/unit/u730-grouplog
t_unit_u730_grouplog_SOURCES = t/unit/u730-grouplog.c
t_unit_u730_grouplog_LDADD = $(SERVER_LIBS)

check_PROGRAMS += t/unit/u731-group
t_unit_u731_group_SOURCES = t/unit/u731-group.c
t_unit_u731_group_LDADD = $(SERVER_LIBS)

check_PROGRAMS += t/unit/u732-coord
t_unit_u732_coord_SOURCES = t/unit/u732-coord.c
t_unit_u732_coord_LDADD = $(SERVER_LIBS)

check_PROGRAMS += t/unit/u733-groupmodel
t_unit_u733_groupmodel_SOURCES = t/unit/u733-groupmodel.c
t_unit_u733_groupmodel_LDADD = $(SERVER_LIBS)

check_PROGRAMS += t/unit/u740-fetchsession
t_unit_u740_fetchsession_SOURCES = t/unit/u740-fetchsession.c
t_unit_u740_fetchsession_LDADD = $(SERVER_LIBS)

check_PROGRAMS += t/unit/u741-api
t_unit_u741_api_SOURCES = t/unit/u741-api.c t/lib/apirig.c t/lib/apirig.h
t_unit_u741_api_LDADD = $(SERVER_LIBS)

check_PROGRAMS += t/unit/u742-allocations
t_unit_u742_allocations_SOURCES = \
	server/main/admin.c \
	server/main/assemble.c \
	server/main/cold.c \
	server/cold/coldstore.c \
	server/main/descriptors.c \
	server/main/metrics.c \
	server/main/metrics_tier.c \
	server/main/metrics_topics.c \
	server/main/serve.c \
	t/unit/u742-allocations.c \
	$(NULL)
t_unit_u742_allocations_LDADD = libtap.a libvrvserver.la libvrvtiering.la libvrvengine.la
t_unit_u742_allocations_LDFLAGS = -Wl,--wrap=malloc -Wl,--wrap=calloc -Wl,--wrap=realloc

check_PROGRAMS += t/unit/u743-coldfetch
t_unit_u743_coldfetch_SOURCES = t/unit/u743-coldfetch.c t/lib/apirig.c t/lib/apirig.h
t_unit_u743_coldfetch_LDADD = $(SERVER_LIBS)

check_PROGRAMS += t/unit/u745-coldquota
t_unit_u745_coldquota_SOURCES = t/unit/u745-coldquota.c
t_unit_u745_coldquota_LDADD = $(SERVER_LIBS)

check_PROGRAMS += t/unit/u750-tool
t_unit_u750_tool_SOURCES = \
	server/tool/args.c \
	server/tool/out.c \
	server/tool/record_json.c \
	server/tool/when.c \
	t/unit/u750-tool.c
t_unit_u750_tool_LDADD = $(SERVER_LIBS)

check_PROGRAMS += t/unit/u760-stat
t_unit_u760_stat_SOURCES = t/unit/u760-stat.c
t_unit_u760_stat_LDADD = $(SERVER_LIBS)

check_PROGRAMS += t/unit/u761-httpparse
t_unit_u761_httpparse_SOURCES = t/unit/u761-httpparse.c
t_unit_u761_httpparse_LDADD = $(SERVER_LIBS)

check_PROGRAMS += t/unit/u762-http
t_unit_u762_http_SOURCES = t/unit/u762-http.c
t_unit_u762_http_LDADD = $(SERVER_LIBS)

check_PROGRAMS += t/unit/u701-codes
t_unit_u701_codes_SOURCES = t/unit/u701-codes.c
t_unit_u701_codes_LDADD = $(SERVER_LIBS)

# What only varved has is compiled into its test.
check_PROGRAMS += t/unit/u763-admin
t_unit_u763_admin_SOURCES = t/unit/u763-admin.c server/main/admin.c server/main/metrics.c \
	server/main/metrics_tier.c \
	server/main/metrics_topics.c
t_unit_u763_admin_LDADD = $(SERVER_LIBS)

# The programs that varve(3) shows.
noinst_PROGRAMS += man/example man/example-tier
man_example_SOURCES = man/example.c
man_example_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/engine
man_example_LDADD = libvarve.la
man_example_tier_SOURCES = man/example-tier.c
man_example_tier_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/engine
man_example_tier_LDADD = libvarve.la

# Makes data directories for t/600-tool.t.
check_PROGRAMS += t/mkdata t/wiredump t/wirecall t/onpty
t_onpty_SOURCES = t/lib/onpty.c
t_onpty_LDADD =
t_mkdata_SOURCES = t/lib/mkdata.c
t_wiredump_SOURCES = t/lib/wiredump.c
t_wiredump_LDADD = libvrvserver.la libvrvengine.la
t_wirecall_SOURCES = t/lib/wirecall.c
t_wirecall_LDADD = $(SERVER_LIBS)

# The conformance suite of stores on an S3 server, for t/771-s3.t, or on any by hand.
check_PROGRAMS += t/s3suite
t_s3suite_SOURCES = t/lib/s3suite.c t/lib/patient.c t/lib/patient.h t/lib/storesuite.c t/lib/storesuite.h
t_s3suite_LDADD = $(TIER_LIBS)

# For t/905-diff.t.
check_PROGRAMS += t/talk
t_talk_SOURCES = \
	t/lib/talk.c \
	t/lib/talk.h \
	t/lib/talk_batch.c \
	t/lib/talk_read.c \
	$(NULL)
t_talk_LDADD = libvrvserver.la libvrvengine.la

# The same for t/700-kafka-dump.t.
check_PROGRAMS += t/mkkafka
t_mkkafka_SOURCES = t/lib/mkkafka.c

# The workload of t/940-consistency.t.
check_PROGRAMS += t/ledger/ledger
t_ledger_ledger_SOURCES = \
	t/ledger/fetcher.c \
	t/ledger/fetcher.h \
	t/ledger/history.c \
	t/ledger/history.h \
	t/ledger/keeper.c \
	t/ledger/ledger.h \
	t/ledger/main.c \
	t/ledger/member.c \
	t/ledger/process.c \
	t/ledger/producer.c \
	t/ledger/reader.c \
	t/ledger/trimmer.c \
	t/ledger/value.c \
	t/ledger/value.h \
	$(NULL)
t_ledger_ledger_LDADD = $(SERVER_LIBS)

# Calls of the HDFS store, for t/774-hdfs.t and t/775-hdfs-baddays.t, or on any HDFS by hand.
check_PROGRAMS += t/hdfscall
t_hdfscall_SOURCES = t/lib/hdfscall.c t/lib/patient.c t/lib/patient.h t/lib/storesuite.c t/lib/storesuite.h
t_hdfscall_LDADD = $(TIER_LIBS)

# For t/720-config-docs.t.
check_PROGRAMS += t/mkconf
t_mkconf_SOURCES = t/lib/mkconf.c
t_mkconf_LDADD = $(SERVER_LIBS)

# ---- fuzz targets: t/fuzz/fuzz_<what>.c with LLVMFuzzerTestOneInput(), corpus in
# t/fuzz/corpus/<what>/.  A fuzzer with --enable-fuzzing, else a program that replays files.
#   FUZZERS += t/fuzz/fuzz_x
#   t_fuzz_fuzz_x_SOURCES = t/fuzz/fuzz_x.c
#   t_fuzz_fuzz_x_LDADD = $(FUZZ_LIBS)
FUZZERS = \
	t/fuzz/fuzz_batch \
	t/fuzz/fuzz_decompress \
	t/fuzz/fuzz_index \
	t/fuzz/fuzz_segment \
	t/fuzz/fuzz_wal \
	t/fuzz/fuzz_metalog \
	t/fuzz/fuzz_wire \
	t/fuzz/fuzz_config \
	t/fuzz/fuzz_group_log \
	t/fuzz/fuzz_conn \
	t/fuzz/fuzz_http \
	t/fuzz/fuzz_cold \
	t/fuzz/fuzz_s3 \
	t/fuzz/fuzz_hdfs \
	t/fuzz/fuzz_storeurl \
	$(NULL)
t_fuzz_fuzz_batch_SOURCES = t/fuzz/fuzz_batch.c t/fuzz/peak.h
t_fuzz_fuzz_batch_LDADD = $(FUZZ_LIBS)
t_fuzz_fuzz_decompress_SOURCES = t/fuzz/fuzz_decompress.c t/fuzz/peak.h
t_fuzz_fuzz_decompress_LDADD = $(FUZZ_LIBS)
t_fuzz_fuzz_index_SOURCES = t/fuzz/fuzz_index.c
t_fuzz_fuzz_index_LDADD = $(FUZZ_LIBS)
t_fuzz_fuzz_segment_SOURCES = t/fuzz/fuzz_segment.c t/fuzz/peak.h
t_fuzz_fuzz_segment_LDADD = $(FUZZ_LIBS)
t_fuzz_fuzz_wal_SOURCES = t/fuzz/fuzz_wal.c t/fuzz/peak.h
t_fuzz_fuzz_wal_LDADD = $(FUZZ_LIBS)
t_fuzz_fuzz_metalog_SOURCES = t/fuzz/fuzz_metalog.c
t_fuzz_fuzz_metalog_LDADD = $(FUZZ_LIBS)
t_fuzz_fuzz_wire_SOURCES = t/fuzz/fuzz_wire.c
t_fuzz_fuzz_wire_LDADD = $(SERVER_FUZZ_LIBS)
t_fuzz_fuzz_config_SOURCES = t/fuzz/fuzz_config.c t/fuzz/peak.h
t_fuzz_fuzz_config_LDADD = $(SERVER_FUZZ_LIBS)
t_fuzz_fuzz_group_log_SOURCES = t/fuzz/fuzz_group_log.c
t_fuzz_fuzz_group_log_LDADD = $(SERVER_FUZZ_LIBS)
t_fuzz_fuzz_conn_SOURCES = t/fuzz/fuzz_conn.c t/fuzz/peak.h
t_fuzz_fuzz_conn_LDADD = $(SERVER_FUZZ_LIBS)
t_fuzz_fuzz_http_SOURCES = t/fuzz/fuzz_http.c
t_fuzz_fuzz_http_LDADD = $(SERVER_FUZZ_LIBS)
t_fuzz_fuzz_cold_SOURCES = t/fuzz/fuzz_cold.c t/fuzz/peak.h
t_fuzz_fuzz_cold_LDADD = $(TIER_FUZZ_LIBS)
STORE_ANSWERS = t/fuzz/answers.c t/fuzz/answers.h
STORE_CALLS = $(STORE_ANSWERS) t/fuzz/storecalls.c t/fuzz/storecalls.h t/fuzz/peak.h
t_fuzz_fuzz_s3_SOURCES = t/fuzz/fuzz_s3.c $(STORE_CALLS)
t_fuzz_fuzz_s3_LDADD = $(TIER_FUZZ_LIBS)
t_fuzz_fuzz_hdfs_SOURCES = t/fuzz/fuzz_hdfs.c $(STORE_CALLS)
t_fuzz_fuzz_hdfs_LDADD = $(TIER_FUZZ_LIBS)
t_fuzz_fuzz_storeurl_SOURCES = t/fuzz/fuzz_storeurl.c $(STORE_ANSWERS)
t_fuzz_fuzz_storeurl_LDADD = $(TIER_FUZZ_LIBS)
check_PROGRAMS += $(FUZZERS)
if FUZZING
FUZZ_LIBS = @FUZZ_ENGINE@ $(LDADD)
TIER_FUZZ_LIBS = @FUZZ_ENGINE@ libtap.a libvrvtiering.la libvrvengine.la
SERVER_FUZZ_LIBS = @FUZZ_ENGINE@ $(SERVER_LIBS)
else
check_LIBRARIES += libreplay.a
FUZZ_LIBS = libreplay.a $(LDADD)
TIER_FUZZ_LIBS = libreplay.a libtap.a libvrvtiering.la libvrvengine.la
SERVER_FUZZ_LIBS = libreplay.a $(SERVER_LIBS)
endif
libreplay_a_SOURCES = t/fuzz/replay.c

# ---- scripts: t/NNN-<what>.t, executable, TAP on stdout
dist_check_SCRIPTS += \
	t/000-layers.t \
	t/001-headers.t \
	t/002-symbols.t \
	t/003-map.t \
	t/050-corpus.t \
	t/600-tool.t \
	t/650-cli.t \
	t/700-kafka-dump.t \
	t/710-wire.t \
	t/720-config-docs.t \
	t/905-diff.t \
	t/730-protocol-docs.t \
	t/750-varved.t \
	t/760-metrics.t \
	t/900-kcat.t \
	t/901-confluent.t \
	t/902-kafka-python.t \
	t/903-franz.t \
	t/904-java-tools.t \
	t/906-places.t \
	t/907-sarama.t \
	t/910-librdkafka.t \
	t/939-checker.t \
	t/940-consistency.t \
	t/945-baddays.t \
	t/770-tier.t \
	$(QUICK_STORE_TESTS) \
	t/779-scrub.t \
	t/790-tier-tool.t \
	t/792-bench-tiers.t \
	t/769-s3d.t \
	t/778-restore.t \
	t/777-seam.t \
	t/791-tier-policies.t \
	t/780-store-check.t \
	t/796-tiering-docs.t \
	t/797-tier-told.t \
	t/798-tier-counts.t \
	t/782-undelete.t \
	t/784-store-away.t \
	t/783-heal.t \
	t/785-tier-zstd.t \
	t/786-hashed-names.t \
	t/787-store-told.t \
	t/788-quickstart.t \
	t/789-proxy.t \
	t/946-large.t \
	$(NULL)

# ---- tests of real stores, all of them and whole by `make check-stores`
QUICK_STORE_TESTS = \
	t/771-s3.t \
	t/772-radosgw.t \
	t/773-tier-s3.t \
	t/774-hdfs.t \
	$(NULL)
LONG_STORE_TESTS = \
	t/775-hdfs-baddays.t \
	t/776-tier-hdfs.t \
	t/781-store-check-s3.t \
	t/793-restore-s3.t \
	t/794-restore-hdfs.t \
	t/795-store-check-hdfs.t \
	$(NULL)

# ---- the long tests, run by `make check-long` beside the others
LONG_TESTS = \
	$(LONG_STORE_TESTS) \
	t/long/800-mutants.t \
	t/long/941-coldstorm.t \
	t/long/950-soak.t \
	$(NULL)
dist_check_SCRIPTS += $(LONG_TESTS)

# ---- tests with threads, for `make check-tsan`: names as on the list that prove gets.  Scripts are
# here for varved; not those of the tool, since TSan knows nothing of the C11 threads that librdkafka
# starts, nor u511-failpoint, whose hundreds of processes take minutes.
TSAN_TESTS = \
	t/unit/u010-base \
	t/unit/u017-hist \
	t/unit/u030-vfs \
	t/unit/u031-simdisk \
	t/unit/u150-slab \
	t/unit/u204-catalog-world \
	t/unit/u221-journal \
	t/unit/u436-hdfstls \
	t/unit/u440-cold \
	t/unit/u443-coldcursor \
	t/unit/u444-cursordamage \
	t/unit/u445-cursorwait \
	t/unit/u456-s3 \
	t/unit/u458-httptls \
	t/unit/u459-fakes3 \
	t/unit/u460-storedir \
	t/unit/u479-hangs \
	t/unit/u470-hdfs \
	t/unit/u473-varvetier \
	t/unit/u487-tierask \
	t/unit/u491-readahead \
	t/unit/u496-shelf \
	t/unit/u510-kill \
	t/unit/u520-threads \
	t/unit/u713-net \
	t/unit/u715-listen \
	t/unit/u732-coord \
	t/unit/u741-api \
	t/unit/u743-coldfetch \
	t/unit/u723-configstore \
	t/unit/u760-stat \
	t/unit/u762-http \
	t/750-varved.t \
	t/760-metrics.t \
	t/900-kcat.t \
	t/901-confluent.t \
	t/902-kafka-python.t \
	t/903-franz.t \
	t/904-java-tools.t \
	t/905-diff.t \
	t/907-sarama.t \
	t/910-librdkafka.t \
	t/940-consistency.t \
	t/945-baddays.t \
	t/946-large.t \
	$(NULL)

# Those that need the tool need one of a build without TSan: librdkafka's threads are C11's, of which it knows nothing.
TSAN_TOOL_TESTS = \
	t/770-tier.t \
	t/906-places.t \
	$(NULL)

# ---- programs that look at VARVE_SAMPLE and VARVE_SEED, for `make check-sample`
SAMPLE_TESTS = \
	t/unit/u501-faults \
	t/unit/u493-badstore \
	t/unit/u502-bitrot \
	t/long/800-mutants.t \
	t/long/941-coldstorm.t \
	t/long/950-soak.t \
	$(NULL)

EXTRA_DIST += \
	t/LESSONS.md \
	t/README.md \
	t/layers.txt \
	t/lib/AuthProxy.pm \
	t/lib/ColdTier.pm \
	t/lib/Ledger.pm \
	t/lib/HDFS.pm \
	t/lib/Anew.pm \
	t/lib/Records.pm \
	t/lib/S3.pm \
	t/lib/Storm.pm \
	t/lib/Tool.pm \
	t/lib/Toxiproxy.pm \
	t/lib/Varved.pm \
	t/lib/tool.sh \
	t/run.sh \
	t/fresh.sh \
	t/clients \
	t/peers \
	t/data \
	t/fuzz/corpus \
	t/mutants \
	$(NULL)

# Helper programs that scripts start are check_PROGRAMS too, but not below t/unit/.
SCRIPT_TESTS = $(filter-out $(LONG_TESTS),$(dist_check_SCRIPTS))
UNIT_TESTS = $(sort $(filter t/unit/%,$(check_PROGRAMS:$(EXEEXT)=)))
RUN_TESTS = srcdir='$(abs_srcdir)' builddir='$(abs_builddir)' CC='$(CC)' NM='$(NM)' \
	PROVE='$(PROVE)' FUZZERS='$(FUZZERS)' T='$(T)' $(SHELL) $(srcdir)/t/run.sh

check-local:
	@$(RUN_TESTS) $(SCRIPT_TESTS) $(UNIT_TESTS)

check-build: $(check_LIBRARIES) $(check_PROGRAMS) all-am

check-long: check-build
	@VARVE_LONG=1 $(RUN_TESTS) $(SCRIPT_TESTS) $(UNIT_TESTS) $(LONG_TESTS)

check-stores: check-build
	@VARVE_LONG=1 $(RUN_TESTS) $(QUICK_STORE_TESTS) $(LONG_STORE_TESTS)

# TSan can't place its shadow under a kernel that spreads addresses as far as newer ones do.
check-tsan: check-build
	@noaslr=; setarch -R true 2>/dev/null && noaslr='setarch -R'; \
	$$noaslr env $(RUN_TESTS) $(TSAN_TESTS) $${VARVE_TOOL:+$(TSAN_TOOL_TESTS)}

check-sample: check-build
	@VARVE_SAMPLE=1 $(RUN_TESTS) $(SAMPLE_TESTS)

.PHONY: check-build check-long check-stores check-tsan check-sample
