# The judge of a history that t/ledger wrote (t/ledger/history.h has its words): pure, it sees
# nothing but the lines.  In the manner of Jepsen's Kafka workload; which of its rules are relaxed,
# and why, stands at each rule.
#
# Time is the number of the line.  Of two operations one was before the other only if it had its
# outcome before the other began; one whose connection broke had its outcome then: what breaks a
# connection is the server's death, or its closing it, and neither leaves a request behind that
# could still take effect.  Only what was abandoned by the client itself may take effect at any time.
package Ledger;
use strict;
use warnings;

# Every kind of fault that there is, and what it means.
our %KINDS = (
    'lost-write' => 'an acknowledged value is nowhere, though what lies behind it was read',
    'unseen' => 'an acknowledged value is behind the end of the log',
    'vanished' => 'a value that was read is behind the end of the log',
    'inconsistent-offsets' => 'an offset means two values, or not the one that was acknowledged',
    'duplicate' => 'a value is there more often than it may be',
    'reordered' => 'batches of one producer are not in the order in which they were sent',
    'torn' => 'a batch is there in part',
    'failed-read' => 'a value that was refused is there',
    'invented' => 'a record is there that nobody sent',
    'nonmonotonic-poll' => 'a poll returned what lies before the position',
    'poll-skip' => 'a poll left something out',
    'position-lost' => 'an offset that was there is out of range',
    'start-back' => 'a log begins before where it began',
    'start-beyond' => 'a log begins behind what was to be deleted',
    'undeleted' => 'a deleted record was read',
    'sequence-refused' => 'the sequence that follows is not accepted',
    'commit-lost' => 'a committed offset is gone, or an older one is back',
    'commit-invented' => 'a committed offset is none that was committed',
    'group-skip' => 'a group has committed more than its members were given',
    'topic-lost' => 'a created topic is gone',
    'topic-half' => 'a topic has not the partitions that it was made with',
    'topic-changed' => 'a topic has another id',
    'topic-undead' => 'a deleted topic is there',
    'topic-invented' => 'a topic is there that nobody made',
    'stuck' => 'no answer, or no progress',
    'malformed' => 'an answer that cannot be read, or was not asked for',
    'unfinished' => 'the history ends before all was read',
);

# The faults in a history, as [kind, sentence]; what was counted meanwhile in $counts.
sub check {
    my ($lines, $counts) = @_;
    my $h = { faults => [], count => {}, now => 0 };

    for my $line (@$lines) {
        $h->{now}++;
        my (undef, $process, $event, @words) = split ' ', $line;
        my $read = defined $event ? __PACKAGE__->can('read_' . $event =~ tr/-/_/r) : undef;
        $h->{count}{ $event // '' }++;
        if ($read) {
            $read->($h, $process, @words);
        } else {
            fault($h, 'malformed', "line $h->{now}: $line");
        }
    }
    check_lost($h);
    check_log($h, $_) for sort keys %{ $h->{batches} }, grep { !$h->{batches}{$_} } keys %{ $h->{log} };
    check_end($h);
    check_commits($h);
    check_groups($h);
    check_topics($h);
    %$counts = %{ $h->{count} } if $counts;
    return @{ $h->{faults} };
}

sub fault {
    my ($h, $kind, $sentence) = @_;
    die "no such kind: $kind" if !$KINDS{$kind};
    push @{ $h->{faults} }, [$kind, $sentence];
}

# ---- producers

sub read_producer {
    my ($h, $process, $kind) = @_;
    $h->{producer}{ substr $process, 1 } = $kind;
}

sub read_send {
    my ($h, $process, $id, $part, $values) = @_;
    my ($first, $n) = split /\+/, $values;
    my $number = substr $process, 1;
    my $batch = { id => $id, part => $part, producer => $number, first => $first, n => $n,
        sends => 1, outcome => 'open' };
    $h->{batch}{$process}{$id} = $batch;
    push @{ $h->{batches}{$part} }, $batch;
    $h->{owner}{$part}{$number}[$_] = $batch for $first .. $first + $n - 1;
}

sub batch_of {
    my ($h, $process, $id, $outcome) = @_;
    my $batch = $h->{batch}{$process}{$id};
    if ($batch && $batch->{outcome} eq 'open') {
        $batch->{outcome} = $outcome;
        return $batch;
    }
    fault($h, 'malformed', "line $h->{now}: batch $id of $process is not under way");
    return {};
}

sub read_resend { my ($h, $process, $id) = @_; batch_of($h, $process, $id, 'open')->{sends}++ }
sub read_sent { my ($h, $process, $id, $at) = @_; batch_of($h, $process, $id, 'sent')->{at} = $at }
sub read_failed { my ($h, $process, $id) = @_; batch_of($h, $process, $id, 'failed') }
sub read_unknown { my ($h, $process, $id) = @_; batch_of($h, $process, $id, 'unknown') }
sub read_abandoned { my ($h, $process, $id) = @_; batch_of($h, $process, $id, 'abandoned') }

sub read_refused {
    my ($h, $process, $id, $error) = @_;
    my $batch = batch_of($h, $process, $id, 'refused');
    fault($h, 'sequence-refused', "line $h->{now}: batch $id of $process to $batch->{part}: $error");
}

# ---- readers

# What is expected next.  A member of a group goes on where the group has committed, a reader that
# begins anew wherever it likes: both say so.
sub read_from {
    my ($h, $process, $part, $at) = @_;
    $h->{position}{$process}{$part} = $at;
    $h->{deleted_before}{$process}{$part} = $h->{start}{$part} // 0;
}

sub read_poll {
    my ($h, $process, $part, @runs) = @_;
    my $group = $h->{group_of}{$process};
    my $position = \$h->{position}{$process}{$part};

    for my $run (@runs) {
        my ($at, $number, $first, $n) = $run =~ /^(\d+):(?:(\d+):(\d+)\+(\d+)|\?)$/
            or return fault($h, 'malformed', "line $h->{now}: $run");
        my $who = "line $h->{now}: $process got $part offset $at";
        fault($h, 'nonmonotonic-poll', "$who, not $$position") if $at < ($$position // 0);
        fault($h, 'poll-skip', "$who, not $$position") if $at > ($$position // 0);
        fault($h, 'undeleted', $who) if $at < ($h->{deleted_before}{$process}{$part} // 0);
        $n //= 1;
        for my $i (0 .. $n - 1) {
            my $value = defined $number ? "$number:" . ($first + $i) : '?';
            my $known = $h->{log}{$part}[$at + $i] //= $value;
            fault($h, 'inconsistent-offsets', "$who with $value, others $known") if $known ne $value;
            vec($h->{given}{$group}{$part}, $at + $i, 1) = 1 if defined $group;
        }
        $$position = $at + $n;
    }
}

# Of records that go by themselves it is known only later.
sub read_lost {
    my ($h, $process, $part, $at, $error) = @_;
    return if $at < ($h->{trim}{$part} // 0);
    push @{ $h->{lost} }, [$part, $at, "line $h->{now}: $process at $part offset $at: $error"];
}

sub check_lost {
    my ($h) = @_;
    for (@{ $h->{lost} // [] }) {
        my ($part, $at, $sentence) = @$_;
        fault($h, 'position-lost', $sentence) if !expires($h, $part) || $at >= ($h->{start}{$part} // 0);
    }
}

# ---- the beginning of a log: as far as it was to be deleted, and never back

sub read_expires { my ($h, $process, $topic) = @_; $h->{expires}{$topic} = 1 }
sub expires { my ($h, $part) = @_; return $h->{expires}{ $part =~ s{/.*}{}r } }

sub read_trim {
    my ($h, $process, $part, $at) = @_;
    $h->{trim}{$part} = $at if $at > ($h->{trim}{$part} // 0);
    $h->{trimming}{$process} = $at;
}

sub read_untrimmed { }

sub read_trimmed {
    my ($h, $process, $part, $at) = @_;
    fault($h, 'start-back', "line $h->{now}: $part begins at $at, not $h->{trimming}{$process}")
        if $at < $h->{trimming}{$process};
    begins($h, $part, $at);
}

# Two may ask at the same time: who hears of an older beginning may have asked before.
sub read_starts {
    my ($h, $process, @offsets) = @_;
    for (@offsets) {
        my ($part, $at) = split /=/;
        my $was = $h->{begins}{$process}{$part} // 0;
        fault($h, 'start-back', "line $h->{now}: $part begins at $at, was $was") if $at < $was;
        $h->{begins}{$process}{$part} = $at;
        begins($h, $part, $at);
    }
}

sub begins {
    my ($h, $part, $at) = @_;
    fault($h, 'start-beyond', "line $h->{now}: $part begins at $at")
        if !expires($h, $part) && $at > ($h->{trim}{$part} // 0);
    $h->{start}{$part} = $at if $at > ($h->{start}{$part} // 0);
}

# What is older may be gone.
sub kept_from {
    my ($h, $part) = @_;
    my ($trim, $start) = ($h->{trim}{$part} // 0, expires($h, $part) ? $h->{start}{$part} // 0 : 0);
    return $trim > $start ? $trim : $start;
}

sub read_end { my ($h, $process, $part, $at) = @_; $h->{end}{$part} = [$process, $at] }
sub read_stuck { my ($h, @words) = @_; fault($h, 'stuck', "line $h->{now}: @words") }
sub read_malformed { my ($h, @words) = @_; fault($h, 'malformed', "line $h->{now}: @words") }

# ---- the log of a partition, as all together saw it

sub check_log {
    my ($h, $part) = @_;
    my $log = $h->{log}{$part} // [];
    my (%places, %last, $whole);

    for my $at (0 .. $#$log) {
        my $value = $log->[$at] // next;
        my $batch = owner($h, $part, $value);
        my $what = "$part offset $at: $value";
        if (!$batch) {
            fault($h, 'invented', $what);
            next;
        }
        push @{ $places{$value} }, $at;
        fault($h, 'failed-read', $what) if $batch->{outcome} eq 'failed';
        next if $whole && $at < $whole;
        $whole = check_batch($h, $part, $batch, $at);
        check_order($h, $batch, \%last, $what);
    }
    check_copies($h, $part, \%places);
    $_->{outcome} eq 'sent' && check_sent($h, $_, \%places) for @{ $h->{batches}{$part} // [] };
}

sub owner {
    my ($h, $part, $value) = @_;
    my ($number, $n) = $value =~ /^(\d+):(\d+)$/ or return undef;
    return $h->{owner}{$part}{$number} ? $h->{owner}{$part}{$number}[$n] : undef;
}

# All of it must begin here, but for what may have been deleted; the offset behind it.
sub check_batch {
    my ($h, $part, $batch, $at) = @_;
    my $kept = kept_from($h, $part);
    my $before = (split /:/, $h->{log}{$part}[$at])[1] - $batch->{first};
    $at -= $before if $kept && $at <= $kept && $at >= $before;
    for my $i (0 .. $batch->{n} - 1) {
        my $want = "$batch->{producer}:" . ($batch->{first} + $i);
        next if $at + $i < $kept && !defined $h->{log}{$part}[$at + $i];
        my $got = $h->{log}{$part}[$at + $i] // 'nothing';
        next if $got eq $want;
        fault($h, 'torn', "$part offset " . ($at + $i) . ": $got, not $want");
        return $at + ($i || 1);
    }
    return $at + $batch->{n};
}

# One that was abandoned may come late: its client has gone on before it had an outcome.  Copies of
# one that was sent again come before what the producer sent next.
sub check_order {
    my ($h, $batch, $last, $what) = @_;
    return if $batch->{outcome} eq 'abandoned';
    my $before = $last->{ $batch->{producer} };
    fault($h, 'reordered', "$what of batch $batch->{id} comes behind batch $before")
        if defined $before && $before > $batch->{id};
    $last->{ $batch->{producer} } = $batch->{id};
}

# Without ids of its own a producer that sends again may write again.
sub check_copies {
    my ($h, $part, $places) = @_;
    for my $value (sort keys %$places) {
        my $batch = owner($h, $part, $value);
        my $kind = $h->{producer}{ $batch->{producer} } // '';
        my $allowed = $kind eq 'retrying' ? $batch->{sends} : 1;
        my @at = @{ $places->{$value} };
        fault($h, 'duplicate', "$part: $value of a producer that is $kind, sent $batch->{sends} times, "
            . "is at @at") if @at > $allowed;
    }
}

sub check_sent {
    my ($h, $batch, $places) = @_;
    my ($part, $at) = @$batch{ 'part', 'at' };
    my $log = $h->{log}{$part} // [];
    my $kept = kept_from($h, $part);
    return if $at < 0 && $kept; # it may have been deleted
    for my $i (0 .. $batch->{n} - 1) {
        my $value = "$batch->{producer}:" . ($batch->{first} + $i);
        my $what = "$part: $value, acknowledged at " . ($at < 0 ? 'some offset' : $at + $i);
        my $behind = $at >= 0 && $at + $i > $#$log;
        my $found = $at >= 0 ? $log->[$at + $i] : undef;
        fault($h, 'inconsistent-offsets', "$what, where $found is") if defined $found && $found ne $value;
        fault($h, $behind ? 'unseen' : 'lost-write', $what)
            if !$places->{$value} && ($at < 0 || $at + $i >= $kept);
    }
}

sub check_end {
    my ($h) = @_;
    my %parts = (%{ $h->{batches} // {} }, %{ $h->{log} // {} });
    for my $part (sort keys %parts) {
        my ($process, $end) = @{ $h->{end}{$part} // [] };
        my $read = defined $process ? $h->{position}{$process}{$part} // 0 : -1;
        my $top = @{ $h->{log}{$part} // [] };
        fault($h, 'unfinished', "$part was not read to its end") if $read < ($end // 0);
        fault($h, 'vanished', "$part ends at $end, but was read up to $top")
            if defined $end && $top > $end;
    }
}

# ---- committed offsets

sub read_assigned { my ($h, $process, $group) = @_; $h->{group_of}{$process} = $group }

sub read_commit {
    my ($h, $process, $id, $group, @offsets) = @_;
    my $commit = { begun => $h->{now}, ended => 9**15, outcome => 'open', group => $group };
    $h->{commit}{$process}{$id} = $commit;
    for (@offsets) {
        my ($part, $at) = split /=/;
        push @{ $h->{commits}{"$group $part"} }, { commit => $commit, at => $at };
    }
}

sub end_commit {
    my ($h, $process, $id, $outcome) = @_;
    my $commit = $h->{commit}{$process}{$id}
        or return fault($h, 'malformed', "line $h->{now}: no commit $id of $process");
    @$commit{ 'ended', 'outcome' } = ($h->{now}, $outcome);
}

sub read_committed { my ($h, $process, $id) = @_; end_commit($h, $process, $id, 'ok') }
sub read_uncommitted { my ($h, $process, $id) = @_; end_commit($h, $process, $id, 'failed') }
sub read_commit_unknown { my ($h, $process, $id) = @_; end_commit($h, $process, $id, 'unknown') }

sub read_fetch { my ($h, $process, $id) = @_; $h->{fetch}{$id} = $h->{now} }

sub read_fetched {
    my ($h, $process, $id, $group, @offsets) = @_;
    my $begun = $h->{fetch}{$id}
        or return fault($h, 'malformed', "line $h->{now}: nobody began fetch $id");
    for (@offsets) {
        my ($part, $at) = split /=/;
        push @{ $h->{fetches}{"$group $part"} }, { begun => $begun, ended => $h->{now}, at => $at };
    }
}

# A register: a fetch returns what was committed last, or meanwhile, or what had no outcome and was
# not followed by one that was acknowledged.
sub check_commits {
    my ($h) = @_;
    for my $key (sort keys %{ $h->{fetches} // {} }) {
        my @commits = grep { $_->{commit}{outcome} ne 'failed' } @{ $h->{commits}{$key} // [] };
        my ($latest, @ended_by) = (0);
        for (@commits) {
            $latest = $_->{commit}{ended} if $_->{commit}{ended} > $latest;
            push @ended_by, $latest;
        }
        check_fetch($h, $key, $_, \@commits, \@ended_by) for @{ $h->{fetches}{$key} };
    }
}

# The commits come in the order in which they began; the i-th of ended_by is when the first i of
# them had all ended.
sub check_fetch {
    my ($h, $key, $fetch, $commits, $ended_by) = @_;
    my $since = 0; # when the last began of those that count

    for (@$commits) {
        last if $_->{commit}{begun} > $fetch->{begun};
        $since = $_->{commit}{begun}
            if $_->{commit}{outcome} eq 'ok' && $_->{commit}{ended} < $fetch->{begun};
    }
    return if $fetch->{at} < 0 && !$since;
    for my $i (reverse 0 .. $#$commits) {
        last if $ended_by->[$i] < $since;
        my $c = $commits->[$i];
        return if $c->{at} == $fetch->{at} && $c->{commit}{ended} >= $since
            && $c->{commit}{begun} < $fetch->{ended};
    }
    my $was = $fetch->{at} < 0 || grep { $_->{at} == $fetch->{at} } @$commits;
    fault($h, $was ? 'commit-lost' : 'commit-invented',
        "line $fetch->{ended}: $key is $fetch->{at}, after the commit in line $since");
}

# At least once: a group doesn't leave out what its members were not given.
sub check_groups {
    my ($h) = @_;
    for my $key (sort keys %{ $h->{commits} // {} }) {
        my ($group, $part) = split ' ', $key;
        my $top = 0;
        for (@{ $h->{commits}{$key} }) {
            $top = $_->{at} if $_->{commit}{outcome} eq 'ok' && $_->{at} > $top;
        }
        my ($missing) = grep { !vec($h->{given}{$group}{$part} //= '', $_, 1) }
            kept_from($h, $part) .. $top - 1;
        fault($h, 'group-skip', "$key: $missing was given to nobody, and $top committed")
            if defined $missing;
    }
}

# ---- topics

sub read_create {
    my ($h, $process, $topic, $partitions) = @_;
    $h->{topic}{$topic} = { partitions => $partitions, begun => $h->{now} };
}

sub read_created { my ($h, $process, $topic) = @_; $h->{topic}{$topic}{created} = $h->{now} }
sub read_create_unknown { }
sub read_delete { my ($h, $process, $topic) = @_; $h->{topic}{$topic}{delete_begun} = $h->{now} }
sub read_deleted { my ($h, $process, $topic) = @_; $h->{topic}{$topic}{deleted} = $h->{now} }
sub read_delete_unknown { }
sub read_list { my ($h, $process) = @_; $h->{list_begun}{$process} = $h->{now} }

sub read_listed {
    my ($h, $process, @topics) = @_;
    push @{ $h->{lists} },
        { begun => $h->{list_begun}{$process}, ended => $h->{now}, topics => \@topics };
}

sub read_broken {
    my ($h, $process, $part) = @_;
    fault($h, 'topic-half', "line $h->{now}: $part does not answer");
}

# What a list shows, or doesn't, is an outcome, too.
sub check_topics {
    my ($h) = @_;
    for my $list (@{ $h->{lists} // [] }) {
        my %there;
        for (@{ $list->{topics} }) {
            my ($name, $partitions, $id) = split m{/};
            $there{$name} = 1;
            check_listed($h, $list, $name, $partitions, $id);
        }
        for my $name (sort grep { !$there{$_} } keys %{ $h->{topic} // {} }) {
            my $t = $h->{topic}{$name};
            next if !defined $t->{created} || $t->{created} > $list->{begun};
            if (!defined $t->{delete_begun} || $t->{delete_begun} > $list->{ended}) {
                fault($h, 'topic-lost', "line $list->{ended}: $name");
            } else {
                $t->{deleted} //= $list->{ended};
            }
        }
    }
}

sub check_listed {
    my ($h, $list, $name, $partitions, $id) = @_;
    my $t = $h->{topic}{$name};
    my $what = "line $list->{ended}: $name";
    return fault($h, 'topic-invented', $what) if !$t || $t->{begun} > $list->{ended};
    fault($h, 'topic-undead', $what) if defined $t->{deleted} && $t->{deleted} < $list->{begun};
    fault($h, 'topic-half', "$what has $partitions partitions, not $t->{partitions}")
        if $partitions != $t->{partitions};
    $t->{created} //= $list->{ended};
    $t->{id} //= $id;
    fault($h, 'topic-changed', "$what is $id, was $t->{id}") if $t->{id} ne $id;
}

# As a program: the faults in a file.
if (!caller) {
    chomp(my @lines = <>);
    print "$_->[0]: $_->[1]\n" for check(\@lines);
}

1;
