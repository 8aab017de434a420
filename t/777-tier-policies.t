#!/usr/bin/env perl
# What the cold tier of a running server does when its settings are changed: how fast segments leave, how
# much of them stays on this disk.
use strict;
use warnings;
use File::Temp qw(tempdir);
use JSON::PP;
use Test::More;
use lib ($ENV{srcdir} // '.') . '/t/lib';
use Records;
use Varved;

plan skip_all => 'it is about varved' if ($ENV{VARVE_TEST_BOOTSTRAP} // '') ne '';

my $cold = tempdir(CLEANUP => 1);
my $dir = tempdir(CLEANUP => 1);
my $tool = ($ENV{builddir} // '.') . '/server/tool/varve';
my $broker = Varved->start('remote.log.storage.system.enable=true', "tier.store.url=file://$cold",
    'checkpoint.interval.ms=200', 'admin.listeners=127.0.0.1:0');
my $records = Records->new($broker);

# The tool's exit code, and what it printed.
my ($out, $err);
sub varve {
    my ($command, @words) = @_;
    my $rc = system("$tool $command -b " . $broker->address . " @words >$dir/out 2>$dir/err");
    ($out, $err) = (text_of("$dir/out"), text_of("$dir/err"));
    return $rc >> 8;
}
sub set { return varve('config set', 'broker 1', @_) == 0 || diag($err) && 0 }
# Of all partitions of a topic together.
sub told {
    my ($topic, $what) = @_;
    varve('tier status --json', $topic) == 0 or diag($err);
    my $sum = 0;
    $sum += $_->{$what} for grep { $_->{kind} eq 'partition' } map { decode_json($_) } split /\n/, $out;
    return $sum;
}

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
done_testing;
