#!/usr/bin/env perl
# varve restore, over a real HDFS.
use strict;
use warnings;
use Test::More;
use lib ($ENV{srcdir} // '.') . '/t/lib';
use Anew;
use HDFS;
use Varved;

plan skip_all => 'it is about varved' if ($ENV{VARVE_TEST_BOOTSTRAP} // '') ne '';

my $hdfs = HDFS->start;
Anew::tests(name => 'HDFS', options => ['tier.store.url=' . $hdfs->url('cold/varve'), 'tier.hdfs.user=hdfs'],
    elsewhere => 'tier.store.url=' . $hdfs->url('elsewhere'));
done_testing;
