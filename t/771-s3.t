#!/usr/bin/env perl
# A real S3 server as a store: the conformance suite of stores, what wrong settings are told, and that the suite
# holds while the network cuts and resets. VARVE_LONG: over https and without threads, too, and while the network
# is slow and loses.
# VARVE_TEST_S3=s3://BUCKET/PREFIX runs the suite on that bucket, which is empty below PREFIX: at
# VARVE_TEST_S3_ENDPOINT (https://HOST:PORT; else Amazon's), VARVE_TEST_S3_REGION, with the authority of
# VARVE_TEST_S3_CA, and keys as AWS's programs find them.
use strict;
use warnings;
use Test::More;
use lib ($ENV{srcdir} // '.') . '/t/lib';
use Varved;
use S3;

if ($ENV{VARVE_TEST_S3}) {
    take_tests(($ENV{builddir} // '.') . '/t/s3suite', 'suite');
    done_testing;
    exit;
}

my $s3 = S3->start('versitygw');
note('over http');
$s3->tests('suite', 'refused');

my $proxy = S3::Proxy->start($s3);
note('requests and answers that are cut, connections that are reset');
$proxy->toxic(limit_data => { bytes => 3000 }, toxicity => 0.6);
$proxy->toxic(limit_data => { bytes => 300_000 }, toxicity => 0.6, stream => 'upstream');
$proxy->toxic(reset_peer => { timeout => 5 }, toxicity => 0.4);
$proxy->tests('retry');
$proxy->heal;

if (long_run()) {
    note('slow');
    $proxy->toxic(latency => { latency => 5, jitter => 5 });
    $proxy->tests('retry');
    $proxy->heal;

    note('answers of which some never come');
    $proxy->toxic(limit_data => { bytes => 3000 }, toxicity => 0.6);
    $proxy->toxic(timeout => { timeout => 0 }, toxicity => 0.02);
    $proxy->tests('retry');

    note('without threads');
    $s3->tests('steps');

    note('over https');
    S3->start('versitygw', 'tls')->tests('suite', 'refused');
}
done_testing;
