#!/usr/bin/env perl
# kafka-python, with a protocol implementation of its own: t/clients/kafkapython.py tells what must
# hold.
use strict;
use warnings;
use Test::More;
use lib ($ENV{srcdir} // '.') . '/t/lib';
use Varved;

my $python = peer('python/bin/python');
my $broker = Varved->start('num.partitions=4', 'group.initial.rebalance.delay.ms=0');
$broker->tests_of($python, '-B', ($ENV{srcdir} // '.') . '/t/clients/kafkapython.py');
$broker->stop;
done_testing();
