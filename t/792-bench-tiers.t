#!/usr/bin/env perl
# varve bench tiers, small: every case has its line, its sums fit, what is read is what was written, and
# nothing of it stays on the server, also when somebody ends it early.
use strict;
use warnings;
use File::Temp qw(tempdir);
use JSON::PP;
use Test::More;
use lib ($ENV{srcdir} // '.') . '/t/lib';
use Records;
use Tool;
use Varved;

plan skip_all => 'it is about varved' if ($ENV{VARVE_TEST_BOOTSTRAP} // '') ne '';

my $cold = tempdir(CLEANUP => 1);
my $dir = tempdir(CLEANUP => 1);
my $tool = ($ENV{builddir} // '.') . '/server/tool/varve';
my $broker = Varved->start('remote.log.storage.system.enable=true', "tier.store.url=file://$cold",
    'tier.delete.grace.ms=500');
my $small = '--bytes 8388608 --consumers 2 --seconds 1 --warm-up 0 --rate 200';

sub topics {
    varve('topic ls -b', $broker->address);
    return join ' ', grep { /^varve-bench/ } split /\s+/, $out;
}

is(varve('bench tiers --json -b', $broker->address, $small), 0, 'hot against cold') or diag($err);
my @lines = map { decode_json($_) } split /\n/, $out;
sub lines {
    my ($case, $consumers) = @_;
    return grep { $_->{case} eq $case && (!defined $consumers || $_->{consumers} == $consumers) } @lines;
}

# Whole batches of 65536 bytes at most.
my $half = 4_194_304;
my ($lone, $beside) = (lines('offload'), lines('offload_beside_load'));
ok($lone && $beside, 'segments leave, alone and beside the load');
for my $o ($lone, $beside) {
    cmp_ok($o->{bytes}, '>', $half - 65536, "... a half of them, $o->{case}");
    cmp_ok($o->{store_written_bytes}, '>=', $o->{bytes}, '... all of it is written to the store');
    cmp_ok($o->{store_put}, '>', 1, '... with some requests');
}

for my $n (1, 2) {
    my %read = map { $_ => (lines($_, $n))[0] } 'memory', 'page cache', 'disk', 'cold, empty caches',
        'cold, warm caches';
    for my $case (sort keys %read) {
        my $r = $read{$case};

        ok($r && $r->{as_written} && $r->{first_record_us} > 0 && $r->{bytes_per_second} > 0 &&
            $r->{steady_records_per_second} > 0, "$case, $n: its line");
    }
    my $all = $n * $lone->{bytes};
    is($read{$_}{bytes}, $all, "$_, $n: all was read") for 'page cache', 'disk', 'cold, empty caches';
    # whole batches are handed over, and who wants the last one of a limit may get it twice
    cmp_ok($read{memory}{memory_bytes}, '>=', $read{memory}{bytes}, 'memory is memory');
    cmp_ok($read{memory}{memory_bytes}, '<', 1.2 * $read{memory}{bytes} + 1e6, '... and no more of it');
    my $c = $read{'page cache'};
    # what the system has dropped from its page cache meanwhile comes through memory, by a slow fetch
    cmp_ok($c->{file_bytes} + ($c->{slow_fetches} > 0 ? $c->{memory_bytes} : 0), '>=', $all,
        'the page cache is of files');
    is($c->{cold_bytes}, 0, '... and nothing of it is cold');
    is($read{disk}{cold_bytes}, 0, 'the disk is this disk');
    $c = $read{'cold, empty caches'};
    cmp_ok($c->{cold_bytes}, '>=', $all, 'the cold tier serves what is cold');
    cmp_ok($c->{store_read_bytes}, '>=', $all, '... from the store');
    cmp_ok($c->{store_read_bytes}, '<', 1.3 * $all, '... once');
    cmp_ok($c->{store_get}, '>', 0, '... with some requests');
    $c = $read{'cold, warm caches'};
    cmp_ok($c->{cold_bytes}, '>=', $c->{bytes}, 'warm caches are caches of what is cold');
    is($c->{store_get} // 0, 0, '... and need no store');
}
my ($same) = lines('cold, all the same');
is($same->{bytes}, 2 * $lone->{bytes}, 'two who want the same have it');
cmp_ok($same->{store_read_bytes}, '<', 1.3 * $lone->{bytes}, '... with one read of the store');

my %load = map { $_->{beside} => $_ } lines('load');
is_deeply([sort keys %load], ['cold readers', 'hot readers', 'nothing', 'offload'],
    'the load, alone and beside what might disturb it');
for my $l (values %load) {
    cmp_ok($l->{records}, '>', 0, "beside $l->{beside}: it was measured");
    ok($l->{produce_p99_us} >= $l->{produce_p50_us} && $l->{tail_p99_us} >= $l->{tail_p50_us} &&
        $l->{produce_p50_us} > 0, '... in order');
}
is(scalar(grep { $_->{beside} eq 'nothing' && $_->{produce_p99_permille} == 1000 } lines('load')), 2,
    'the load alone is the measure');

is(topics(), '', 'its topics are gone');
ok(wait_until(sub { bytes_of("$cold/d") == 0 }), '... and what was cold of them');

# ---- early ends

# It has made its topics, and goes on.
sub begin {
    open(my $f, '>', "$dir/early") or die "early: $!";
    my $pid = fork() // die "fork: $!";
    if ($pid == 0) {
        open(STDOUT, '>&', $f) or die;
        open(STDERR, '>&', $f) or die;
        exec "exec $tool bench tiers --json -b " . $broker->address . " $small @_" or die;
    }
    ok(wait_until(sub { text_of("$dir/early") =~ /"case":"offload"/ }), 'once it has begun');
    return $pid;
}
my $pid = begin();
isnt(topics(), '', '... it has topics');
kill 'INT', $pid;
waitpid($pid, 0);
is($? & 127, 2, '... it can be interrupted');
is(topics(), '', '... and they are gone');

$pid = begin('-t varve-bench-mine');
is(varve('bench produce -t varve-bench-mine-hot --bytes 10000 --batch-bytes 1 -b', $broker->address), 0,
    'somebody else has records there');
waitpid($pid, 0);
cmp_ok($? >> 8, '>', 0, '... which is an error');
like(text_of("$dir/early"), qr/varve-bench-mine-hot, partition \d, is not what was written there/,
    '... since what is read must be what was written');
is(topics(), '', '... and leaves nothing either');

my $port = Varved::free_port();
cmp_ok(varve("bench tiers -b 127.0.0.1:$port"), '>', 0, 'nobody there');
like($err, qr/no broker answers at 127\.0\.0\.1:$port/, '... which is said');
is(varve('bench tiers --bytes 1000 -b', $broker->address), 64, 'too few bytes');
like($err, qr/at least 1 MiB for each consumer/, '... are refused');
$broker->stop;

my $plain = Varved->start;
cmp_ok(varve('bench tiers -b', $plain->address), '>', 0, 'a server without a cold tier');
like($err, qr/no cold tier: set remote\.log\.storage\.system\.enable/, '... is told what it lacks');
done_testing;
