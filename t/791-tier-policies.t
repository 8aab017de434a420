#!/usr/bin/env perl
# What the cold tier of a running server does when its settings are changed: how fast segments leave, how
# much of them stays on this disk, and what happens when that is full and the store is out.
use strict;
use warnings;
use File::Temp qw(tempdir);
use JSON::PP;
use POSIX qw(WNOHANG);
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
    'checkpoint.interval.ms=200', 'admin.listeners=127.0.0.1:0');
my $records = Records->new($broker);

tool_at($broker);
sub set { return varve('config set', 'broker 1', @_) == 0 || diag($err) && 0 }
# Of all partitions of a topic together.
sub told {
    my ($topic, $what) = @_;
    varve('tier status --json', $topic) == 0 or diag($err);
    my $sum = 0;
    $sum += $_->{$what} for grep { $_->{kind} eq 'partition' } map { decode_json($_) } split /\n/, $out;
    return $sum;
}

sub told_disk {
    varve('tier status --json') == 0 or diag($err);
    my ($disk) = grep { $_->{kind} eq 'disk' } map { decode_json($_) } split /\n/, $out;
    return $disk;
}

sub metric { return $broker->metrics->{"varve_tier_$_[0]"} // -1 }

# ---- how fast they leave

ok(set('remote.log.manager.copy.max.bytes.per.second=1000'), 'copies are slowed down');
$records->topic('t', '-c remote.storage.enable=true', '-c segment.bytes=1100000');
$records->produce('t', 40_000);
ok(wait_until(sub { told('t', 'lag_segments') >= 3 }), 'segments lag');
my $there = bytes_of("$cold/d");
cmp_ok($there, '<', 2_300_000, '... and hardly one is there');
ok(set('remote.log.manager.copy.max.bytes.per.second=1000000000'), 'copies are allowed');
ok(wait_until(sub { told('t', 'lag_segments') == 0 }), '... and all that is sealed is there soon');

# ---- how much stays here

cmp_ok(told('t', 'both_bytes'), '>', 3_000_000, 'it is here, too');
is(told('t', 'cold_bytes'), 0, '... all of it');
ok(set('tier.local.max.bytes=2500000'), 'less is to be here');
ok(wait_until(sub { told('t', 'both_bytes') <= 2_500_000 }), '... and soon no more is');
cmp_ok(told('t', 'both_bytes'), '>', 1_000_000, '... nor less than that');
is($records->consume('t'), 40_000, 'all can be read');
ok(set('tier.local.max.bytes=-1', 'tier.disk.free.min.bytes=1000000000000000'),
    'more is to be free than the disk has');
ok(wait_until(sub { told('t', 'both_bytes') == 0 }), '... so all leaves that is in the store');
$records->produce('t', 20_000);
ok(wait_until(sub { told('t', 'both_bytes') == 0 && told('t', 'cold_bytes') > 5_000_000 }), '... as it comes');
is($records->consume('t'), 60_000, '... and can be read');
isnt(varve('config set', 'broker 1', 'tier.store.url=file:///tmp'), 0, 'another store takes a start');
like($err, qr/Cannot update these configs dynamically: Set\(tier\.store\.url\)/, '... which is said');
$broker->stop;
$broker->restart;
$records->produce('t', 20_000);
ok(wait_until(sub { told('t', 'both_bytes') == 0 && told('t', 'cold_bytes') > 7_000_000 }),
    'what was set holds after a stop');
is(metric('disk_state'), 2, '... and is told');
cmp_ok(metric('evicted_bytes_total'), '>', 1_000_000, '... with how much has left early');

# ---- a disk that is full while the store is out

# A file where a directory was stops root, too.
sub break_store { rename "$cold/d", "$cold/away"; open(my $f, '>', "$cold/d"); close $f; return }
sub mend_store { unlink "$cold/d"; rename "$cold/away", "$cold/d"; return }
sub is_full { return set('tier.disk.reserve.bytes=' . ($_[0] ? 1_000_000_000_000_000 : 0)) }

ok(set('tier.disk.free.min.bytes=0'), 'there is room');
ok(wait_until(sub { metric('disk_state') == 0 }), '... which is told');
$records->topic('loses', '--partitions 1 -c remote.storage.enable=true -c segment.bytes=1100000',
    '-c varve.tier.outage.policy=drop-oldest -c local.retention.ms=0');
$records->topic('plain', '-c segment.bytes=1100000');
$records->produce('loses', 30_000);
ok(wait_until(sub { told('loses', 'cold_bytes') > 2_000_000 }), 'some of it is cold');
break_store();
my $cold_end = told('loses', 'cold_end');
$records->produce('loses', 30_000);
ok(is_full(1), 'the store is out, and the disk is full');
ok(wait_until(sub { metric('refusing_partitions') > 0 }), 'topics that block do');
ok(wait_until(sub { told('t', 'refuses') > 0 }), '... and say so');
is(varve('tier status'), 0, '... also to people');
like($out, qr/^t \d: refuses producers: the disk is full of what the store hasn't taken yet/m, '... with the reason');
like($out, qr/^this disk: \S+ \S+ of sealed segments(?: of \S+ \S+)?, \S+ \S+ free \(at least 909\.5 TiB\): full: each topic does as/m,
    '... and how full the disk is') or diag($out);
is(told_disk()->{state}, 'full', '... as JSON, too');
is(told_disk()->{reserve_bytes}, 1_000_000_000_000_000, '... with its limits');
like($broker->said('err'), qr/error tier\.full reason="tier\.disk\.reserve\.bytes is reached/, '... with an event');
ok($records->produce('plain', 1000), 'others go on');

my $producer = fork // die "fork: $!";
if ($producer == 0) { # as librdkafka does, with each answer that may be tried again
    open(my $f, '>', "$dir/in") or die "in: $!";
    print $f "60001 it waits\n";
    close $f;
    exec("$tool produce -b " . $broker->address . " --timeout 120 --partition 0 t <$dir/in >/dev/null 2>$dir/produced");
}
ok(wait_until(sub { metric('lost_segments_total') >= 2 }), 'who would rather lose does');
like($broker->said('err'), qr/error tier\.lost topic=loses partition=0 from=\d+ to=\d+ bytes=\d+ older="can be read"/,
    '... which is told, one by one');
is(waitpid($producer, WNOHANG), 0, 'a producer to a topic that blocks waits');
ok(is_full(0), 'there is room again');
waitpid $producer, 0;
is($?, 0, '... and the producer goes on by itself') or diag(text_of("$dir/produced"));
mend_store();
ok($records->produce('loses', 10_000), 'and so do the others');
ok(wait_until(sub { told('loses', 'lag_segments') == 0 && told('loses', 'held_bytes') == 0 }),
    'when the store is back all goes there');
sub count { varve('consume', $_[0], '| wc -l'); return $out + 0 }
my $left = count('loses');
cmp_ok($left, '<', 70_000, 'what is lost is not there');
cmp_ok($left, '>=', $cold_end + 10_000, '... but all that was cold, and what came later');
$broker->stop;
$broker->restart;
is(count('loses'), $left, '... after a start, too');
is(count('t'), 80_001, 'who blocked has lost nothing');

# ---- back to this disk

sub state_of {
    my ($topic) = @_;
    varve('tier status --json', $topic) == 0 or diag($err);
    return (map { $_->{state} } grep { $_->{kind} eq 'partition' } map { decode_json($_) } split /\n/, $out)[0];
}
$records->topic('back', '-c remote.storage.enable=true', '-c segment.bytes=1100000', '-c local.retention.ms=1000');
is(state_of('back'), 'on', 'a topic that copies');
$records->produce('back', 10_000);
is(varve('tier offload back'), 0, '... what it has') or diag($err);
ok(wait_until(sub { told('back', 'cold_bytes') > 500_000 && told('back', 'both_bytes') == 0 }), '... so that only the store has that');
is(varve('config set topic back remote.log.copy.disable=true local.retention.ms=-2 local.retention.bytes=-2'), 0,
    'it is to copy no more') or diag($err);
is(state_of('back'), 'drains', 'what is there drains');
is(varve('tier status back'), 0, 'people hear of it');
like($out, qr/^back 0: drains: .*stays here; [\d.]+ .iB that only the store has are read there until retention/m,
    '... and what that means');
is(varve('tier explain back'), 0, 'who asks for reasons');
like($out, qr/^back 0: drains: /m, '... too');
$records->produce('back', 10_000);
is($records->consume('back'), 20_000, 'all can be read');
is(told('back', 'lag_segments'), 0, '... and nothing lags');
$records->topic('never', '-c remote.storage.enable=true', '-c remote.log.copy.disable=true');
is(state_of('never'), 'paused', 'one that never copied');

done_testing;
