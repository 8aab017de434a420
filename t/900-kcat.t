#!/usr/bin/env perl
# kcat, the tool that people try a broker with: Debian's, on an old librdkafka.
use strict;
use warnings;
use JSON::PP;
use Test::More;
use Time::HiRes ();
use lib ($ENV{srcdir} // '.') . '/t/lib';
use Varved;

my $kcat = peer_program('kcat');
my $broker = Varved->start('num.partitions=4', 'group.initial.rebalance.delay.ms=0');
my @kcat = ($kcat, '-b', $broker->address);
my $json = JSON::PP->new->canonical;

sub produce {
    my ($topic, $input, @options) = @_;
    my (undef, $code) = run($input, @kcat, '-P', '-t', $topic, @options);
    return $code == 0;
}

# All of a topic that is there now, or what the options choose.
sub consume {
    my ($topic, @options) = @_;
    return lines_of(undef, @kcat, '-C', '-q', '-e', '-X', 'fetch.wait.max.ms=20', '-t', $topic, @options);
}

sub numbered {
    my ($n, $size) = @_;
    return join('', map { sprintf("%-${size}d\n", $_) } 1 .. $n);
}

my ($text, $code);

# ---- what the cluster is
($text) = run(undef, @kcat, '-L', '-J');
my $cluster = $json->decode($text);
is(scalar @{ $cluster->{brokers} }, 1, 'one broker');
is($cluster->{brokers}[0]{name}, $broker->address, 'advertised where it listens');
is($cluster->{controllerid}, $cluster->{brokers}[0]{id}, 'and it is the controller');

# ---- round trips
for my $codec (qw(none gzip snappy lz4 zstd)) {
    my $topic = topic_name("codec-$codec");
    my @want = map { "$_ " . 'x' x 100 } 1 .. 1000;
    ok(produce($topic, join("\n", @want, ''), '-z', $codec, '-p', 0), "$codec: produced");
    is_deeply([consume($topic, '-p', 0, '-X', 'check.crcs=true')], \@want,
        "$codec: the same came back, in order");
}

my $topic = topic_name('parts');
ok(produce($topic, "k1:v1\nk2:\n:v3\nk4:v4\n", '-K:', '-Z', '-p', 0, '-H', 'a=1', '-H', 'a=2', '-H', 'b'),
    'keys, nulls and headers: produced');
is_deeply([consume($topic, '-p', 0, '-Z', '-f', '%o|%k|%K|%s|%S|%h\n')],
    ['0|k1|2|v1|2|a=1,a=2,b=NULL', '1|k2|2|NULL|-1|a=1,a=2,b=NULL',
        '2|NULL|-1|v3|2|a=1,a=2,b=NULL', '3|k4|2|v4|2|a=1,a=2,b=NULL'],
    'keys, nulls and headers: as they were');

$topic = topic_name('stamped');
my $before = int(time * 1000);
ok(produce($topic, "now\n", '-p', 1), 'a record without a time');
my ($stamp) = consume($topic, '-p', 1, '-f', '%T\n');
ok($stamp >= $before - 1000 && $stamp <= (time + 1) * 1000, 'bears the time of its producer')
    or diag("$stamp, not after $before");

$topic = topic_name('big');
my $big = 'b' x 900_000;
ok(produce($topic, "$big\nsmall\n", '-p', 0), 'a record of 900 KB');
is_deeply([map { length } consume($topic, '-p', 0, '-X', 'fetch.message.max.bytes=10000')],
    [900_000, 5], 'comes back to a consumer that wants less, and the one behind it');

# ---- acknowledgements
for my $acks (0, 1, -1) {
    $topic = topic_name("acks$acks");
    ok(produce($topic, numbered(500, 20), '-p', 0, '-X', "acks=$acks"), "acks=$acks: produced");
    my @got; # without acknowledgement the last may still be on its way
    wait_until(sub { (@got = consume($topic, '-p', 0)) >= 500 });
    is(scalar @got, 500, "acks=$acks: all there");
}
$topic = topic_name('idempotent');
ok(produce($topic, numbered(5000, 20), '-p', 0, '-X', 'enable.idempotence=true',
    '-X', 'batch.num.messages=50'), 'idempotent: produced');
is_deeply([map { $_ + 0 } consume($topic, '-p', 0)], [1 .. 5000], 'idempotent: each once, in order');

# ---- where to begin
$topic = topic_name('places');
my @stamps;
for my $i (1 .. 3) {
    produce($topic, "r$i\n", '-p', 0);
    ($stamps[$i]) = consume($topic, '-p', 0, '-o', -1, '-f', '%T\n');
    wait_until(sub { Time::HiRes::time() * 1000 > $stamps[$i] + 1 }); # the next one's is later
}
is_deeply([consume($topic, '-p', 0, '-o', 'beginning')], [qw(r1 r2 r3)], 'from the beginning');
is_deeply([consume($topic, '-p', 0, '-o', 1)], [qw(r2 r3)], 'from an offset');
is_deeply([consume($topic, '-p', 0, '-o', -1)], [qw(r3)], 'from one before the end');
is_deeply([consume($topic, '-p', 0, '-o', 'end')], [], 'from the end');
is_deeply([consume($topic, '-p', 0, '-o', "s\@$stamps[2]")], [qw(r2 r3)], 'from a time');
is_deeply([consume($topic, '-p', 0, '-o', "s\@$stamps[1]", '-o', "e\@$stamps[3]")], [qw(r1 r2)],
    'from a time to a time');
($text) = run(undef, @kcat, '-Q', '-t', "$topic:0:$stamps[2]");
like($text, qr/\Q$topic\E \[0\] offset 1$/m, 'the offset of a time');
($text) = run(undef, @kcat, '-Q', '-t', "$topic:0:-1");
like($text, qr/\Q$topic\E \[0\] offset 3$/m, 'the offset of the end');

# ---- groups
my $group = topic_name('group');
$topic = topic_name('grouped');
my @parts = map { "$_" } 1 .. 400;
ok(produce($topic, join("\n", @parts, '')), 'over all partitions: produced');

sub group_read {
    my ($count) = @_;
    return lines_of(undef, @kcat, '-q', '-c', $count, '-X', 'auto.offset.reset=earliest', '-G', $group, $topic);
}
my @first = group_read(150);
my @rest = group_read(250);
is_deeply([sort { $a <=> $b } @first, @rest], [1 .. 400],
    'a group goes on where its last member stopped');

# ---- errors
($text, $code) = run(undef, @kcat, '-C', '-e', '-q', '-t', topic_name('nothing'), '-p', 0,
    '-X', 'allow.auto.create.topics=false', '-X', 'log_level=0');
isnt($code, 0, 'a topic that is not there is an error');

if ($broker->is_varved) {
    $topic = topic_name('survivor');
    ok(produce($topic, numbered(2000, 50), '-p', 0), 'before kill -9: produced');
    $broker->crash;
    $broker->restart;
    is_deeply([map { $_ + 0 } consume($topic, '-p', 0)], [1 .. 2000], 'after kill -9: all there');
}
$broker->stop;
done_testing();
