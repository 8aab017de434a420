#!/usr/bin/env perl
# Another S3 server, of another descent, as a store: Ceph's, which ignores the checksums of requests and keeps
# none. The conformance suite, what wrong settings are told, and the suite over a network that cuts and resets.
# VARVE_LONG: the first two over https.
use strict;
use warnings;
use Test::More;
use lib ($ENV{srcdir} // '.') . '/t/lib';
use Varved;
use S3;

my $s3 = S3->start('radosgw', long_run() ? 'tls' : ());
$s3->tests('suite', 'refused');

if (long_run()) {
    $s3->end;
    $s3->again;
}
my $proxy = S3::Proxy->start($s3);
note('over http: requests and answers that are cut, connections that are reset');
$proxy->toxic(limit_data => { bytes => 3000 }, toxicity => 0.6);
$proxy->toxic(limit_data => { bytes => 300_000 }, toxicity => 0.6, stream => 'upstream');
$proxy->toxic(reset_peer => { timeout => 30 }, toxicity => 0.6);
$proxy->tests('retry');
done_testing;
