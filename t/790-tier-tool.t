#!/usr/bin/env perl
# What an operator sees of the cold tier: varve tier status, explain, plan and offload, what they say when there
# is nothing to see, and that what they say is so.
use strict;
use warnings;
use File::Temp qw(tempdir);
use IO::Socket::INET;
use JSON::PP;
use Test::More;
use lib ($ENV{srcdir} // '.') . '/t/lib';
use Tool;
use Varved;

plan skip_all => 'it is about varved' if ($ENV{VARVE_TEST_BOOTSTRAP} // '') ne '';

my $cold = tempdir(CLEANUP => 1);
my $dir = tempdir(CLEANUP => 1);
my $broker = Varved->start('remote.log.storage.system.enable=true', "tier.store.url=file://$cold",
    'checkpoint.interval.ms=200', 'admin.listeners=127.0.0.1:0');

sub tier {
    my ($command, @words) = @_;
    return varve("tier $command -b", $broker->address, @words);
}
# The lines of one kind, with --json.
sub told {
    my ($kind, @words) = @_;
    tier(@words, '--json') == 0 or diag($err);
    return grep { $_->{kind} eq $kind } map { decode_json($_) } split /\n/, $out;
}
sub partition {
    my ($topic) = @_;
    my ($p) = told('partition', 'status', $topic);
    return $p;
}
sub produce {
    my ($topic, $n) = @_;
    write_lines("$dir/in", 200, [ 1 .. $n ], sub { '' });
    return varve('produce -b', $broker->address, $topic, "<$dir/in") == 0;
}
sub make {
    my ($topic, @settings) = @_;
    varve('topic create -b', $broker->address, $topic, map { "-c $_" } 'segment.bytes=1100000', @settings);
    return;
}

sub of_topic { return "kafka_server_brokertopicmetrics_$_[0]\{topic=\"t\"}" }

# ---- nothing to see

is(tier('status'), 0, 'a server that nobody asks for the cold tier of');
like($out, qr/^directory \Q$cold\E: (not used yet|works)\n/, '... has a store');
like($out, qr/^no topic asks for the cold tier: /m, '... and says what to do');
is(tier('status', 'nowhere'), 66, 'an unknown topic');
is($err, qq{varve: topic "nowhere" does not exist\n}, '... is said to be that');
make('plain');
is(tier('status', 'plain'), 64, 'a topic that does not ask for it');
like($err, qr/^varve: topic "plain" does not ask for the cold tier: varve config set topic plain remote/,
    '... is told how');
is(tier('explain', 'plain'), 64, '... by all');
is(tier('offload', '--wait 60 plain'), 64, '... of them');
like($err, qr/^varve: partition 0 of topic "plain": .*set remote.storage.enable=true\n/, '... with a reason');
is(tier('explain'), 64, 'a word is missing');
is(tier('explain', 'plain:x'), 64, 'a partition is a number');

# ---- what is here

make('t', 'remote.storage.enable=true', 'local.retention.ms=3600000', 'remote.copy.lag.ms=1800000',
    'segment.ms=86400000');
ok(produce('t', 25_000), 'records');
# How many segments are closed, and wait for something else.
sub unsealed {
    my @s = told('segment', 'explain', 't');
    return scalar(grep { $_->{why} ne 'lag_ms' } @s[0 .. $#s - 1]) + (@s < 5);
}
ok(wait_until(sub { unsealed() == 0 }), 'they are sealed');
my @segments = told('segment', 'explain', 't');
is($segments[0]{where}, 'here', 'a segment is here');
is($segments[0]{then}, 'copied', '... and goes to the store');
is($segments[0]{stored_bytes}, 0, '... which has nothing of it');
is($segments[0]{when_ms} - $segments[0]{newest_ms}, 1_800_000, '... at its time');
is($segments[0]{why}, 'lag_ms', '... since that is the setting');
is("$segments[-1]{then} $segments[-1]{why}", 'closed open_ms', 'the newest one is open');
cmp_ok(abs($segments[-1]{when_ms} - 1000 * time - 86_400_000), '<', 3_600_000, '... until segment.ms says so');
cmp_ok($segments[-1]{when_bytes}, '<', 1_100_000, '... or segment.bytes');
is(tier('explain', 't'), 0, 'the same for people');
like($out, qr/to the store +\d{4}-\d\d-\d\dT[0-9:.]+Z +remote\.copy\.lag\.ms/, '... in a table');
my $p = partition('t');
is_deeply([@$p{qw(start local_start cold_end end)}], [0, 0, -1, 25_000], 'what there is');
is($p->{lag_segments}, 0, 'who is to wait does not lag');
cmp_ok($p->{here_bytes}, '>', 5_000_000, 'all is here');

# ---- what would be

my ($plan) = told('plan', 'plan', 't');
is($plan->{copied_bytes}, 0, 'as it is set nothing moves');
($plan) = told('plan', 'plan', 't', 'remote.copy.lag.ms=0', 'local.retention.ms=0');
cmp_ok($plan->{copied_segments}, '>=', 4, 'other settings would move segments');
is($plan->{store_requests}, 4 * $plan->{copied_segments}, '... with so many requests');
is($plan->{dropped_bytes}, $plan->{copied_bytes}, '... and free this disk');
is(tier('plan', 't', 'local.retention.ms=999999999999'), 64, 'what could not be set');
like($err, qr/^varve: topic "t": Invalid value 999999999999 .*local.retention.ms.*retention.ms/,
    '... is refused with the reason');
is(tier('plan', 't', 'no.such=1'), 64, '... as what is no setting');
is(partition('t')->{cold_end}, -1, 'and nothing of it was done');
($plan) = told('plan', 'plan', 't', '--unset remote.copy.lag.ms');
is($plan->{copied_segments}, $segments[-1]{then} eq 'closed' ? @segments - 1 : -1, 'a default can be asked for');
($plan) = told('plan', 'plan', 'plain', 'remote.storage.enable=true');
is($plan->{copied_bytes}, 0, 'also of a topic that is not there yet');

# ---- now

my ($done) = told('offload', 'offload', '--wait 60 t');
is($done->{result}, 'arrived', 'what somebody wants moved goes');
$p = partition('t');
is($p->{cold_end}, 25_000, '... all of it, also what was open');
is_deeply([@$p{qw(here_bytes cold_bytes lag_bytes)}], [0, 0, 0], '... and is in both');
is($p->{both_bytes}, (told('plan', 'plan', 't', 'remote.copy.lag.ms=0 local.retention.ms=0'))[0]{dropped_bytes},
    'it could leave this disk');
is(tier('offload', 't'), 0, 'once more has nothing to do');
is(varve('config set -b', $broker->address, 'topic t remote.copy.lag.ms=0 local.retention.ms=0'), 0,
    'with other settings');
ok(wait_until(sub { partition('t')->{cold_bytes} > 5_000_000 }), '... it leaves this disk');
@segments = told('segment', 'explain', 't');
is($segments[0]{where}, 'cold', 'a segment that only the store has');
is($segments[0]{then}, 'deleted', '... is deleted');
cmp_ok($segments[0]{stored_bytes}, '>', $segments[0]{bytes}, '... with what goes with its records');
is($segments[0]{when_ms} - $segments[0]{newest_ms}, 604_800_001, '... when retention.ms says so');
my ($store) = told('store', 'status');
is($store->{state}, 'works', 'the store works');
cmp_ok($store->{uploaded_ms}, '>', 0, '... and when it did');

# ---- metrics

my %m = %{ $broker->metrics };
my $arrived = $m{of_topic('remotecopybytes_total')};
cmp_ok($arrived, '>', 5_000_000, 'bytes copied are counted');
is($m{kafka_server_brokertopicmetrics_remotecopybytes_total}, $arrived, '... of all topics, too');
is($m{of_topic('remotelogsizebytes')}, $arrived, 'all that arrived is there');
is($m{of_topic('remotelogmetadatacount')}, scalar @segments, '... in so many segments');
is($m{of_topic('remotecopyerrors_total')}, 0, 'without errors');
is($m{of_topic('remotecopylagsegments')}, 0, 'nothing lags');
is($m{varve_tier_owned}, 1, 'the store is ours');
my $puts = $m{'varve_store_requests_total{store="directory",operation="put",outcome="ok"}'};
cmp_ok($puts, '>=', 2 * @segments, 'requests are, by what came of them'); # and whose the store is
is($m{'varve_store_request_seconds_count{store="directory",operation="put",outcome="ok"}'}, $puts,
    '... with how long they took');
my $put = 'store="directory",operation="put",outcome="ok"';
cmp_ok($m{"varve_store_bytes_total{$put}"}, '>', $arrived, '... and bytes');
cmp_ok($m{"varve_store_requests_total{$put,topic=\"t\"}"}, '>=', 2 * @segments, 'what a topic asks for is,');
cmp_ok($m{"varve_store_requests_total{$put,topic=\"t\"}"}, '<', $puts, '... within the sum of all');
cmp_ok($m{"varve_store_bytes_total{$put,topic=\"t\"}"}, '>', $arrived, '... with its bytes');
cmp_ok($m{varve_tier_manifest_bytes}, '>', 100, 'manifests take memory');
is($m{varve_tier_upload_bytes}, 0, '... uploads none, when none is under way');
cmp_ok($m{varve_tier_move_seconds_count}, '>=', 5, 'how long each segment took is known');
cmp_ok($m{varve_tier_since_marker_seconds}, '<', 3600, '... and how old the newest marker is');
is($m{'varve_store_calls{class="upload",state="waiting"}'}, 0, 'nothing has to be tried again');
is($m{'varve_tier_delete_lag_seconds{topic="t"}'}, 0, 'nothing is to be deleted');
cmp_ok($m{varve_tier_since_upload_seconds}, '<', 60, 'when something arrived last');
ok(!exists $m{varve_tier_since_delete_seconds}, 'what never was has no line');
is($m{varve_tier_oldest_move_seconds}, 0, 'nothing is on its way');

# What is cold gives way to what is hot.
my %nice;
for my $task (glob "/proc/$broker->{pid}/task/*") {
    my ($name, $rest) = text_of("$task/stat") =~ /^\d+ \((.*)\) (.*)$/ or next;
    $nice{$name} = (split ' ', $rest)[16];
}
is_deeply([ grep { $nice{$_} < 10 } grep { /^varve-(?:tier|store)/ } sort keys %nice ], [],
    'threads of the cold tier have a lower priority');
is_deeply([ grep { $nice{$_} != getpriority 0, 0 } grep { /^varve-(?:net|commit|pool)/ } sort keys %nice ], [], '... than those of requests');
ok(scalar(grep { /^varve-tier/ } keys %nice), '... of which there are some');

$broker->stop; # and nothing is in memory
$broker->restart;
is(varve('consume -b', $broker->address, 't >/dev/null'), 0, 'who reads all of it');
%m = %{ $broker->metrics };
cmp_ok($m{of_topic('remotefetchbytes_total')}, '>', 5_000_000, '... has bytes from there, which are counted');
cmp_ok($m{of_topic('remotefetchrequests_total')}, '>', 0, '... and reads');
cmp_ok($m{varve_tier_cache_misses_total}, '>', 0, '... and what the cache did');
is($m{'varve_tier_cache_misses_total{kind="chunk"}'}, $m{varve_tier_cache_misses_total}, '... of each kind');
cmp_ok($m{'varve_tier_cache_bytes{kind="chunk"}'}, '>', 1_000_000, '... and what it has');
cmp_ok($m{'varve_tier_served_bytes_total{source="store"}'}, '>', 0, 'some was waited for');
cmp_ok(abs($m{'varve_tier_served_bytes_total{source="store"}'} + $m{'varve_tier_served_bytes_total{source="cache"}'}
        - $m{'varve_fetch_bytes_total{source="cold"}'}), '<', 1_000_000, '... and all told where it was');
cmp_ok($m{'varve_tier_read_ahead_bytes_total{what="used"}'}, '>', 0, 'who reads on is read ahead of,');
cmp_ok($m{'varve_tier_read_ahead_bytes_total{what="used"}'}, '<=',
    $m{'varve_tier_read_ahead_bytes_total{what="read"}'}, '... and uses it');
my $reads = 'kafka_log_remote_remotelogmanager_remotelogreaderfetchrateandtime_seconds_count';
cmp_ok($m{$reads}, '>', 0, 'reads of the store are timed');
is($m{varve_tier_read_wait_seconds_count}, $m{$reads}, '... and how long they waited');

# ---- a store that fails

# A file where a directory was stops root, too.
sub break_store { rename "$cold/d", "$cold/away"; open(my $f, '>', "$cold/d"); close $f; return }
sub mend_store { unlink "$cold/d"; rename "$cold/away", "$cold/d"; return }

break_store();
ok(produce('t', 25_000), 'records that can not leave');
my $code; # attempts are up to ten seconds apart: the next may come later
ok(wait_until(sub { $code = tier('offload', '--wait 2 t'); $err =~ /^varve: .+: it is tried again\n/ }),
    'who waits for them hears why') or diag($err);
is($code, 75, '... and ends when it is told to');
like($err, qr/^varve: not all has arrived after 2 s/m, '... and that they have not arrived');
is(tier('status'), 0, 'the status');
like($out, qr/^directory \Q$cold\E: fails\nlast failure \d+ s ago: \S+/, '... says so, too');
my $failing;
ok(wait_until(sub { ($failing) = told('store', 'explain', 't') }), 'so do reasons, also as JSON');
is($failing->{state}, 'fails', '... which is the state');
isnt($failing->{failure}, '', '... with what it said');
varve('tier status -b', $broker->address);
like($out, qr/^t 0: .* on this disk only because they are not in the store yet$/m, '... and what that holds up');
%m = %{ $broker->metrics };
cmp_ok($m{of_topic('remotecopylagbytes')}, '>', 4_000_000, 'metrics say what lags');
cmp_ok($m{'varve_tier_held_bytes{topic="t"}'}, '>', 4_000_000, '... and what is held');
cmp_ok($m{'varve_tier_copy_lag_seconds{topic="t"}'}, '>', 0, '... since when');
cmp_ok($m{varve_tier_oldest_move_seconds}, '>', 0, '... and what does not end');
ok((grep { /^varve_store_requests_total.*outcome="(?!ok)/ } keys %m),
    '... and how the store refuses');
mend_store();
is(tier('offload', '--wait 60 t'), 0, 'when the store is back it goes on');
%m = %{ $broker->metrics };
is($m{of_topic('remotecopylagbytes')}, 0, '... and nothing lags any more');

# ---- whom it talks to

my $second = Varved->start('remote.log.storage.system.enable=true', "tier.store.url=file://$cold");
ok(wait_until(sub { varve('tier status -b', $second->address) == 0 && $out !~ /is being asked/ }),
    'a server whose store is another one\'s');
like($out, qr/^nothing is written there: \S+/m, '... says that, and why');
is(varve('tier status --json -b', $second->address), 0, '... also');
ok(!decode_json((split /\n/, $out)[0])->{owned}, '... as JSON');
my $none = Varved->start;
is(varve('tier status -b', $none->address), 64, 'a server without a cold tier');
like($err, qr/has no cold tier: set remote\.log\.storage\.system\.enable=true and tier\.store\.url/,
    '... says how to have one');
is(varve('tier status -b 127.0.0.1:1'), 75, 'no server');
like($err, qr/^varve: no broker answers at 127\.0\.0\.1:1: /, '... is one sentence');

# It knows ApiVersions, and hangs up for what it doesn't know, as Kafka does.
my $other = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1') or die "a port: $!";
my $child = fork // die "fork: $!";
if ($child == 0) {
    my $client = $other->accept;
    sysread $client, my $request, 1000;
    syswrite $client, pack 'l> a4 s> l>', 10, substr($request, 8, 4), 0, 0;
    sysread $client, $request, 1000;
    exit 0;
}
is(varve('tier status -b 127.0.0.1:' . $other->sockport), 76, 'a broker that is no varved');
like($err, qr/hangs up when it is asked about a cold tier: it is no varved/, '... is told from one');
waitpid $child, 0;

# ---- the protocol: bytes that our encoder did not make

open(my $hex, '>', "$dir/hex") or die "hex: $!";
print $hex '02 02 74 02 00000007 00  01 00';
close $hex;
is(varve("proto decode request TierDescribe 0 <$dir/hex"), 0, 'a request of ours');
is_deeply(decode_json($out), { topics => [{ name => 't', partitions => [7] }],
    includeSegments => JSON::PP::true }, '... is what varve-protocol(7) says');
done_testing;
