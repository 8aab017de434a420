#!/usr/bin/env perl
# librdkafka's own test suite. In `make check` those of its smoke tests that talk to a broker; in
# `make check-long` all that t/peers/librdkafka.skip doesn't leave out, which takes half an hour of
# mostly waiting.
use strict;
use warnings;
use JSON::PP;
use Test::More;
use lib ($ENV{srcdir} // '.') . '/t/lib';
use Varved;

use constant SMOKE => qw(0001 0012 0017 0022 0030 0039 0049);

my $runner = peer('librdkafka/bin/test-runner');
my $topics = peer('kafka-broker/bin/kafka-topics.sh');
# Without a delay 0089's two consumers join one after the other when the machine is busy, and the
# partition moves when it doesn't expect that.
my $broker = Varved->start('num.partitions=4', 'group.initial.rebalance.delay.ms=200');
my $dir = File::Temp->newdir('librdkafka-XXXXXX', TMPDIR => 1);

# {NUMBER => REASON}, {NUMBER => [SUBTEST...]} and the numbers of those that may need another try
sub read_skips {
    my (%skip, %only, @again);
    open(my $f, '<', ($ENV{srcdir} // '.') . '/t/peers/librdkafka.skip') or die "skips: $!";
    while (<$f>) {
        if (/^(\d{4}) \+(.+)/) {
            push @{ $only{$1} }, $2;
        } elsif (/^(\d{4}) again: /) {
            push @again, $1;
        } elsif (/^(\d{4}) (.+)/) {
            $skip{$1} = $2;
        }
    }
    return (\%skip, \%only, \@again);
}

# The environment and options of one run; its report, as a hash by test name.
sub run_suite {
    my ($env, @options) = @_;
    my $report = "$dir/report.json";

    unlink $report;
    local @ENV{keys %$env} = values %$env;
    system("cd '$dir' && '$runner' -L @options >'$dir/log' 2>&1 </dev/null");
    open(my $f, '<', $report) or return;
    local $/;
    my $text = <$f>;
    # it writes the messages of failures as they are
    $text =~ s/([\x00-\x09\x0b-\x1f])/sprintf('\\u%04x', ord $1)/ge;
    return JSON::PP->new->latin1->loose->allow_barekey->decode($text)->{tests};
}

# What the log says of a failure, and what came before it.
sub why {
    my ($name) = @_;
    open(my $f, '<', "$dir/log") or return 'no log';
    my @lines = map { s/\e\[\d*m//gr } grep { /\Q$name\E/ } <$f>;
    my @last;
    for my $line (@lines) {
        push @last, $line;
        shift @last if @last > 25;
        last if $line =~ /^### Test/;
    }
    return join('', @last);
}

# One line of TAP for each test that had a say.
sub judge {
    my ($tests, $what) = @_;
    if (!ok(defined $tests, 'the suite made a report' . $what)) {
        diag(why(''));
        return;
    }
    for my $name (sort keys %$tests) {
        my ($state, $extra) = @{ $tests->{$name} }{qw(state extra)};
        next if $name eq '<MAIN>' || $state eq 'SKIPPED' && $extra =~ /^$|flags|TESTS|tests to/i;
        SKIP: {
            skip("$name: $extra", 1) if $state eq 'SKIPPED';
            ok($state eq 'PASSED', "$name$what") or diag("$state $extra\n" . why($name));
        }
    }
}

open(my $conf, '>', "$dir/test.conf") or die "test.conf: $!";
print $conf 'metadata.broker.list=', $broker->address,
    "\ntest.topic.random=true\ntest.timeout.multiplier=3\n";
close $conf;
$ENV{TEST_KAFKA_VERSION} = '4.0.0';
$ENV{TEST_REPORT} = "$dir/report.json";
$ENV{BROKERS} = $broker->address;
$ENV{KAFKA_PATH} = $topics =~ s{/bin/kafka-topics\.sh$}{}r;

my ($skip, $only, $again) = read_skips();
if (!long_run()) {
    judge(run_suite({ TESTS => join(',', SMOKE) }, '-Q', '-p8'), '');
} else {
    for my $number (sort keys %$skip) {
        SKIP: { skip("$number: $skip->{$number}", 1) }
    }
    judge(run_suite({ TESTS_SKIP => join(',', keys %$skip, keys %$only, @$again) }, '-E', '-p1'), '');
    for my $number (sort keys %$only) {
        for my $part (@{ $only->{$number} }) {
            judge(run_suite({ TESTS => $number, SUBTESTS => $part }, '-E', '-p1'), " ($part)");
        }
    }
    for my $number (@$again) {
        my $tests;
        for my $try (1 .. 3) {
            $tests = run_suite({ TESTS => $number }, '-E', '-p1');
            last if $tests && !grep { /^$number/ && $tests->{$_}{state} eq 'FAILED' } keys %$tests;
            diag("$number, try $try: ", why($number)) if $try < 3;
        }
        judge($tests, '');
    }
}
$broker->stop;
done_testing();
