#!/usr/bin/env perl
# The cold tier in HDFS, from the outside: records leave the server's disk for it and are read from there after
# a crash; hot ones are served while HDFS is away; what is wrong with settings is one sentence.
use strict;
use warnings;
use Test::More;
use lib ($ENV{srcdir} // '.') . '/t/lib';
use Varved;
use ColdTier;
use HDFS;

my $hdfs = HDFS->start;
my $tier = ColdTier->start(sub { $hdfs->stored_bytes }, 'tier.store.url=' . $hdfs->url('cold/varve'),
    'tier.hdfs.user=hdfs') or plan skip_all => 'varved has a tier of its own';
$tier->moves;
$tier->outlasts(sub { $hdfs->end($_) for qw(nn1 dn1) }, sub { $hdfs->again });
$tier->broker->stop;

$tier->told('nobody there', qr/warn cold\.store .*127\.0\.0\.1:1: connection refused/i,
    'tier.store.url=hdfs://127.0.0.1:1/x');
$tier->told('a user that may not write there',
    qr/warn cold\.store .*Permission denied: user=joe.*set tier\.hdfs\.user/, 'tier.hdfs.user=joe');
ok($hdfs->tool('tools.DFSAdmin', '-safemode', 'enter'), 'a name node is told to take no writes');
$tier->told('... which is told', qr/warn cold\.store .*safe mode/);
$tier->told('no token', qr/warn cold\.store .*tier\.hdfs\.token\.file: open/,
    'tier.hdfs.token.file=/nonexistent/token');
$tier->told('no port', qr/tier\.store\.url=hdfs:\/\/nn1\/x: "nn1" is no HOST:PORT; expected hdfs:/,
    'tier.store.url=hdfs://nn1/x');
done_testing;
