#!/usr/bin/env perl
# Producers, readers and consumer groups at work (t/ledger) while varved is killed and started again:
# nothing that was acknowledged is lost, doubled or in another order.
#
# VARVE_KILLS: how many for each seed; VARVE_SEED: one seed only.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Storm;
use Varved;

my @seeds = $ENV{VARVE_SEED} ? $ENV{VARVE_SEED} : long_run() ? 1 .. 5 : 1 + $$ % 1000;
my $kills = $ENV{VARVE_KILLS} // (long_run() ? 60 : 8);
my $quiet_batches = long_run() ? 6000 : 300;

sub quiet {
    my $storm = Storm->begin(1, \@Storm::SMALL);
    $storm->progress($quiet_batches);
    $storm->finish;
    $storm->judge('without any fault');
}

sub stormy {
    my ($seed) = @_;
    srand $seed;
    my $storm = Storm->begin($seed, \@Storm::SMALL);
    for (0 .. $kills - 1) {
        $storm->strike_again($_) or last;
    }
    $storm->finish;
    $storm->judge("$storm->{blows} kills and stops, seed $seed");
}

$SIG{PIPE} = 'IGNORE';
quiet();
stormy($_) for @seeds;
done_testing();
