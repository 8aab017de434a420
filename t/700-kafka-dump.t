#!/usr/bin/env perl
# Kafka's DumpLogSegments reads the segments that varve wrote: all codecs, idempotent batches,
# LogAppendTime.  What it says of each batch and record must be what was appended.
use strict;
use warnings;
use File::Temp qw(tempdir);

my $builddir = $ENV{builddir} // '.';
my $peers = $ENV{VARVE_PEERS} // ($ENV{HOME} // '/root') . '/.cache/varve-peers';
my $dump = "$peers/kafka/bin/kafka-dump-log";
my $mk = "$builddir/t/mkkafka";

if (!-x $dump) {
    my $why = 'no Kafka tools; ./quickstart.sh test installs them';
    if (($ENV{VARVE_REQUIRE_PEERS} // '') eq '1') {
        print "1..1\nnot ok 1 - Kafka's DumpLogSegments is there\n# expected $dump: $why\n";
        exit 1;
    }
    print "1..0 # SKIP $why\n";
    exit 0;
}

my $n = 0;
my $bad = 0;

sub ok {
    my ($ok, $what, @why) = @_;
    $n++;
    $bad++ if !$ok;
    print $ok ? '' : 'not ', "ok $n - $what\n";
    print "# $_\n" for $ok ? () : @why;
    return $ok;
}

# Per topic: its directory, and what is in it as lines.
sub appended {
    my ($dir) = @_;
    my (%dir, %lines, @order);
    open(my $f, '-|', $mk, $dir) or die "$mk: $!";
    while (<$f>) {
        chomp;
        my ($kind, $topic, @rest) = split /\t/;
        if ($kind eq 'log') {
            $dir{$topic} = $rest[0];
            push @order, $topic;
        } else {
            push @{ $lines{$topic} }, join("\t", $kind, @rest);
        }
    }
    close($f) or die "$mk failed";
    return (\@order, \%dir, \%lines);
}

# One line of the tool's output in the same form, or nothing.
sub parse {
    my ($line) = @_;
    if ($line =~ /^baseOffset: (\d+) lastOffset: (\d+) count: (\d+) baseSequence: (-?\d+) lastSequence: -?\d+ producerId: (-?\d+) producerEpoch: (-?\d+) .*? (CreateTime|LogAppendTime): (\d+) .*compresscodec: (\w+) .*isvalid: true/) {
        return join("\t", 'batch', $1, $2, $3, $4, $5, $6, lc $9, $7, $8);
    }
    if ($line =~ /^\| offset: (\d+) (?:CreateTime|LogAppendTime): (\d+) keySize: (-?\d+) valueSize: \d+ sequence: -?\d+ headerKeys: \[(.*?)\](?: key: (\S+))? payload: (.*)$/) {
        return join("\t", 'record', $1, $2, $3 < 0 ? '-' : $5, $6, $4 eq '' ? '-' : $4);
    }
    return;
}

# The tool expects every file to begin with offset 0, Kafka's own too, and says so of all others.
sub is_quirk {
    my ($line, $file) = @_;
    return $line =~ /^ +-1 is followed by (\d+)$/ && $file =~ m{/0*$1\.log$};
}

# One start of the tool for all files, which it takes by commas: of each topic its lines, and what else it said.
sub dumped {
    my (%topic_of) = @_;
    my (%lines, %complaints);
    my ($topic, $file) = ('', '');
    open(my $f, '-|', "'$dump' --deep-iteration --print-data-log --files '" . join(',', sort keys %topic_of) .
            "' 2>&1") or die "$dump: $!";
    while (<$f>) {
        chomp;
        if (/^(?:Dumping|Non-consecutive offsets in) (.*)$/ && defined $topic_of{$1}) {
            ($topic, $file) = ($topic_of{$1}, $1);
            next;
        }
        my $line = parse($_);
        push @{ $lines{$topic} }, $line if defined $line;
        next if defined $line || is_quirk($_, $file);
        push @{ $complaints{$topic} }, $_ if !/^(Log starting offset: |$)/;
    }
    my $closed = close($f);
    push @{ $complaints{$topic} }, 'it failed' if !$closed;
    return (\%lines, \%complaints);
}

sub first_difference {
    my ($want, $got) = @_;
    for my $i (0 .. ($#$want > $#$got ? $#$want : $#$got)) {
        my ($w, $g) = ($want->[$i] // '(nothing)', $got->[$i] // '(nothing)');
        return ("line $i: expected $w", "line $i: saw      $g") if $w ne $g;
    }
    return ();
}

my $dir = tempdir(CLEANUP => 1);
my ($order, $logs, $want) = appended("$dir/data");
my (%files, %topic_of);
for my $topic (@$order) {
    $files{$topic} = [ glob("$dir/data/$logs->{$topic}/*.log") ];
    $topic_of{$_} = $topic for @{ $files{$topic} };
}
my ($got, $complaints) = dumped(%topic_of);
for my $topic (@$order) {
    my @diff = first_difference($want->{$topic}, $got->{$topic} // []);
    my @odd = @{ $complaints->{$topic} // [] };
    my $segments = @{ $files{$topic} };
    ok($segments > 1 && !@diff, "$topic: " . scalar(@{ $got->{$topic} // [] }) . ' batches and records in ' .
        "$segments segments are what was appended", @diff);
    ok(!@odd, "$topic: no complaints", @odd[0 .. ($#odd > 5 ? 5 : $#odd)]);
}
my @rest = @{ $complaints->{''} // [] };
ok(!@rest, 'nor any about something else', @rest);
print "1..$n\n";
exit($bad ? 1 : 0);
