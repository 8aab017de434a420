#!/usr/bin/env perl
# What varved tells of itself: its numbers must agree with what was sent and got, its text be what
# Prometheus reads, its list the manual's; and it must say when it is not ready.  Requests are made
# here, byte by byte.
use strict;
use warnings;
use IO::Socket::INET;
use Socket qw(SO_RCVBUF);
use Test::More;
use lib ($ENV{srcdir} // '.') . '/t/lib';
use Varved;

my $top = $ENV{srcdir} // '.';

plan skip_all => 'it is about varved' if ($ENV{VARVE_TEST_BOOTSTRAP} // '') ne '';

# ---- a server

my $varved = Varved->new;
my $admin; # its HTTP port

# With other options than last time.
sub start {
    my (@options) = @_;
    my $listens = qr/admin\.listen address=127\.0\.0\.1:(\d+)/;
    $varved->{options} = ['admin.listeners=127.0.0.1:0', @options];
    unlink $varved->dir . '/err';
    $varved->launch;
    wait_until(sub { ($admin) = $varved->said('err') =~ $listens });
    my ($early) = http('GET', '/readyz'); # whatever it is by then, it is one of the two
    ok($early == 200 || $early == 503, 'the HTTP port answers from the start');
    ok($varved->is_ready, 'it is ready');
}

# ---- HTTP

sub talk {
    my ($port, $bytes) = @_;
    my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port) or return '';
    print $s $bytes;
    local $/;
    return <$s> // '';
}

sub http {
    my ($method, $path) = @_;
    my $all = talk($admin, "$method $path HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    my ($head, $body) = split /\r\n\r\n/, $all, 2;
    my ($status) = ($head // '') =~ m{^HTTP/1\.1 (\d+) };
    return ($status // 0, $body // '', $head // '');
}

# Series with their values.
sub scrape {
    my ($status, $body) = http('GET', '/metrics');
    my %v;
    for (split /\n/, $body) {
        $v{$1} = $2 if /^([^#].*) (\S+)$/;
    }
    return \%v;
}

# ---- Kafka's protocol

my @crc;
for my $i (0 .. 255) {
    my $c = $i;
    $c = $c & 1 ? ($c >> 1) ^ 0x82f63b78 : $c >> 1 for 1 .. 8;
    push @crc, $c;
}

sub crc32c {
    my $c = 0xffffffff;
    $c = $crc[($c ^ $_) & 0xff] ^ ($c >> 8) for unpack 'C*', $_[0];
    return $c ^ 0xffffffff;
}

sub varint { # zigzag, small numbers
    my ($v) = @_;
    $v *= 2;
    my $out = '';
    for (; $v >= 128; $v >>= 7) {
        $out .= pack 'C', $v & 127 | 128;
    }
    return $out . pack 'C', $v;
}

sub batch {
    my (@values) = @_;
    my ($records, $i, $now) = ('', 0, time() * 1000);
    for (@values) {
        my $r = "\0" . varint(0) . varint($i++) . "\1" . varint(length) . $_ . varint(0);
        $records .= varint(length $r) . $r;
    }
    my $rest = pack('s> l> q> q> q> s> l> l>', 0, $#values, $now, $now, -1, -1, -1,
        scalar @values) . $records;
    return pack('q> l> l> C L>', 0, length($rest) + 9, -1, 2, crc32c($rest)) . $rest;
}

sub str { return pack 's>/a*', $_[0] }

my $sock;

sub request_only {
    my ($key, $version, $body) = @_;
    $sock //= IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $varved->{port}) or die;
    my $frame = pack('s> s> l>', $key, $version, 7) . str('t') . $body;
    print $sock pack('l>', length $frame) . $frame;
    return length $frame;
}

# The bytes of request and answer without their lengths; the answer.
sub request {
    my $out = request_only(@_);
    my ($len, $answer) = ('', '');
    read($sock, $len, 4) == 4 or die 'no answer';
    my $n = unpack 'l>', $len;
    read($sock, $answer, $n) == $n or die 'half an answer';
    return ($out, $n, $answer);
}

sub produce {
    my ($topic, $batch, $acks) = @_;
    return request(0, 3, pack('s> s> l> l>', -1, $acks // 1, 1000, 1) . str($topic) .
        pack('l> l> l>/a*', 1, 0, $batch));
}

sub fetch_body {
    my ($topic, $offset, $wait_ms) = @_;
    return pack('l> l> l> l> c l>', -1, $wait_ms, 1, 1 << 20, 0, 1) . str($topic) .
        pack('l> l> q> l>', 1, 0, $offset, 1 << 20);
}

sub commit {
    my ($group, $topic, $offset) = @_;
    return request(8, 2, str($group) . pack('l>', -1) . str('') . pack('q> l>', -1, 1) .
        str($topic) . pack('l> l> q>', 1, 0, $offset) . str(''));
}

sub create {
    my ($topic) = @_; # Metadata, which makes it; no error, then the name
    wait_until(sub {
        my (undef, undef, $answer) = request(3, 4, pack('l>', 1) . str($topic) . pack('c', 1));
        return $answer =~ /\0\0\Q${\str($topic)}\E/;
    }) or die "$topic was never made";
}

# ---- the paths

start('group.initial.rebalance.delay.ms=0', 'shutdown.drain.ms=600000');
my ($status, $body, $head) = http('GET', '/healthz');
ok($status == 200 && $body eq "alive\n", 'healthz: alive');
($status, $body) = http('GET', '/readyz');
ok($status == 200 && $body eq "ready\n", 'readyz: ready, once it said so');
is((http('GET', '/'))[0], 404, 'there is no other path');
is((http('POST', '/metrics'))[0], 405, 'and no other method');
is((http('GET', '/' . 'x' x 9000))[0], 431, 'nor endless ones');
($status, $body, $head) = http('HEAD', '/metrics');
ok($status == 200 && $body eq '' && $head =~ m{^Content-Type: text/plain; version=0\.0\.4;}m,
    'HEAD has the type of the text format');

# ---- what was sent and got

create($_) for 'orders', 'other';
my $before = scrape();
my @batches = map { batch(map { "value $_" } 1 .. 5) } 1 .. 3;
my ($out, $in, $bytes) = (0, 0, 0);
for (@batches) {
    my ($o, $i, $answer) = produce('orders', $_);
    $out += $o;
    $in += $i;
    $bytes += length;
    die 'refused' if unpack('x4 x4 x2 x6 x4 x4 s>', $answer) != 0;
}
my (undef, $fetched, $answer) = request(1, 4, fetch_body('orders', 0, 0));
my $v = scrape();
my $delta = sub { ($v->{$_[0]} // 0) - ($before->{$_[0]} // 0) };
my $topics = 'kafka_server_brokertopicmetrics';
is($delta->("${topics}_messagesin_total"), 15, 'records in, in all');
is($v->{"${topics}_messagesin_total{topic=\"orders\"}"}, 15, 'and of the topic');
is($v->{"${topics}_messagesin_total{topic=\"other\"}"}, 0, 'none of another one');
is($delta->("${topics}_bytesin_total"), $bytes, 'bytes in');
is($v->{"${topics}_bytesin_total{topic=\"orders\"}"}, $bytes, 'and of the topic');
is($v->{'varve_batches_in_total{topic="orders"}'}, 3, 'batches in');
is($delta->("${topics}_bytesout_total"), $bytes, 'bytes out');
is($v->{"${topics}_bytesout_total{topic=\"orders\"}"}, $bytes, 'and of the topic');
is($delta->('varve_fetch_bytes_total{source="memory"}') +
        $delta->('varve_fetch_bytes_total{source="file"}'), $bytes, 'from somewhere');
my $requests = 'kafka_network_requestmetrics';
is($v->{"${requests}_requests_total{request=\"Produce\",version=\"3\"}"}, 3, 'requests');
is($v->{"${requests}_requests_total{request=\"Fetch\",version=\"4\"}"}, 1, 'of each kind');
is($v->{"${requests}_requestbytes_total{request=\"Produce\"}"}, $out, 'their bytes');
is($v->{"${requests}_responsebytes_total{request=\"Produce\"}"}, $in + 3 * 4,
    'and those of their answers, lengths included');
is($v->{"${requests}_responsebytes_total{request=\"Fetch\"}"}, $fetched + 4,
    'also where records are part of them');
for my $part ('totaltime', 'requestqueuetime', 'localtime', 'remotetime') {
    is($v->{"${requests}_${part}_seconds_count{request=\"Produce\"}"}, 3, "each has its $part");
}
is($v->{"${topics}_totalproducerequests_total"}, 3, 'partitions that were produced to');
is($v->{'kafka_log_log_logendoffset{topic="orders",partition="0"}'}, 15, 'where the log ends,');
is($v->{'kafka_log_log_logstartoffset{topic="orders",partition="0"}'}, 0, 'where it starts,');
is($v->{'kafka_log_log_size{topic="orders",partition="0"}'}, $bytes, 'and its size');
ok($delta->('varve_wal_groups_total') >= 3 && $delta->('varve_wal_syncs_total') >= 3 &&
        $delta->('varve_wal_bytes_total') > $bytes &&
        $delta->('varve_wal_sync_seconds_count') == $delta->('varve_wal_syncs_total'),
    'what the write-ahead log did for that');
is($v->{kafka_server_replicamanager_partitioncount}, 52, 'partitions: two, and those of offsets');
is($v->{kafka_server_socketservermetrics_connectioncount}, 1, 'one connection');

# ---- errors

produce('nowhere', $batches[0]);
my $broken = $batches[0];
substr($broken, -3, 1) ^= "\1";
produce('orders', $broken);
request(1, 4, fetch_body('orders', 99, 0));
$v = scrape();
my $errors = "${requests}_errors_total";
is($v->{"$errors\{request=\"Produce\",error=\"UNKNOWN_TOPIC_OR_PARTITION\"}"}, 1,
    'an error is counted by its name');
is($v->{"$errors\{request=\"Produce\",error=\"CORRUPT_MESSAGE\"}"}, 1, 'another one by its own');
is($v->{"$errors\{request=\"Fetch\",error=\"OFFSET_OUT_OF_RANGE\"}"}, 1, 'and that of a fetch');
is($v->{"${topics}_failedproducerequests_total"}, 2, 'and as produce requests that failed,');
cmp_ok($v->{"${topics}_bytesrejected_total"}, '>', 100, 'with their bytes,');
is($v->{"${topics}_failedfetchrequests_total"}, 1, 'or fetches');
is($v->{"${topics}_messagesin_total{topic=\"orders\"}"}, 15, 'nothing came in by them');

# ---- waiting

request(1, 4, fetch_body('orders', 15, 300));
$v = scrape();
ok($v->{"${requests}_remotetime_seconds_sum{request=\"Fetch\"}"} >= 0.29,
    'a fetch that waits for records does so in remote time');
is($v->{'kafka_server_delayedoperationpurgatory_purgatorysize{delayedOperation="Fetch"}'}, 0,
    'and none does any more');
request_only(1, 4, fetch_body('orders', 15, 600_000)); # longer than our patience
my $waits = 'kafka_server_delayedoperationpurgatory_purgatorysize{delayedOperation="Fetch"}';
ok(wait_until(sub { scrape()->{$waits} == 1 }), 'one that waits is seen');
undef $sock;
ok(wait_until(sub { scrape()->{$waits} == 0 }), 'until its client is gone');

# ---- threads

my @threads = grep { /^varve_net_idle_seconds_total\{/ } keys %$v;
ok(@threads > 0 && !grep({ $v->{$_} <= 0 } @threads),
    'each thread that serves connections waits at times');
for my $share ('kafka_network_socketserver_networkprocessoravgidlepercent',
    'kafka_server_kafkarequesthandlerpool_requesthandleravgidlepercent') {
    ok($v->{$share} > 0 && $v->{$share} <= 1, "$share is a part of the time");
}
ok($v->{varve_pool_idle_seconds_total} > 0, 'so do those for the disk');
is($v->{varve_pool_threads}, 8, 'which are as many as num.io.threads says');
is($v->{kafka_network_requestchannel_requestqueuesize}, 0, 'and nothing waits for them');

# ---- groups

commit("odd \"name\"\\\n\xff", 'orders', 4);
commit('plain', 'orders', 15);
commit('ahead', 'orders', 20);
$v = scrape();
my $odd = "consumergroup=\"odd \\\"name\\\"\\\\\\n\xef\xbf\xbd\",topic=\"orders\",partition=\"0\"";
is($v->{"kafka_consumergroup_lag{$odd}"}, 11, 'how far a group is behind, whatever it is called');
is($v->{"kafka_consumergroup_current_offset{$odd}"}, 4, 'and where it is');
is($v->{'kafka_consumergroup_lag{consumergroup="plain",topic="orders",partition="0"}'}, 0,
    'one that has read all is not behind');
is($v->{'kafka_consumergroup_lag{consumergroup="ahead",topic="orders",partition="0"}'}, 0,
    'nor is one that claims to have read more');
is($v->{kafka_coordinator_group_groupmetadatamanager_numgroups}, 3, 'groups');
is($v->{kafka_coordinator_group_groupmetadatamanager_numgroupsempty}, 3, 'and their states');
is($v->{kafka_coordinator_group_groupmetadatamanager_numoffsets}, 3, 'committed offsets');
is($v->{kafka_server_group_coordinator_metrics_offset_commit_total}, 3, 'commits');

# ---- the format, and the manual

my (%type, %help, @wrong, $family, %seen, %last);
for (split /\n/, (http('GET', '/metrics'))[1]) {
    if (/^# HELP (\S+) \S/) {
        push @wrong, $_ if $help{$1}++;
    } elsif (/^# TYPE (\S+) (counter|gauge|histogram)$/) {
        push @wrong, $_ if $type{$1};
        ($family, $type{$1}) = ($1, $2);
    } elsif (/^([a-z_0-9]+)(\{(?:[A-Za-z_]+="(?:[^"\\\n]|\\["\\n])*",?)+\})? [0-9.]+$/) {
        my ($name, $labels) = ($1, $2 // '');
        my $suffix = $type{$family} eq 'histogram' ? qr/_(?:bucket|sum|count)/ : qr//;
        push @wrong, $_ if $name !~ /^\Q$family\E$suffix$/ || $seen{$name . $labels}++;
    } else {
        push @wrong, $_;
    }
}
is("@wrong", '', 'every line is as the format wants it, in the family before it');
my %series;
$v = scrape();
for (sort keys %$v) {
    next if !/^(.*)_bucket\{(.*?),?le="([^"]+)"\}$/;
    push @{ $series{ $2 eq '' ? "$1_count" : "$1_count{$2}" } }, [$3 eq '+Inf' ? 9e99 : $3, $v->{$_}];
}
my @odd;
for my $count (keys %series) {
    my @b = sort { $a->[0] <=> $b->[0] } @{ $series{$count} };
    push @odd, $count if $b[-1][1] != $v->{$count} || $b[-1][0] != 9e99;
    push @odd, $count if grep { $b[$_][1] < $b[ $_ - 1 ][1] } 1 .. $#b;
}
ok(%series && !@odd, 'buckets ascend to the number of all') or diag("@odd");
open(my $man, '<', "$top/man/varve-metrics.7") or die "varve-metrics.7: $!";
my %told = map { /^\.It Cm (\S+)/ ? ($1 => 1) : () } <$man>;
is(join(' ', grep { !$told{$_} } sort keys %type), '', 'the manual has every family');
is(join(' ', grep { !$type{$_} } sort keys %told), '', 'and there is every one that it has');

# ---- stopping

# A stop waits for answers until their client has taken them, and for nothing else so long: these are more than the
# kernel holds for a client that reads none.
(undef, undef, $answer) = produce('other', batch('x' x 900_000));
die 'refused' if unpack('x4 x4 x2 x5 x4 x4 s>', $answer) != 0;
$sock->sockopt(SO_RCVBUF, 4096);
my $fetches = "${requests}_requests_total{request=\"Fetch\",version=\"4\"}";
my $answered = scrape()->{$fetches} + 8;
request_only(1, 4, fetch_body('other', 0, 0)) for 1 .. 8;
ok(wait_until(sub { scrape()->{$fetches} == $answered }), 'answers are on their way');
kill 'TERM', $varved->{pid};
ok(wait_until(sub { (http('GET', '/readyz'))[0] == 503 }), 'a server that stops is not ready');
($status, $body) = http('GET', '/readyz');
like($body, qr/^stopping: /, 'and says why');
is((http('GET', '/healthz'))[0], 200, 'but alive');
ok(scrape()->{varve_ready} eq '0', 'metrics say the same');
undef $sock;
is($varved->ending, 0, 'it stops when nobody waits for them any more');

# ---- bounds, and what was there before

start('metrics.topics.max=2', 'metrics.partitions.max=3', 'metrics.group.partitions.max=1');
ok(wait_until(sub { scrape()->{'varve_group_partitions{state="serving"}'} == 50 }),
    'groups are read again');
$v = scrape();
is($v->{varve_recovery_clean}, 1, 'it knows that the stop was orderly');
is(scalar(grep { /^kafka_log_log_size\{/ } keys %$v), 3, 'partitions are told of up to a number');
is($v->{varve_metrics_partitions_left_out}, 49, 'the others are counted');
is(scalar(grep { /^${topics}_messagesin_total\{/ } keys %$v), 2, 'and so are topics');
is($v->{varve_metrics_topics_left_out}, 1, 'the others, too');
is(scalar(grep { /^kafka_consumergroup_lag\{/ } keys %$v), 1, 'and committed offsets');
is($v->{varve_metrics_group_partitions_left_out}, 2, 'with what is left out');
is($v->{kafka_server_replicamanager_partitioncount}, 52, 'sums have all');

# ---- a port that is taken

my @codes;
for my $taken ("admin.listeners=127.0.0.1:$admin", "listeners=PLAINTEXT://127.0.0.1:$admin") {
    my $second = Varved->new(options => [$taken]);
    $second->launch;
    push @codes, $second->ending;
    like(join('', grep { /^varved: / } split /^/, $second->said('err')),
        qr/\A.*can't bind to .*another program.*\n\z/, 'a port that is taken: one line');
}
ok($codes[0] == $codes[1] && $codes[0] != 0, 'and one exit code, whose port it is') or diag("@codes");
undef $sock;
$varved->stop;

# ---- a disk that is full

start('disk.reserve.bytes=1000000000000000000');
ok(wait_until(sub { (http('GET', '/readyz'))[0] == 503 }), 'with too little room it is not ready');
($status, $body) = http('GET', '/readyz');
like($body, qr/disk is full/, 'and says why');
is(scrape()->{varve_disk_full}, 1, 'metrics say the same');
is((http('GET', '/healthz'))[0], 200, 'but alive');
undef $sock;
$varved->stop;
done_testing();
