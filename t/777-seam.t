#!/usr/bin/env perl
# What else than records must be right across the seam of the two tiers, after stops and kills: readers of
# committed records, where epochs end, and idempotent producers whose batches have all left the disk; and
# quotas for who reads much of what is cold, and the disk where that may be kept.
use strict;
use warnings;
use File::Temp qw(tempdir);
use IPC::Open2;
use JSON::PP;
use Test::More;
use lib ($ENV{srcdir} // '.') . '/t/lib';
use Varved;
use Records;

plan skip_all => 'it is about varved' if ($ENV{VARVE_TEST_BOOTSTRAP} // '') ne '';
$SIG{PIPE} = 'IGNORE';

my $build = $ENV{builddir} // '.';
my $tool = "$build/server/tool/varve";
my $cold = tempdir(CLEANUP => 1);
my $dir = tempdir(CLEANUP => 1);
my $disk = tempdir(CLEANUP => 1);
my $broker = Varved->start('remote.log.storage.system.enable=true', "tier.store.url=file://$cold",
    'checkpoint.interval.ms=200', 'admin.listeners=127.0.0.1:0', "tier.cache.path=$disk",
    'tier.cache.disk.bytes=16777216', 'tier.cache.bytes=4194304');

# ---- the tool, and a client of single requests (t/lib/wirecall.c)

sub varve {
    my ($command, @words) = @_;
    my $rc = system("$tool $command -b " . $broker->address . " @words >$dir/out 2>$dir/err");
    diag(text_of("$dir/err")) if $rc != 0;
    return $rc == 0;
}

my ($pid, $from, $to);
sub connect_to { $pid = open2($from, $to, "$build/t/wirecall", $broker->{port}); return }
sub hang_up { close $to; waitpid $pid, 0; return }
sub ask { my ($line) = @_; print $to "$line\n"; my $said = readline($from) // 'nothing'; chomp $said; return $said }

sub partition {
    varve('tier status', 't --json') or return {};
    my ($p) = grep { $_->{kind} eq 'partition' } map { decode_json($_) } split /\n/, text_of("$dir/out");
    return $p;
}

# What librdkafka reads of the topic, from its start; it wants what is committed.
sub read_all {
    varve('consume', 't');
    return split /\n/, text_of("$dir/out");
}

# All of it leaves this disk.
sub drain {
    my ($end) = @_;
    ok(varve('tier offload', '--wait 60 t'), 'what there is goes to the store');
    return ok(wait_until(sub { partition()->{local_start} == $end }), "... and leaves this disk, up to $end");
}

# ---- a log with two epochs, all of it cold

ok(varve('topic create', 't --partitions 1 -c remote.storage.enable=true -c local.retention.ms=0',
    '-c segment.bytes=2000 -c flush.policy=interval'), 'a cold topic, which may lose records in a crash');
connect_to();
is(ask("sequel t $_"), "NONE $_", "record $_ of a producer") for 0 .. 9;
hang_up();
$broker->crash; # the next epoch begins
$broker->restart;
connect_to();
ok(varve('config set', 'topic t flush.policy=sync'), 'from now on nothing is lost');
my ($begun) = ask('end t') =~ /^NONE (\d+)$/;
cmp_ok($begun, '>', 9, 'after a crash the log goes on behind what it may have lost');
is(ask("sequel t $_"), 'NONE ' . ($begun + $_ - 10), "record $_ of the producer") for 10 .. 15;
my $end = $begun + 6;
is(ask('end t'), "NONE $end", '... are in it');
drain($end);

# ---- nothing of it is here

for my $stop (qw(none stop crash)) {
    my $when = $stop eq 'none' ? 'all is cold' : "after a $stop";
    if ($stop ne 'none') {
        hang_up();
        $broker->$stop;
        $broker->restart;
        connect_to();
    }
    is(ask('epoch t 0'), "NONE $begun", "$when: the first epoch ends where it did");
    is(ask('epoch t 1'), "NONE $end", '... and the second one with the log');
    is(ask('sequel t 15'), 'NONE ' . ($end - 1), '... what the producer sends again is known');
    like(ask('sequel t 17'), qr/^OUT_OF_ORDER_SEQUENCE_NUMBER /, '... a gap is seen');
    like(ask('committed t 0'), qr/^NONE [1-9]/, '... readers of committed records get them, and a list of what was aborted');
    is(scalar(grep { /./ } read_all()), 16, '... a client all of them');
}
is(ask('sequel t 16'), "NONE $end", 'the producer goes on');
is(ask('epoch t 0'), "NONE $begun", 'and what is old stays as it was');
hang_up();

# ---- quotas

sub metric { return $broker->metrics->{$_[0]} }
# Fetches that waited for one so far.
sub throttled { return metric('varve_cold_throttled_seconds_count') }

my $records = Records->new($broker);
ok($records->topic('much', '--partitions 1 -c remote.storage.enable=true -c local.retention.ms=0',
    '-c segment.bytes=1100000'), 'a topic with more records');
ok($records->produce('much', 20_000), '... which come');
ok($records->topic('again', '--partitions 1 -c remote.storage.enable=true -c local.retention.ms=0',
    '-c segment.bytes=4000000') && $records->produce('again', 60_000), 'another, larger than the cache in memory');
ok(varve('tier offload', '--wait 60 much') && varve('tier offload', '--wait 60 again'), '... they go to the store');
ok(wait_until(sub { $records->local_bytes < 1_000_000 }), '... all of them');
$broker->stop; # what is in memory still is read there
$broker->restart;
is($records->consume('much'), 20_000, 'without a quota they are read');
is(throttled(), 0, '... and nobody waits');
ok(varve('config set', 'broker 1 tier.fetch.client.quotas=var*:700000'), 'a quota for clients');
is($records->consume('much'), 20_000, 'with it they are read, too') for 1 .. 2;
cmp_ok(throttled(), '>', 0, '... but fetches wait');
ok(varve('config set', 'broker 1 tier.fetch.client.quotas= tier.fetch.group.quotas=etl:700000'),
    'a quota for a group');
my $before = throttled();
is($records->consume('much'), 20_000, 'others read them') for 1 .. 2;
is(throttled(), $before, '... without waiting');
ok(varve('consume', '--group etl much'), 'a member reads them');
is(scalar(() = text_of("$dir/out") =~ /\n/g), 20_000, '... all');
cmp_ok(throttled(), '>', $before, '... and its fetches wait');
isnt(system("$tool config set -b " . $broker->address . ' broker 1 tier.fetch.client.quotas=x 2>/dev/null'), 0,
    'what is no quota is refused');

# ---- a disk for what is read again and again

is(-s "$disk/varve-tier-cache", 16_777_216, 'the disk beside the cache has its file');
is(metric('varve_tier_disk_cache_max_bytes'), 16_777_216, '... and is used');
my $good = 0;
$good += $records->consume('again') == 60_000 for 1 .. 4;
is($good, 4, 'a topic is read again and again');
my $hits = metric('varve_tier_disk_cache_hits_total');
cmp_ok($hits, '>', 0, '... of that disk, then');
open my $f, '+<', "$disk/varve-tier-cache" or die "$disk/varve-tier-cache: $!";
print $f 'x' x 16_777_216;
close $f;
is($records->consume('again'), 60_000, 'when all there is overwritten nobody sees it');
cmp_ok(metric('varve_tier_disk_cache_damaged_total'), '>', 0, '... but who counts');
$broker->crash;
$broker->restart;
is(metric('varve_tier_disk_cache_bytes'), 0, 'after a kill it begins anew');
is($records->consume('again'), 60_000, '... and nothing is missing');
my $other = Varved->start('remote.log.storage.system.enable=true', 'tier.store.url=file://' . tempdir(CLEANUP => 1),
    "tier.cache.path=$disk");
like($other->said('err'), qr/ warn cold\.cache path=\Q$disk\E reason=.*in use/, 'another server says that it is taken');
ok($other->is_ready, '... and serves without it');
$other->stop;

SKIP: {
    my $java = ($ENV{VARVE_PEERS} // ($ENV{HOME} // '/root') . '/.cache/varve-peers') . '/kafka-broker/bin/tool';
    skip "no $java; ./quickstart.sh test installs it", 1 if !-x $java;
    my @out = lines_of(undef, 'sh', '-c', 'exec "$0" "$@" 2>&1', $java, 'console-consumer',
        '--bootstrap-server', $broker->address, '--topic', 't', '--from-beginning', '--max-messages', 17,
        '--isolation-level', 'read_committed', '--timeout-ms', 60_000);
    is($out[-1], 'Processed a total of 17 messages', 'so does the Java client that reads what is committed')
        or diag("@out");
}
$broker->stop;
done_testing;
