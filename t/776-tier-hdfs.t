#!/usr/bin/env perl
# The cold tier in HDFS, from the outside: records leave the server's disk for it and are read from there after
# a crash; hot ones are served while HDFS is away; what is wrong with settings is one sentence.
use strict;
use warnings;
use Test::More;
use lib ($ENV{srcdir} // '.') . '/t/lib';
use Varved;
use Records;
use HDFS;

my $hdfs = HDFS->start;
my @options = ('remote.log.storage.system.enable=true', 'tier.store.url=' . $hdfs->url('cold/varve'),
    'tier.hdfs.user=hdfs', 'checkpoint.interval.ms=200');
my $broker = Varved->start(@options);
plan skip_all => 'varved has a tier of its own' unless $broker->is_varved;
my $records = Records->new($broker);
unlike($broker->said('err'), qr/cold\.store/, 'a store that can be used is no event');

ok($records->topic('cold', '--partitions 1 -c remote.storage.enable=true -c local.retention.ms=0',
    '-c segment.bytes=1100000'), 'a topic that asks for the cold tier');
ok($records->produce('cold', 60_000), 'records');
ok(wait_until(sub { $records->local_bytes < 1_500_000 }), 'they leave this disk');
cmp_ok(bytes_of("$hdfs->{dir}/dn1"), '>', 4_500_000, '... for HDFS');
is($records->consume('cold'), 60_000, 'and are read from there');
$broker->crash;
$broker->restart;
is($records->consume('cold'), 60_000, '... after a crash');

$hdfs->end($_) for qw(nn1 dn1);
ok($records->topic('hot', '--partitions 1'), 'while HDFS is away, topics are made');
ok($records->produce('hot', 1000), '... records are taken');
is($records->consume('hot'), 1000, '... and served');
ok($records->produce('cold', 15_000), '... also in the topic with a cold tier');
$hdfs->again;
ok(wait_until(sub { $records->local_bytes < 1_700_000 }), 'when it is back, records leave as before');
is($records->consume('cold'), 75_000, '... and all are there');
$broker->stop;

sub told {
    my ($what, $words, @changes) = @_;
    my %option = map { split /=/, $_, 2 } @options, @changes;
    my $other = Varved->new(options => [ map { "$_=$option{$_}" } keys %option ]);
    $other->launch;
    $other->is_ready;
    $other->end('TERM');
    my ($line) = grep { /cold\.store|tier\./ } split /\n/, $other->said('err');
    like($line // '', $words, $what);
}
told('nobody there', qr/warn cold\.store .*127\.0\.0\.1:1: connection refused/i, 'tier.store.url=hdfs://127.0.0.1:1/x');
told('a user that may not write there', qr/warn cold\.store .*Permission denied: user=joe.*set tier\.hdfs\.user/,
    'tier.hdfs.user=joe');
ok($hdfs->tool('tools.DFSAdmin', '-safemode', 'enter'), 'a name node is told to take no writes');
told('... which is told', qr/warn cold\.store .*safe mode/);
told('no token', qr/warn cold\.store .*tier\.hdfs\.token\.file: open/, 'tier.hdfs.token.file=/nonexistent/token');
told('no port', qr/tier\.store\.url=hdfs:\/\/nn1\/x: "nn1" is no HOST:PORT; expected hdfs:/,
    'tier.store.url=hdfs://nn1/x');
done_testing;
