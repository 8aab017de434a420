#!/usr/bin/env perl
# A real S3 server as a store: the conformance suite of stores over http and https; what wrong settings are
# told; and that the suite holds while the network is slow, loses, cuts and resets.
use strict;
use warnings;
use Test::More;
use lib ($ENV{srcdir} // '.') . '/t/lib';
use Varved;
use S3;

my $s3 = S3->start('versitygw');
note('over http');
$s3->tests('suite', 'steps', 'refused');

note('over https');
S3->start('versitygw', 'tls')->tests('suite', 'refused');

my $proxy = S3::Proxy->start($s3);
note('slow');
$proxy->toxic(latency => { latency => 5, jitter => 5 });
$proxy->tests('retry');
$proxy->heal;

note('answers that are cut, and some that never come');
$proxy->toxic(limit_data => { bytes => 3000 }, toxicity => 0.6);
$proxy->toxic(timeout => { timeout => 0 }, toxicity => 0.02);
$proxy->tests('retry');
$proxy->heal;

note('requests that are cut, connections that are reset');
$proxy->toxic(limit_data => { bytes => 300_000 }, toxicity => 0.6, stream => 'upstream');
$proxy->toxic(reset_peer => { timeout => 5 }, toxicity => 0.4);
$proxy->tests('retry');
done_testing;
