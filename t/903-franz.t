#!/usr/bin/env perl
# franz-go, the Go client that knows the newest protocol: t/peers/franz/main.go tells what must hold.
use strict;
use warnings;
use Test::More;
use lib ($ENV{srcdir} // '.') . '/t/lib';
use Varved;

my $franz = peer('franz/bin/franz');
my $broker = Varved->start('num.partitions=4', 'group.initial.rebalance.delay.ms=0');
$broker->tests_of($franz);
$broker->stop;
done_testing();
