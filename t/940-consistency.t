#!/usr/bin/env perl
# Producers, readers and consumer groups at work (t/ledger) while varved is killed and started again:
# nothing that was acknowledged is lost, doubled or in another order.
#
# VARVE_KILLS: how many for each seed; VARVE_SEED: one seed only.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use File::Path 'remove_tree';
use IO::Handle;
use Test::More;
use Time::HiRes 'sleep';
use Ledger;
use Varved;

my $build = $ENV{builddir} // '.';
my @seeds = $ENV{VARVE_SEED} ? $ENV{VARVE_SEED} : long_run() ? 1 .. 5 : 1 + $$ % 1000;
my $kills = $ENV{VARVE_KILLS} // (long_run() ? 60 : 8);
my $quiet_batches = long_run() ? 6000 : 300;

# Small, so that in a short time much is flushed, sealed, written round and replayed.
my @options = qw(wal.bytes=4194304 memory.bytes=16777216 checkpoint.interval.ms=200
    log.segment.bytes=1048576 disk.reserve.bytes=0 group.initial.rebalance.delay.ms=0
    group.min.session.timeout.ms=500 max.connections.per.ip.rate=1000000);

# ---- a run: a server and the workload on it

sub begin {
    my ($seed) = @_;
    my $varved = Varved->new(options => \@options);
    my $history = $varved->dir . '/history';
    my $run = { varved => $varved, history => $history, seed => $seed, killed => 0 };
    $varved->restart;
    $run->{workload} = open $run->{to}, '|-', "$build/t/ledger/ledger", $varved->{port}, $seed, $history
        or die "ledger: $!";
    wait_until(sub { -e $history });
    open $run->{from}, '<', $history or die "history: $!";
    return $run;
}

# The workload goes on: until so much more was acknowledged.  Not if varved has ended.
sub progress {
    my ($run, $missing) = @_;
    my $from = $run->{from};
    $missing //= 1;
    seek $from, 0, 2;
    wait_until(sub {
        seek $from, 0, 1; # what was the end isn't any more
        local $_;
        while ($missing && defined($_ = <$from>)) {
            $missing-- if /^\d+ p\d+ sent/;
        }
        return !$missing || $run->{varved}->has_ended;
    });
    return !$missing;
}

# It must have ended in this way; else the run is over.
sub ended {
    my ($run, $want, $got, $how) = @_;
    return 1 if $got eq $want;
    $run->{wrong} = "after $run->{killed} kills, $how: varved ended with $got, not $want";
    return 0;
}

# ---- what befalls it; all leave it started, true if it ended as it should

sub kill_at_work {
    my ($run) = @_;
    my $v = $run->{varved};
    $v->is_ready && progress($run) or return ended($run, 'work', $v->{status} // 'no progress', 'start');
    sleep rand 0.3;
    return ended($run, 'signal 9', $v->end('KILL'), 'at work') && $v->launch;
}

sub kill_when_ready {
    my ($run) = @_;
    my $v = $run->{varved};
    $v->is_ready or return ended($run, 'ready', $v->ending, 'start');
    sleep rand 0.005;
    return ended($run, 'signal 9', $v->end('KILL'), 'when ready') && $v->launch;
}

sub kill_starting {
    my ($run) = @_;
    my $v = $run->{varved};
    sleep rand 0.03;
    return ended($run, 'signal 9', $v->end('KILL'), 'starting') && $v->launch;
}

sub terminate {
    my ($run) = @_;
    my $v = $run->{varved};
    $v->is_ready && progress($run) or return ended($run, 'work', $v->{status} // 'no progress', 'start');
    return ended($run, 0, $v->end('TERM'), 'SIGTERM') && $v->launch;
}

# It dies just before the N-th operation of a kind; or that operation fails, and it ends itself.
sub strike {
    my ($run) = @_;
    my $v = $run->{varved};
    my ($point, $among) = @{ ([write => 300], [sync => 100], [create => 20], [rename => 6],
        [truncate => 10], [unlink => 6], [sync_dir => 20])[rand 7] };
    my $fails = $point eq 'sync' && rand() < 0.5;

    $v->launch(VARVE_FAILPOINT => join ':', $point, 1 + int rand $among, $fails ? 'eio' : 'kill');
    my $patience = 400;
    wait_until(sub { $v->has_ended || !$patience-- });
    return $v->launch if !$v->{pid} && ($v->{status} == 9 || ($fails && $v->{status} >> 8));
    return ended($run, 'signal 9', $v->end('KILL'), "a point that was not reached") && $v->launch;
}

# The workload has until then to do what it has begun; without a server it never could.
sub finish {
    my ($run) = @_;
    my $v = $run->{varved};
    $run->{wrong} || $v->is_ready || ended($run, 'ready', $v->ending, 'start');
    kill 'KILL', $run->{workload} if $run->{wrong} && $run->{workload};
    close $run->{to} if $run->{to}; # its exit code is told by its history
    ended($run, 0, $v->end('TERM'), 'the last SIGTERM') if !$run->{wrong};
    $v->end('KILL') if !$v->has_ended;
}

# ---- the verdict

sub judge {
    my ($run, $what) = @_;
    open my $in, '<', $run->{history} or die "history: $!";
    chomp(my @lines = <$in>);
    my %counts;
    my @faults = Ledger::check(\@lines, \%counts);
    my (%kinds, @notes);
    for (@faults) {
        my ($kind, $sentence) = @$_;
        push @notes, "$kind: $sentence" if ++$kinds{$kind} <= 5;
    }
    unshift @notes, map { "$_: $kinds{$_}, $Ledger::KINDS{$_}" } sort keys %kinds;
    ok(!$run->{wrong}, "$what: varved starts, and ends as it should") or diag($run->{wrong});
    ok(!@faults, "... no fault in $counts{sent} batches, $counts{poll} polls, $counts{committed} "
        . "commits, $counts{fetched} looks at them, $counts{created} topics") or diag(join("\n", @notes));
    if ($run->{wrong} || @faults) {
        diag("seed $run->{seed}: $run->{history}");
    } else {
        remove_tree($run->{varved}->dir);
    }
}

sub quiet {
    my $run = begin(1);
    progress($run, $quiet_batches)
        or ended($run, 'work', $run->{varved}{status} // 'no progress', 'start');
    finish($run);
    judge($run, 'without any fault');
}

sub stormy {
    my ($seed) = @_;
    my @blows = (\&kill_at_work, \&kill_at_work, \&kill_when_ready, \&kill_starting, \&terminate,
        has_failpoints() ? (\&strike, \&strike) : ());
    srand $seed;
    my $run = begin($seed);
    for (0 .. $kills - 1) {
        my $blow = $blows[$_ < @blows ? $_ : rand @blows];
        $blow->($run) or last;
        $run->{killed}++;
    }
    finish($run);
    judge($run, "$run->{killed} kills and stops, seed $seed");
}

$SIG{PIPE} = 'IGNORE';
quiet();
stormy($_) for @seeds;
done_testing();
