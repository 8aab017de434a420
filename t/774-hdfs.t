#!/usr/bin/env perl
# HDFS as a store: the conformance suite of stores on a name node and a data node, also over a network that delays,
# cuts and resets, through a proxy before each; what each of that does to one request; and the cold tier of varved there.
# VARVE_TEST_HDFS=hdfs://HOST:PORT/DIR runs the suite on that HDFS, in a directory that is empty, as user
# VARVE_TEST_HDFS_USER; with swebhdfs:// VARVE_TEST_HDFS_CA has the certificate of who signed its own.
use strict;
use warnings;
use Test::More;
use lib ($ENV{srcdir} // '.') . '/t/lib';
use Varved;
use ColdTier;
use HDFS;
use Toxiproxy;

if (my $url = $ENV{VARVE_TEST_HDFS}) {
    take_tests(($ENV{builddir} // '.') . '/t/hdfscall', '-u', $ENV{VARVE_TEST_HDFS_USER} // 'hdfs', '-c',
        $ENV{VARVE_TEST_HDFS_CA} // '', $url, 'suite', 'suite/');
    done_testing;
    exit;
}

# Name nodes call data nodes by another address, where the proxy listens.
peer('toxiproxy/bin/start');
my $hdfs = HDFS->start('host=127.0.0.2');
my $node = $hdfs->port('dn1');
my $proxy = Toxiproxy->start("127.0.0.1:$node", "127.0.0.2:$node");

$hdfs->tests('suite', 'suite/');

note('to both nodes: what is slow, cut and reset');
my $front = Toxiproxy->start($hdfs->url =~ m{//(.*?)/});
for my $way ([ $front, 20_000 ], [ $proxy, 60_000 ]) {
    my ($to, $bytes) = @$way;
    $to->toxic(latency => { latency => 2, jitter => 2 });
    $to->toxic(limit_data => { bytes => $bytes }, toxicity => 0.4);
    $to->toxic(limit_data => { bytes => $bytes * 4 }, toxicity => 0.4, stream => 'upstream');
    $to->toxic(reset_peer => { timeout => 30 }, toxicity => 0.3);
}
$hdfs->through($front)->tests('-r', 'suite', 'toxic/');
$proxy->heal;

if (long_run()) {
    is($hdfs->says('parts', 'large', 70_000_000), 'done', 'a large object, in parts');
    is($hdfs->says('verify', 'large', 70_000_000), 'done', '... is whole');
    is($hdfs->says('get', 'large', 70_000_000), 'done', '... and read');
}

$proxy->toxic(latency => { latency => 20, jitter => 20 });
is($hdfs->says('put', 'slow', 100_000), 'done', 'a network that is slow');
is($hdfs->says('verify', 'slow', 100_000), 'done', '... changes nothing');
$proxy->heal;

$proxy->toxic(limit_data => { bytes => 300_000 }, stream => 'upstream');
isnt($hdfs->says('put', 'cut', 1_000_000), 'done', 'an upload that is cut');
is($hdfs->says('list', 'cut'), 'done', '... is not there');
$proxy->heal;
is($hdfs->says('put', 'cut', 1_000_000), 'done', '... until it is done again');
$proxy->toxic(limit_data => { bytes => 300_000 });
like($hdfs->says('get', 'cut', 1_000_000), qr/can't be reached/, 'an answer that is cut is none');
$proxy->heal;
is($hdfs->says('get', 'cut', 1_000_000), 'done', '... until it is asked again');

$proxy->toxic(timeout => { timeout => 0 });
like($hdfs->says('-s', 3, 'get', 'cut', 1_000_000), qr/can't be reached|time/, 'an answer that never comes');
like($hdfs->says('-s', 3, 'put', 'never', 1000), qr/can't be reached/, '... to a write: it was not done');
is($hdfs->says('list', 'never'), 'done', '... and is not there');
$proxy->heal;

for my $how ([ reset_peer => { timeout => 5 } ], [ limit_data => { bytes => 60_000 } ],
    [ limit_data => { bytes => 60_000 }, stream => 'upstream' ], [ timeout => { timeout => 300 } ]) {
    $proxy->toxic(@$how, toxicity => 0.2);
}
for my $i (1 .. (long_run() ? 5 : 2)) {
    is($hdfs->says('-r', 'put', "bad/$i", 100_000), 'done', "on a bad network: an object, tried until it is there");
    is($hdfs->says('-r', 'verify', "bad/$i", 100_000), 'done', '... as it was');
}
is($hdfs->says('-r', 'parts', 'bad/large', 17_000_000), 'done', 'a large one');
$proxy->heal;
is($hdfs->says('verify', 'bad/large', 17_000_000), 'done', '... as it was');
is($hdfs->says('sweep', -10_000) =~ s/^\d+ swept\n//r, 'done', 'what is left on the way is swept');

if (my $tier = ColdTier->start(sub { $hdfs->stored_bytes }, 'tier.store.url=' . $hdfs->url('cold/varve'),
    'tier.hdfs.user=hdfs')) {
    $tier->moves;
    $tier->broker->stop;
}
done_testing;
