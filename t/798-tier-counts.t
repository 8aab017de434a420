#!/usr/bin/env perl
# What the metrics tell of the cold tier's deletions, sweeps and waits, line by line as Prometheus reads them: each
# moves by as much as there was, on an S3 that for a while lets nothing be written or deleted.
use strict;
use warnings;
use File::Temp qw(tempdir);
use HTTP::Tiny;
use IPC::Open2;
use JSON::PP;
use List::Util qw(sum0);
use Test::More;
use lib ($ENV{srcdir} // '.') . '/t/lib';
use Records;
use Tool;
use Varved;

plan skip_all => 'it is about varved' if ($ENV{VARVE_TEST_BOOTSTRAP} // '') ne '';

my $build = $ENV{builddir} // '.';
my $dir = tempdir(CLEANUP => 1);
open(my $keys, '>', "$dir/keys") or die "keys: $!";
print $keys "[default]\naws_access_key_id = id\naws_secret_access_key = secret\n";
close $keys;

# ---- an S3

my $s3d = open(my $said, '-|', "$build/t/s3d", '-b', 'cold') or die "s3d: $!";
my ($port) = <$said> =~ /^port (\d+)$/ or die 'no s3d';
my $http = HTTP::Tiny->new(timeout => 60, proxy => undef, http_proxy => undef);
sub order {
    my (@commands) = @_;
    $http->post("http://127.0.0.1:$port/~faults", { content => join "\n", @commands })->{success} or die "@commands";
}
# Keys below a prefix, and how large they are.
sub objects {
    my ($prefix) = @_;
    my $list = $http->get("http://127.0.0.1:$port/cold?list-type=2&prefix=x/$prefix")->{content};
    return $list =~ m{<Key>x/([^<]+)</Key>.*?<Size>(\d+)</Size>}g;
}
# All that is there of a topic.
sub objects_of {
    my ($id) = @_;
    return map { objects("$_/$id/") } 'd', 'm';
}
# A client that died while it wrote.
sub leave_upload {
    my ($key) = @_;
    $http->post("http://127.0.0.1:$port/cold/x/$key?uploads")->{success} or die $key;
}

leave_upload("d/left/0/$_") for 1, 2;
order('age 172800000');
leave_upload('d/left/0/3');

# ---- a server

my @store = ("tier.s3.endpoint=http://127.0.0.1:$port", 'tier.store.url=s3://cold/x',
    "tier.s3.credentials=file:$dir/keys");
my $broker = Varved->start('remote.log.storage.system.enable=true', @store, 'checkpoint.interval.ms=200',
    'tier.segment.delete.delay.ms=0', 'tier.delete.grace.ms=0', 'tier.marker.interval.ms=100', 'admin.listeners=127.0.0.1:0');
my $records = Records->new($broker);
sub metric { return $broker->metrics->{$_[0]} // "there is no $_[0]" }
sub comes { my ($name, $value) = @_; return wait_until(sub { metric($name) eq $value }) || diag("$name " . metric($name)) && 0 }
sub of { my ($topic, $name) = @_; return "kafka_server_brokertopicmetrics_$name\{topic=\"$topic\"}" }
sub set { return $records->varve('config set', 'broker 1', @_, '>/dev/null') }
sub told {
    my ($kind, @words) = @_;
    varve(@words, '--json') == 0 or diag($err);
    return grep { $_->{kind} eq $kind } map { decode_json($_) } split /\n/, $out;
}
sub make {
    my ($topic, $n, @settings) = @_;
    return ok($records->topic($topic, '--partitions 1 -c remote.storage.enable=true -c segment.bytes=1100000', @settings)
        && $records->produce($topic, $n), "a cold topic, $topic, with records");
}

ok(comes('varve_tier_stale_uploads_total', 2), 'two uploads that nobody had ended were removed');
like($http->get("http://127.0.0.1:$port/~stats")->{content}, qr/^uploads 1$/m, '... and not the young one');

# ---- copies

my $all = 'kafka_server_brokertopicmetrics_';
make('t', 40_000);
make('v', 15_000);
ok($records->varve('tier offload', 't v', '>/dev/null'), '... all of which is in the store');
my $there = join ' ', map { "-o '$_'" } @store;
ok(wait_until(sub { varve('tier ls', $there) == 0 && $out =~ /^t /m && $out =~ /^v /m }), '... where tools find it, too') or diag($err);
my %id = map { $_->{topic} => $_->{id} } told('partition', 'tier ls', $there);
my @segments = told('segment', 'tier ls t/0', $there);
my $m = $broker->metrics;
is($m->{of('t', 'remotecopyrequests_total')}, scalar @segments, 'each segment took one attempt');
is($m->{of('t', 'remotelogmetadatacount')}, scalar @segments, '... and is known');
is($m->{"${all}remotecopyrequests_total"}, @segments + $m->{of('v', 'remotelogmetadatacount')}, '... in all topics');
is($m->{of('t', 'remotedeleterequests_total')}, 0, 'nothing has been deleted');

# ---- what can't be deleted

my ($one) = map { $_->{key} } @segments;
my $orphan = $http->get("http://127.0.0.1:$port/cold/x/$one")->{content};
for my $n (1, 2) { # nothing names these, and their names say that they are two days old
    my $key = sprintf '%s/%020d-%013d-%016d', $one =~ s{/[^/]*$}{}r, 999_999_999, 1000 * time - 172_800_000, $n;
    $http->put("http://127.0.0.1:$port/cold/x/$key", { content => $orphan })->{success} or die $key;
}
my %t = objects_of($id{t});
my %v = objects_of($id{v});

order(map { "fault $_ DENIED 100" } qw(PUTNEW DELETE DELETES));
my $pid = open2(my $from, my $to, "$build/t/wirecall", $broker->{port});
print $to "cut t $segments[2]{from}\n";
is(scalar readline($from), "NONE $segments[2]{from}\n", 'the first two segments are to be deleted');
close $to;
waitpid $pid, 0;
ok($records->varve('topic rm', 'v', '--yes >/dev/null'), '... and a topic');
ok(wait_until(sub { metric(of('t', 'remotedeleteerrors_total')) > 0 }), 'that fails');
ok(comes(of('t', 'remotedeletelagsegments'), 2), '... so they lag behind');
$m = $broker->metrics;
my $dead = $segments[0]{bytes} + $segments[1]{bytes};
is($m->{of('t', 'remotedeletelagbytes')}, $dead, '... with their bytes');
is($m->{"${all}remotedeletelagbytes"}, $dead, '... in all topics');
is($m->{"${all}remotedeletelagsegments"}, 2, '... which are two');
is($m->{of('t', 'remotelogmetadatacount')}, scalar @segments, '... and still known');
ok(wait_until(sub { metric('varve_tier_delete_lag_seconds{topic="t"}') > 0 }), '... for some time');
is($m->{varve_tier_swept_objects_total}, 0, '... and nothing is swept');
ok(comes('varve_tier_deleted_topic_objects', scalar keys %v), 'what there is of the topic is counted');
ok(wait_until(sub { metric('varve_tier_deleted_topic_lag_seconds') > 0 }), '... which should have gone');
$m = $broker->metrics;
is($m->{varve_tier_deleted_topic_bytes}, sum0(values %v), '... with its bytes');
is($m->{varve_tier_deleted_topic_partitions}, 1, '... and partitions');
is($m->{varve_tier_deleted_topic_objects_total}, 0, '... and has not');
is(scalar(grep { /^varve_tier_since_(?:sweep|delete)_seconds$/ } keys %$m), 0, '... so nobody knows since when');
order('heal');

# ---- copies that wait: all but the first

# Somebody waits for longer than that before he goes on.
use constant LONG => 0.5;
sub waits { return metric("varve_tier_throttled_seconds_total{what=\"$_[0]\"}") }
sub slow { return set("remote.log.manager.$_[0].max.bytes.per.second=1000") }
sub waits_until_fast {
    my ($what, $before) = @_;
    my $name = "kafka_server_remotelogmanager_remote_${what}_throttle_time";
    my $now;
    ok(wait_until(sub { waits($what) > $before + LONG }), "... and one $what waits");
    ok(set("remote.log.manager.$what.max.bytes.per.second=1000000000"), '... until it may be fast');
    # it is told for half a minute at least
    ok(wait_until(sub { ($now = $broker->metrics)->{"${name}_max_seconds"} > LONG / 2 }), '... then that was the longest wait');
    cmp_ok($now->{"${name}_avg_seconds"}, '>', 0, '... in the mean it is more than none');
    cmp_ok($now->{"${name}_avg_seconds"}, '<=', $now->{"${name}_max_seconds"}, '... and no longer than the longest');
}

my $before = waits('copy');
ok(slow('copy'), 'copies are to take long');
make('u', 30_000, '-c local.retention.ms=0');
waits_until_fast('copy', $before);
ok($records->varve('tier offload', 'u', '>/dev/null'), '... and all is copied');

# ---- what is deleted in the end

ok(wait_until(sub { metric('varve_tier_swept_objects_total') > 0 }), 'when things may be deleted again the store is swept');
$m = $broker->metrics;
is($m->{of('t', 'remotedeletelagsegments')}, 0, '... of the segments that lagged');
is($m->{of('t', 'remotedeletelagbytes')}, 0, '... and their bytes');
is($m->{"${all}remotedeletelagbytes"}, 0, '... in all topics');
is($m->{of('t', 'remotelogmetadatacount')}, @segments - 2, '... which nobody knows any more');
is($m->{of('t', 'remotedeleterequests_total')}, $m->{of('t', 'remotedeleteerrors_total')} + 1,
    '... in one round behind those that failed');
is($m->{"${all}remotedeleterequests_total"}, $m->{of('t', 'remotedeleterequests_total')}, '... of all topics');
my %left = objects_of($id{t});
my @gone = grep { !exists $left{$_} } keys %t;
is(scalar(grep { m{^d/} } @gone), 4, 'these and two orphans are gone');
is($m->{varve_tier_swept_objects_total}, scalar @gone, '... with old manifests; so many were swept');
is($m->{varve_tier_swept_bytes_total}, sum0(@t{@gone}), '... with their bytes');
is($m->{varve_tier_orphan_objects_total}, 2, '... of which the orphans');
is($m->{varve_tier_orphan_bytes_total}, 2 * length $orphan, '... had so many');
ok(exists $m->{varve_tier_since_sweep_seconds} && exists $m->{varve_tier_since_delete_seconds}, '... and since when is told');
ok(comes('varve_tier_deleted_topic_objects_total', scalar keys %v), 'all of the deleted topic is deleted');
ok(comes('varve_tier_deleted_topic_objects', 0), '... and nothing left');
is(metric('varve_tier_deleted_topic_bytes'), 0, '... nor bytes');
is(scalar(() = objects_of($id{v})), 0, '... as the store says, too');

# ---- reads that wait: all but the first

ok(wait_until(sub { (told('partition', 'tier status u -b', $broker->address))[0]{local_start} == 30_000 }),
    'what is to be read is in the store only');
$broker->stop; # what is in memory still is read there
$broker->restart;
ok(slow('fetch'), 'reads are to take long');
my $reader = fork // die "fork: $!";
if ($reader == 0) {
    exec("exec $build/server/tool/varve consume -b " . $broker->address . " u >$dir/read") or Varved::leave("varve: $!");
}
waits_until_fast('fetch', 0);
waitpid $reader, 0;
is($?, 0, 'who reads has not noticed');
is(scalar(() = text_of("$dir/read") =~ /\n/g), 30_000, '... and has all');
$broker->stop;
kill TERM => $s3d;
close $said;
done_testing;
