#!/usr/bin/env perl
# confluent-kafka, the Python client on librdkafka: t/clients/confluent.py tells what must hold.
use strict;
use warnings;
use Test::More;
use lib ($ENV{srcdir} // '.') . '/t/lib';
use Varved;

my $python = peer('python/bin/python');
my $broker = Varved->start('num.partitions=4', 'group.initial.rebalance.delay.ms=0');
$broker->tests_of($python, '-B', ($ENV{srcdir} // '.') . '/t/clients/confluent.py');
$broker->stop;
done_testing();
