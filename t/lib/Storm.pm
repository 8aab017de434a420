package Storm;
# varved under a workload that writes down what it is told (t/ledger), while it is killed, stopped and
# struck by failing operations; then the workload's history is judged.
#
#   my $storm = Storm->begin(1, [@options_of_varved], @settings_of_topics);     a seed, and so on
#   $storm->strike_again($_) for 1 .. 8;        one blow after the other; false: it ended as it shouldn't
#   $storm->strike_move('evict', sub { ... });  one within that, of a server with a tier (@MOVES)
#   $storm->finish; $storm->judge('what it was');
#
# Every blow leaves varved started. $storm->{varved} is it, $storm->{history} a file.
use strict;
use warnings;
use File::Path 'remove_tree';
use HTTP::Tiny;
use IO::Handle;
use Test::More;
use Time::HiRes 'sleep';
use Ledger;
use Varved;

my $build = $ENV{builddir} // '.';

# Small, so that in a short time much is flushed, sealed, written round and replayed.
our @SMALL = qw(wal.bytes=4194304 memory.bytes=16777216 checkpoint.interval.ms=200
    log.segment.bytes=1048576 disk.reserve.bytes=0 group.initial.rebalance.delay.ms=0
    group.min.session.timeout.ms=500 max.connections.per.ip.rate=1000000);

sub begin {
    my ($class, $seed, $options, @topics) = @_;
    my $varved = Varved->new(options => $options);
    my $history = $varved->dir . '/history';
    my $self = bless { varved => $varved, history => $history, seed => $seed, blows => 0 }, $class;
    $varved->restart;
    $self->{workload} = open $self->{to}, '|-', "$build/t/ledger/ledger", $varved->{port}, $seed, $history, @topics
        or die "ledger: $!";
    wait_until(sub { -e $history });
    open $self->{from}, '<', $history or die "history: $!";
    return $self;
}

# The workload goes on: until so much more was acknowledged.  Not if varved has ended.
sub progress {
    my ($self, $missing) = @_;
    my $from = $self->{from};
    $missing //= 1;
    seek $from, 0, 2;
    wait_until(sub {
        seek $from, 0, 1; # what was the end isn't any more
        local $_;
        while ($missing && defined($_ = <$from>)) {
            $missing-- if /^\d+ p\d+ sent/;
        }
        return !$missing || $self->{varved}->has_ended;
    });
    return !$missing || $self->ended('work', $self->{varved}{status} // 'no progress', 'start');
}

# It must have ended in this way; else all is over.
sub ended {
    my ($self, $want, $got, $how) = @_;
    return 1 if $got eq $want;
    $self->{wrong} = "after $self->{blows} blows, $how: varved ended with $got, not $want";
    return 0;
}

# ---- blows

sub kill_at_work {
    my ($self) = @_;
    my $v = $self->{varved};
    $v->is_ready or return $self->ended('ready', $v->ending, 'start');
    $self->progress or return 0;
    sleep rand 0.3;
    return $self->ended('signal 9', $v->end('KILL'), 'at work') && $v->launch;
}

sub kill_when_ready {
    my ($self) = @_;
    my $v = $self->{varved};
    $v->is_ready or return $self->ended('ready', $v->ending, 'start');
    sleep rand 0.005;
    return $self->ended('signal 9', $v->end('KILL'), 'when ready') && $v->launch;
}

sub kill_starting {
    my ($self) = @_;
    my $v = $self->{varved};
    sleep rand 0.03;
    return $self->ended('signal 9', $v->end('KILL'), 'starting') && $v->launch;
}

sub terminate {
    my ($self) = @_;
    my $v = $self->{varved};
    $v->is_ready or return $self->ended('ready', $v->ending, 'start');
    $self->progress or return 0;
    return $self->ended(0, $v->end('TERM'), 'SIGTERM') && $v->launch;
}

# It dies just before the N-th operation of a kind; or that operation fails, and it ends itself.
sub strike {
    my ($self) = @_;
    my $v = $self->{varved};
    my ($point, $among) = @{ ([write => 300], [sync => 100], [create => 20], [rename => 6],
        [truncate => 10], [unlink => 6], [sync_dir => 20])[rand 7] };
    my $fails = $point eq 'sync' && rand() < 0.5;

    $v->launch(VARVE_FAILPOINT => join ':', $point, 1 + int rand $among, $fails ? 'eio' : 'kill');
    my $patience = 400;
    wait_until(sub { $v->has_ended || !$patience-- });
    my $how = $v->end('KILL'); # if it isn't ending by itself just now
    $how = 'signal 9' if $fails && $how =~ /^[1-9]/;
    return $self->ended('signal 9', $how, "$point, reached or not") && $v->launch;
}

# The n-th one, from 0: each kind once, then by chance.
sub strike_again {
    my ($self, $n) = @_;
    my @blows = (\&kill_at_work, \&kill_at_work, \&kill_when_ready, \&kill_starting, \&terminate,
        has_failpoints() ? (\&strike, \&strike) : ());
    $blows[$n < @blows ? $n : rand @blows]->($self) or return 0;
    $self->{blows}++;
    return 1;
}

# ---- blows within what a tier does

# How many steps of each to choose from (engine/os/failpoint.h); in a build without such, one of its metrics tells that
# it is at it: now, and as it was when it was looked at before.
my %moves = (
    offload => [8, 'varve_tier_moves', sub { $_[0] > 0 }],
    evict => [6, 'varve_tier_local_bytes', sub { $_[0] < $_[1] }],
    retain => [8, 'kafka_server_brokertopicmetrics_remotedeletelagsegments', sub { $_[0] > 0 }],
    delete => [10, 'varve_tier_deleted_topic_objects_total', sub { $_[0] > $_[1] }],
    commit => [6],
);
our @MOVES = (qw(offload evict retain delete), has_failpoints() ? 'commit' : ());

# Where admin.listeners is 127.0.0.1:0.
sub metric {
    my ($self, $name) = @_;
    my ($port) = (split /admin\.listen address=127\.0\.0\.1:/, $self->{varved}->said('err'))[-1] =~ /^(\d+)/;
    my $answer = HTTP::Tiny->new(proxy => undef, http_proxy => undef)->get("http://127.0.0.1:$port/metrics");
    return $answer->{content} =~ /^$name (\d+)/m ? $1 : die "no $name: $answer->{status} $answer->{content}\n";
}

# What hangs in a store may hold all of it up, for longer than anybody waits: then it is made well.
sub wait_for_move {
    my ($has_come, $heal) = @_;
    my $late = time + 20;
    return wait_until(sub {
        if ($late && time > $late) {
            $heal->();
            $late = 0;
        }
        return $has_come->();
    });
}

# Seldom and short as it may be, it isn't always seen: then it is a blow as any other.
sub kill_at_move {
    my ($self, $move) = @_;
    my $v = $self->{varved};
    my (undef, $name, $tells) = @{ $moves{$move} };
    $v->is_ready or return $self->ended('ready', $v->ending, 'start');
    my ($before, $now, $late) = (undef, $self->metric($name), time + 20);
    my $seen = 0;
    wait_until(sub {
        ($before, $now) = ($now, $self->metric($name));
        $seen = $tells->($now, $before) ? 1 : 0;
        return $seen || time > $late;
    });
    $self->{struck}{$move} += $seen;
    return $self->ended('signal 9', $v->end('KILL'), "at $move");
}

# It dies within one of @MOVES: which, is counted.  The function makes its store well.
sub strike_move {
    my ($self, $move, $heal) = @_;
    my $v = $self->{varved};
    if (has_failpoints()) {
        $v->launch(VARVE_FAILPOINT => join ':', $move, 1 + int rand $moves{$move}[0], 'kill');
        wait_for_move(sub { $v->has_ended }, $heal);
        $self->ended('signal 9', $v->ending, "a step of $move") or return 0;
        $self->{struck}{$move}++;
    } else {
        $self->kill_at_move($move) or return 0;
    }
    $self->{blows}++;
    return $v->launch;
}

# ---- the end

# The workload has until then to do what it has begun; without a server it never could.
sub finish_work {
    my ($self) = @_;
    my $v = $self->{varved};
    $self->{wrong} || $v->is_ready || $self->ended('ready', $v->ending, 'start');
    kill 'KILL', $self->{workload} if $self->{wrong} && $self->{workload};
    close $self->{to} if $self->{to}; # its exit code is told by its history
}

sub finish {
    my ($self) = @_;
    my $v = $self->{varved};
    $self->finish_work;
    $self->ended(0, $v->end('TERM'), 'the last SIGTERM') if !$self->{wrong};
    $v->end('KILL') if !$v->has_ended;
}

sub judge {
    my ($self, $what) = @_;
    open my $in, '<', $self->{history} or die "history: $!";
    chomp(my @lines = <$in>);
    my %counts;
    my @faults = Ledger::check(\@lines, \%counts);
    my (%kinds, @notes);
    for (@faults) {
        my ($kind, $sentence) = @$_;
        push @notes, "$kind: $sentence" if ++$kinds{$kind} <= 5;
    }
    unshift @notes, map { "$_: $kinds{$_}, $Ledger::KINDS{$_}" } sort keys %kinds;
    ok(!$self->{wrong}, "$what: varved starts, and ends as it should") or diag($self->{wrong});
    ok(!@faults, "... no fault in $counts{sent} batches, $counts{poll} polls, $counts{committed} "
        . "commits, $counts{fetched} looks at them, $counts{created} topics") or diag(join("\n", @notes));
    if ($self->{wrong} || @faults) {
        diag("seed $self->{seed}: $self->{history}");
    } else {
        remove_tree($self->{varved}->dir);
    }
}

1;
