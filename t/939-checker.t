#!/usr/bin/env perl
# The judge of histories is judged: it finds nothing in a good one, and in one with a planted fault
# exactly that.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Ledger;

my $n = 0;
my %planted;

sub is_found {
    my ($what, $want, @lines) = @_;
    my @faults = Ledger::check(\@lines);
    my %kinds = map { $_->[0] => 1 } @faults;
    my $got = join ' ', sort keys %kinds;
    $n++;
    print $got eq $want ? '' : 'not ', "ok $n - $what\n";
    return if $got eq $want;
    print "# expected: $want\n# got: $got\n", map { "#   $_->[0]: $_->[1]\n" } @faults;
}

# Everything that is allowed: p1 knows of no sequences and sends again, p2 never does; batches
# without an outcome that are there, and that are not; records that were deleted before anybody read them,
# in the midst of a batch, and others that went by themselves; a group that goes on from an older offset
# after a commit without an outcome; a topic of which nobody knows whether it was made.
my @good = map { "1 $_" } grep { !/^$|^#/ } split /\n\s*/, <<'END';

    f0 create t 1
    f0 created t
    p0 producer idempotent
    p1 producer retrying
    p2 producer once
    k0 create a 3
    k0 created a
    k0 create b 2
    k0 create-unknown b broke
    p0 send 0 t/0 0+3
    p0 send 1 t/0 3+2
    p0 sent 0 0
    p1 send 0 t/0 0+2
    p2 send 0 t/0 0+2
    p2 send 1 t/0 2+1
    a0 from t/0 0
    a0 poll t/0 0:0:0+3
    k0 list
    k0 listed t/1/aa a/3/bb
    p0 resend 1
    p1 resend 0
    p0 sent 1 3
    p1 sent 0 7
    p2 unknown 0 broke
    p2 unknown 1 broke
    p2 send 2 t/0 3+1
    p2 failed 2 CORRUPT
    p2 send 3 t/0 4+1
    p2 sent 3 10
    p0 send 2 t/0 5+1
    p0 abandoned 2
    p0 send 3 t/0 6+1
    p0 resend 3
    p0 sent 3 -1
    a0 poll t/0 3:0:3+2 5:1:0+2 7:1:0+2
    a0 from t/0 2
    a0 poll t/0 2:0:2+3
    m0 assigned g 1 t/0
    m0 fetch 0 g
    m0 fetched 0 g t/0=-1
    m0 from t/0 0
    m0 poll t/0 0:0:0+5 5:1:0+2 7:1:0+2
    m0 commit 0 g t/0=5
    m0 committed 0
    m0 commit 1 g t/0=7
    m0 commit-unknown 1 broke
    k0 fetch 1 g
    k0 fetched 1 g t/0=5
    m1 assigned g 2 t/0
    m1 fetch 2 g
    m1 fetched 2 g t/0=7
    m1 from t/0 7
    m1 poll t/0 7:1:0+2 9:2:2+1 10:2:4+1
    m0 commit 2 g t/0=3
    m0 uncommitted 2 ILLEGAL_GENERATION
    m1 commit 0 g t/0=11
    k0 fetch 3 g
    k0 fetched 3 g t/0=7
    m1 committed 0
    m1 fetch 4 g
    m1 fetched 4 g t/0=11
    k0 delete a
    k0 deleted a
    k0 list
    k0 listed t/1/aa b/2/cc
    f0 expires e
    p2 send 4 d/0 0+4
    p2 sent 4 0
    p2 send 5 e/0 0+2
    p2 sent 5 0
    p2 send 6 e/0 2+2
    p2 sent 6 2
    d0 trim d/0 2
    a2 from d/0 0
    a2 lost d/0 0 OUT
    d0 trimmed d/0 2
    a2 starts d/0=2 e/0=0
    a2 from d/0 2
    a2 poll d/0 2:2:2+2
    a2 from e/0 0
    a2 lost e/0 0 OUT
    a2 starts d/0=2 e/0=2
    a2 from e/0 2
    d0 trim d/0 3
    d0 untrimmed d/0 broke
    m2 assigned h 1 d/0
    m2 from d/0 2
    m2 poll d/0 2:2:2+2
    m2 commit 0 h d/0=4
    m2 committed 0
    f0 end d/0 4
    f0 from d/0 2
    f0 poll d/0 2:2:2+2
    f0 end e/0 4
    f0 from e/0 2
    f0 poll e/0 2:2:2+2
    f0 from t/0 0
    f0 end t/0 13
    f0 poll t/0 0:0:0+5 5:1:0+2 7:1:0+2 9:2:2+1 10:2:4+1 11:0:6+1 12:0:5+1
END

is_found('a good history', '', @good);

# Put something else in the place of patterns, in each line that has them; there must be some.
sub with {
    my ($what, $kind, %edits) = @_;
    my @lines = @good;
    for my $pattern (sort keys %edits) {
        my $hits = 0;
        for (@lines) {
            $hits++ if s/^(1 .*)$pattern/"$1" . $edits{$pattern}/e;
        }
        die "$what: nothing has $pattern" if !$hits;
    }
    is_found($what, $kind, map { split /\n/ } @lines);
    $planted{$kind} = 1;
}

with('an acknowledged batch that nobody knows where', 'lost-write',
    'p2 failed 2 CORRUPT' => 'p2 sent 2 -1');
with('an acknowledged batch behind the end', 'unseen', 'p2 failed 2 CORRUPT' => 'p2 sent 2 13');
with('an acknowledged offset with another value', 'inconsistent-offsets', 'sent 3 10' => 'sent 3 9');
with('two readers, two values', 'inconsistent-offsets', 'm0 poll t/0 0:0:0\+5 5:1:0\+2 7:1:0\+2' =>
    'm0 poll t/0 0:0:0+5 5:1:0+2 7:1:0+1 8:2:4+1');
with('a log that has become shorter', 'vanished', 'end t/0 13' => 'end t/0 12');
with('a duplicate with sequences', 'duplicate', '11:0:6\+1 12:0:5\+1' => '11:0:6+1 12:0:6+1');
with('a duplicate of what was never sent again', 'duplicate', '12:0:5\+1' => '12:2:4+1');
with('three copies of what was sent twice', 'duplicate', 'end t/0 13' => 'end t/0 15',
    '12:0:5\+1' => '12:0:5+1 13:1:0+2');
with('two batches the wrong way round', 'reordered', 'p2 sent 3 10' => 'p2 sent 3 9',
    '9:2:2\+1 10:2:4\+1' => '9:2:4+1 10:2:2+1');
with('half a batch', 'torn', 'p2 unknown 0 broke' => 'p2 abandoned 0',
    'end t/0 13' => 'end t/0 14', '12:0:5\+1' => '12:0:5+1 13:2:0+1');
with('the end of a batch only', 'torn', 'p2 unknown 0 broke' => 'p2 abandoned 0',
    'end t/0 13' => 'end t/0 14', '12:0:5\+1' => '12:0:5+1 13:2:1+1');
with('a refused value', 'failed-read', '9:2:2\+1' => '9:2:3+1');
with('a value that nobody sent', 'invented', '12:0:5\+1' => '12:0:7+1');
with('a record that is garbage', 'invented', '12:0:5\+1' => '12:?');
with('a record of another partition', 'invented', 'p2 send 3 t/0' => 'p2 send 3 t/1',
    'p2 sent 3 10' => 'p2 unknown 3 broke', 'end t/0 13' => "end t/1 0\n1 f0 end t/0 13");
with('a poll that goes back', 'nonmonotonic-poll', 'from t/0 2' => 'from t/0 3');
with('a poll that leaves out', 'poll-skip', 'from t/0 2' => 'from t/0 1');
with('a place that is gone', 'position-lost', 'a0 from t/0 2' => "a0 lost t/0 2 X\n1 a0 from t/0 2");
with('a place that was not deleted', 'position-lost', 'a2 lost d/0 0' => 'a2 lost d/0 2');
with('a place whose time was not over', 'position-lost', 'a2 lost e/0 0' => 'a2 lost e/0 2');
with('an acknowledged batch that was not deleted', 'unseen',
    'f0 poll e/0 2:2:2\+2' => 'f0 list', 'f0 end e/0 4' => 'f0 end e/0 2');
with('a beginning that goes back', 'start-back',
    'a2 starts d/0=2 e/0=2' => "a2 starts d/0=2 e/0=2\n1 a2 starts d/0=1");
with('a deletion that was not done', 'start-back', 'trimmed d/0 2' => 'trimmed d/0 1');
with('a beginning behind what was to be deleted', 'start-beyond',
    'f0 poll e/0 2:2:2\+2' => "f0 poll e/0 2:2:2+2\n1 f0 starts d/0=4");
with('a deleted record', 'undeleted', 'a2 from d/0 2' => 'a2 from d/0 1',
    'a2 poll d/0 2:2:2\+2' => 'a2 poll d/0 1:2:1+3');
with('a sequence that is not known any more', 'sequence-refused',
    'p0 abandoned 2' => 'p0 refused 2 X', 'end t/0 13' => 'end t/0 12', ' 12:0:5\+1' => '');
with('no offset where one was committed', 'commit-lost', 'fetched 4 g t/0=11' => 'fetched 4 g t/0=-1');
with('an older offset', 'commit-lost', 'fetched 4 g t/0=11' => 'fetched 4 g t/0=5');
with('an offset without outcome, after the next one', 'commit-lost',
    'fetched 4 g t/0=11' => 'fetched 4 g t/0=7');
with('an offset before it was committed', 'commit-invented', 'fetched 1 g t/0=5' => 'fetched 1 g t/0=9');
with('an offset whose commit was refused', 'commit-invented',
    'fetched 4 g t/0=11' => 'fetched 4 g t/0=3');
with('a group that left something out', 'group-skip',
    'm0 poll t/0 0:0:0\+5 5:1:0\+2' => "m0 poll t/0 0:0:0+4\n1 m0 from t/0 5\n1 m0 poll t/0 5:1:0+2");
with('a topic less', 'topic-lost', 'listed t/1/aa a/3/bb' => 'listed t/1/aa');
with('a topic that was seen, and is gone', 'topic-lost',
    'listed t/1/aa b/2/cc' => "listed t/1/aa b/2/cc\n1 k0 list\n1 k0 listed t/1/aa");
with('a topic with too few partitions', 'topic-half', 'a/3/bb' => 'a/2/bb');
with('a partition that does not answer', 'topic-half', 'k0 fetch 1 g' => "k0 broken t/0\n1 k0 fetch 1 g");
with('a topic with a new id', 'topic-changed', 't/1/aa b/2/cc' => 't/1/ab b/2/cc');
with('a deleted topic', 'topic-undead', 't/1/aa b/2/cc' => 't/1/aa a/3/bb');
with('a topic that nobody made', 'topic-invented', 't/1/aa b/2/cc' => 't/1/aa c/1/dd');
with('no answer', 'stuck', 'p0 abandoned 2' => "p0 abandoned 2\n1 p0 stuck receive");
with('what cannot be read', 'malformed', 'p0 abandoned 2' => "p0 abandoned 2\n1 p0 malformed X");
with('a word that is unknown', 'malformed', 'p0 abandoned 2' => "p0 abandoned 2\n1 p0 frobs X");
with('an answer to nothing', 'malformed', 'p0 abandoned 2' => "p0 abandoned 2\n1 p0 sent 2 1");
with('an end that nobody reached', 'unfinished', ' 12:0:5\+1' => '');
with('no end', 'unfinished', 'f0 end t/0 13' => 'f0 from t/0 0');

$n++;
my @untested = grep { !$planted{$_} } sort keys %Ledger::KINDS;
print @untested ? 'not ' : '', "ok $n - each kind of fault was planted\n";
print "# not: @untested\n" if @untested;
print "1..$n\n";
