#!/usr/bin/env perl
# sarama, the Go client that most programs use: t/peers/sarama/main.go tells what must hold.
use strict;
use warnings;
use Test::More;
use lib ($ENV{srcdir} // '.') . '/t/lib';
use Varved;

my $sarama = peer('sarama/bin/sarama');
my $broker = Varved->start('num.partitions=4', 'group.initial.rebalance.delay.ms=0');
$broker->tests_of($sarama);
$broker->stop;
done_testing();
